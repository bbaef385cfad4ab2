"""The messages between leader and workers: an order has a number, and exactly one answer with the same number comes back.

They are Locust's custom messages, packed with msgpack: numbers, texts, bytes, lists and tables, and nothing that could be run.
"""

ORDER, ANSWER = "forkloop-order", "forkloop-answer"
"""From the leader, and from a worker. The answer 0 is the worker's first word: who it is."""
VERSION = 4
"""Of these messages: leader and workers must have the same."""
TOKEN = "FORKLOOP_WORKER"
"""Environment variable by which the leader knows the workers that it has started itself."""
SILENT_S = 10.0
"""Locust's workers say every second that they are there: one that says nothing for so long is lost, and so is a leader."""
