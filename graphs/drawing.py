"""A state machine as a picture, without a browser, a network service or Graphviz.

LangGraph draws Mermaid text by itself, but its PNG comes from a web service. The graphs here are
small and mostly a line from top to bottom, so a plain layout does: nodes stand in rows by their
distance from the start, an edge to the next row is a straight arrow, any other runs round the right
side. Conditional edges are dashed, as in Mermaid.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from langchain_core.runnables.graph import Graph

from aloe.errors import ConfigError
from aloe.files.writing import explain_failure

BOX = (150, 36)
GAP = (30, 44)
MARGIN = 40
INK, PAPER, FILL = (45, 42, 60), (255, 255, 255), (236, 233, 252)

Point = tuple[float, float]


def rows(graph: Graph) -> list[list[str]]:
    """Return the node names in rows by their distance from the start."""
    distance = {"__start__": 0}
    queue = ["__start__"]
    for source in queue:
        for edge in graph.edges:
            if edge.source == source and edge.target not in distance:
                distance[edge.target] = distance[source] + 1
                queue.append(edge.target)
    found: list[list[str]] = [[] for _ in range(max(distance.values()) + 1)]
    for node, row in distance.items():
        found[row].append(node)
    return [sorted(row, key=lambda node: node == "__end__") for row in found]


def save_png(graph: Graph, path: Path) -> None:
    """Draw `graph` into a PNG file.

    Raises:
        ConfigError: pillow is not installed.
        StoreError: the file cannot be written.
    """
    try:
        from PIL import Image, ImageDraw
    except ModuleNotFoundError:
        raise ConfigError("a PNG needs pillow: pip install 'aloe-align[plots]'") from None
    levels = rows(graph)
    size = _size(levels, len(graph.edges))
    image = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(image)
    places = _places(levels)
    lane = size[0] - MARGIN
    for edge in graph.edges:
        straight = places[edge.target][1] - places[edge.source][1] == BOX[1] + GAP[1]
        lane -= 0 if straight else 12
        corners = _route(places[edge.source], places[edge.target], None if straight else lane)
        _arrow(pen, corners, dashed=edge.conditional)
    for node, place in places.items():
        _box(pen, place, node)
    with explain_failure(path):
        image.save(path, "PNG")


def _size(levels: Sequence[Sequence[str]], edges: int) -> tuple[int, int]:
    width = max(map(len, levels)) * (BOX[0] + GAP[0]) + 12 * edges
    return width + 2 * MARGIN, len(levels) * (BOX[1] + GAP[1]) + 2 * MARGIN


def _places(levels: Sequence[Sequence[str]]) -> dict[str, Point]:
    """Return the middle of every node's box."""
    return {
        node: (
            MARGIN + BOX[0] / 2 + column * (BOX[0] + GAP[0]),
            MARGIN + BOX[1] / 2 + row * (BOX[1] + GAP[1]),
        )
        for row, nodes in enumerate(levels)
        for column, node in enumerate(nodes)
    }


def _route(source: Point, target: Point, lane: float | None) -> list[Point]:
    """Return the corners of an edge: down to the next row, or round by `lane`."""
    if lane is None:
        return [(source[0], source[1] + BOX[1] / 2), (target[0], target[1] - BOX[1] / 2)]
    side = BOX[0] / 2
    return [(source[0] + side, source[1]), (lane, source[1]), (lane, target[1]),
            (target[0] + side, target[1])]  # fmt: skip


def _arrow(pen: Any, corners: list[Point], *, dashed: bool) -> None:
    for start, end in pairwise(corners):
        _line(pen, start, end, dashed=dashed)
    (x0, y0), (x, y) = corners[-2:]
    length = max(((x - x0) ** 2 + (y - y0) ** 2) ** 0.5, 1.0)
    dx, dy = 8 * (x - x0) / length, 8 * (y - y0) / length
    wings = [(x - dx - dy / 2, y - dy + dx / 2), (x - dx + dy / 2, y - dy - dx / 2)]
    pen.polygon([(x, y), *wings], fill=INK)


def _line(pen: Any, start: Point, end: Point, *, dashed: bool) -> None:
    if not dashed:
        pen.line([start, end], fill=INK, width=2)
        return
    (x0, y0), (x1, y1) = start, end
    steps = max(1, int(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5 / 6))
    for step in range(0, steps, 2):
        ends = [(x0 + (x1 - x0) * k / steps, y0 + (y1 - y0) * k / steps) for k in (step, step + 1)]
        pen.line(ends, fill=INK, width=2)


def _box(pen: Any, place: Point, name: str) -> None:
    from PIL import ImageFont

    (x, y), (width, height) = place, BOX
    corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    pen.rounded_rectangle(corners, radius=10, fill=FILL, outline=INK, width=2)
    pen.text(place, name.strip("_"), fill=INK, anchor="mm", font=ImageFont.load_default(size=14))
