"""Which of many things hang together, directly or through others."""

from collections.abc import Sequence


def find_clusters(count: int, pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the connected groups of `count` rows, in the order of their first row."""
    parent = list(range(count))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for one, other in pairs:
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    groups: dict[int, list[int]] = {}
    for row in range(count):
        groups.setdefault(root(row), []).append(row)
    return list(groups.values())
