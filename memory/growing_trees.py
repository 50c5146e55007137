"""Trees that are not finished: a file for each while it grows, gone when the tree is finished.

`trees.jsonl` holds finished trees only, so that resuming stays a set difference. For people who
look at a run that is going on, or was killed, each exchange is written here as it ends:

    growing/TREE.jsonl     the tree as it began, then an exchange a line

Nothing is resumed from these files (calls are, from events.jsonl): losing one loses a view.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from aloe.files.appending import append_lines
from aloe.files.writing import replace_text
from aloe.schema import Node, Tree, Verdict


class GrowingTrees:
    """The unfinished trees of a run folder.

    Args:
        run: the run folder; whoever writes must hold it.
    """

    def __init__(self, run: Path) -> None:
        self._folder = run / "growing"
        self._heard: set[str] = set()

    def add(self, begun: Tree, nodes: Sequence[Node], verdicts: Sequence[Verdict]) -> None:
        """Keep an exchange.

        Args:
            begun: the tree as it was before its first exchange, perhaps without a node.
            nodes: the user's message, then the replies to it.
            verdicts: on the replies.

        Raises:
            StoreError: it cannot be written (a full disk, say).
        """
        file = self._folder / f"{begun.id}.jsonl"
        parent = nodes[0].parent
        # Whoever begins a tree again tells all of it again; after a checkpoint, only the rest.
        again = begun.id not in self._heard and (parent is None or parent in begun.by_id)
        if again or not file.exists():
            replace_text(file, begun.model_dump_json() + "\n")
        self._heard.add(begun.id)
        exchange = {
            "nodes": [node.model_dump(mode="json") for node in nodes],
            "verdicts": [verdict.model_dump(mode="json") for verdict in verdicts],
        }
        append_lines(file, json.dumps(exchange, ensure_ascii=False) + "\n")

    def end(self, tree: str) -> None:
        """Drop a tree that is finished, and the folder with the last of them."""
        with suppress(OSError):
            (self._folder / f"{tree}.jsonl").unlink(missing_ok=True)
            self._folder.rmdir()

    def read(self) -> Iterator[Tree]:
        """Yield every tree as far as it is there; what a kill or a hand has broken is left out."""
        found = []
        for file in self._folder.glob("*.jsonl"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                found.append((file.stat().st_mtime, file.name, _join(_lines(file))))
        yield from (tree for *_, tree in sorted(found, key=lambda each: each[:2]))


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of the lines that are whole."""
    for line in file.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield json.loads(line)


def _join(lines: Iterable[dict[str, Any]]) -> Tree:
    """Return the tree that a file holds; an exchange that was told twice is in it once.

    Raises:
        ValueError: the lines are no tree.
    """
    begun, *exchanges = lines
    nodes, verdicts = dict[str, Any](), dict[tuple[str, ...], Any]()
    for each in (begun, *exchanges):
        nodes |= {node["id"]: node for node in each["nodes"]}
        verdicts |= {(v["node"], v["first"], v["second"]): v for v in each["verdicts"]}
    whole = {**begun, "nodes": list(nodes.values()), "verdicts": list(verdicts.values())}
    return Tree.model_validate_json(json.dumps(whole))
