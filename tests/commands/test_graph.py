"""`aloe graph`: what is drawn is what runs."""

from pathlib import Path

import pytest
from command import RunAloe

NODES = {
    "tree": {"expand", "turn:user", "turn:inducer", "turn:assistant", "turn:judge", "turn:check"},
    "turn": {"user", "inducer", "assistant", "judge", "check"},
    "pool": {"expand", "write", "validate", "gate", "admit"},
}


@pytest.mark.parametrize("name", NODES)
def test_a_graph_draws_itself(aloe: RunAloe, name: str) -> None:
    ran = aloe("graph", name, "--mermaid")
    assert ran.code == 0, ran.err
    assert "graph TD;" in ran.out
    assert " -.-> " in ran.out
    as_json = aloe("graph", name, "--json").result
    assert set(as_json["nodes"]) == NODES[name] | {"__start__", "__end__"}
    assert as_json["mermaid"].strip() == ran.out.strip()


@pytest.mark.parametrize("name", NODES)
def test_a_picture_is_drawn_offline(aloe: RunAloe, tmp_path: Path, name: str) -> None:
    image = pytest.importorskip("PIL.Image")
    file = tmp_path / "graph.png"
    ran = aloe("graph", name, "--png", file)
    assert ran.code == 0, ran.err
    with image.open(file) as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("L").getcolors()) > 20  # boxes, arrows and letters
        assert picture.size[1] > picture.size[0] / 2


def test_a_picture_that_cannot_be_written(aloe: RunAloe, tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    ran = aloe("graph", "--png", tmp_path / "none" / "x.png")
    assert ran.is_one_line_about("x.png cannot be written")
