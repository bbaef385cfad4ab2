"""Journeys, one file each: users in ordinary Locust style on the engine's connections. Found by name from scenario files."""
