"""`aloe graph`: what is drawn is what runs."""

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
