"""The load engine: what Locust runs. A process of its own (Locust patches the standard library); imports nothing of `bench`."""
