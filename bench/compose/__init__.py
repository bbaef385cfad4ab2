from bench.compose.launcher import ComposeLauncher
from bench.compose.project import Member, project
from bench.compose.topfile import current, expected

__all__ = ["ComposeLauncher", "Member", "current", "expected", "project"]
