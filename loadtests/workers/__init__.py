"""Several processes that load together, on one machine or on several: Locust's master and workers carry the messages."""
