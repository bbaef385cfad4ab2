"""This machine: its CPUs and how they are shared out, what is recorded of it, and the nginx on it."""

from bench.machine.budget import default_budget
from bench.machine.description import describe
from bench.machine.nginx import Nginx, find_nginx
from bench.machine.placement import place
from bench.machine.topology import Topology, topology

__all__ = ["Nginx", "Topology", "default_budget", "describe", "find_nginx", "place", "topology"]
