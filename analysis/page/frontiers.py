"""Which stacks give most for their memory, in a sentence for each scenario."""

from analysis import tables
from analysis.charts.frontier import beaten
from analysis.evidence import Evidence
from analysis.words import Coded, Listed, Said, say


def frontiers(evidence: Evidence) -> dict[str, Said]:
    """By scenario, those that no other stack is surely better than; scenarios in which stacks were not compared are left out."""
    found: dict[str, Said] = {}
    for scenario in tables.scenarios(evidence):
        by_stack = beaten(evidence, scenario)
        if by_stack:
            first = [Coded(stack, "b") for stack, better in by_stack.items() if not better]
            found[scenario] = say("frontier.named", stacks=Listed(first), n=len(by_stack) - len(first))
    return found
