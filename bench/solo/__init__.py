"""`bench load` and `bench duet`: the load engine on any server of the user's."""

from bench.solo.compare import duet
from bench.solo.generators import choose, help_out, invitation
from bench.solo.single import load

__all__ = ["choose", "duet", "help_out", "invitation", "load"]
