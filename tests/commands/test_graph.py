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
    ran = aloe("graph", name)
    assert ran.code == 0, ran.err
    assert "graph TD;" in ran.out
    assert " -.-> " in ran.out
    as_json = aloe("graph", name, "--json").result
    assert set(as_json["nodes"]) == NODES[name] | {"__start__", "__end__"}
    assert as_json["mermaid"].strip() == ran.out.strip()


@pytest.mark.parametrize("name", NODES)
def test_a_graph_is_drawn_with_boxes(aloe: RunAloe, name: str, tmp_path: Path) -> None:
    ran = aloe("graph", name, "--boxes")
    assert ran.code == 0, ran.err
    assert "graph TD;" not in ran.out
    for node in NODES[name]:
        assert f"| {node.rpartition(':')[2]} |" in ran.out
    picture = tmp_path / "graph.svg"
    assert aloe("graph", name, "--svg", picture).code == 0
    assert all(node.rpartition(":")[2] in picture.read_text() for node in NODES[name])


def test_boxes_need_an_extra(aloe: RunAloe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aloe.extras.find_spec", lambda _: None)
    assert aloe("graph", "--boxes").is_one_line_about("grandalf", "aloe-align[plots]")
