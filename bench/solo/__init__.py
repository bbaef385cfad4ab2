"""`bench load` and `bench duet`: the load engine on any server of the user's."""

from bench.solo.compare import duet
from bench.solo.single import load

__all__ = ["duet", "load"]
