"""What the answers for pairs say of all stacks: letter groups and ranges of rank."""

from collections.abc import Mapping, Sequence

from analysis.stats.pairs import Pair

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def letters(ordered: Sequence[str], different: set[frozenset[str]]) -> dict[str, str]:
    """From stack to its letters: two stacks share one if and only if they were not shown to be different.

    `ordered` is the best first, `different` the pairs that differ. Sharing a letter is no equality, and not transitive: with letters
    a, ab and b the first differs from the last and neither from the middle one. Insert and absorb, after H.-P. Piepho,
    An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons, J. Comput. Graph. Stat. 13 (2004).
    """
    # A group is a number with a bit for each stack that is in it, by its place: with 60 stacks most of 1,800 pairs differ.
    bits = {stack: 1 << place for place, stack in enumerate(ordered)}
    groups = [sum(bits.values())] if ordered else []
    for both in sorted(sum(bits[stack] for stack in pair) for pair in different):  # in order: few groups on the way
        whole = [group for group in groups if group & both != both]  # no new group can hold one of these
        first = both & -both
        split = {group & ~one for group in groups if group & both == both for one in (first, both ^ first)}
        largest: list[int] = []
        for group in sorted(split, key=int.bit_count, reverse=True):
            if not any(group & wider == group for wider in (*whole, *largest)):
                largest.append(group)
        groups = whole + largest
    members: list[list[int]] = sorted(
        [place for place in range(len(ordered)) if group >> place & 1] for group in groups
    )
    found = dict.fromkeys(ordered, "")
    for number, places in enumerate(members):
        for place in places:
            found[ordered[place]] += _letter(number)
    return found


def _letter(number: int) -> str:
    """a to z, then a2 to z2 and so on."""
    again, which = divmod(number, len(ALPHABET))
    return ALPHABET[which] + (str(again + 1) if again else "")


def ranks(stacks: Sequence[str], pairs: Sequence[Pair], *, higher_is_better: bool) -> dict[str, tuple[int, int]]:
    """From stack to its best and worst possible rank: 1 + those that are differently better, n - those that are differently worse."""
    better, worse = dict.fromkeys(stacks, 0), dict.fromkeys(stacks, 0)
    for pair in pairs:
        if pair.answer == "different":
            first_wins = (pair.log_ratio > 0) == higher_is_better
            winner, loser = (pair.stack, pair.other) if first_wins else (pair.other, pair.stack)
            better[loser] += 1
            worse[winner] += 1
    return {stack: (1 + better[stack], len(stacks) - worse[stack]) for stack in stacks}


def words(rank: tuple[int, int]) -> str:
    """1, or 2 to 5."""
    return str(rank[0]) if rank[0] == rank[1] else f"{rank[0]} to {rank[1]}"


def ordered(levels: Mapping[str, float], *, higher_is_better: bool) -> list[str]:
    """Stacks with the best estimate first."""
    return sorted(levels, key=lambda stack: -levels[stack] if higher_is_better else levels[stack])
