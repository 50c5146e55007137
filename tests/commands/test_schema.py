import json

import pytest
from command import RunAloe

from aloe.schema import json_schema


@pytest.mark.parametrize("kind", ["tree", "persona"])
def test_the_schema_is_json_either_way(aloe: RunAloe, kind: str) -> None:
    assert json.loads(aloe("schema", kind).out) == json_schema(kind)  # type: ignore[arg-type]
    ran = aloe("schema", kind, "--json")
    assert ran.result == json_schema(kind)  # type: ignore[arg-type]
    assert ran.out.count("\n") == 1


def test_another_kind_is_refused(aloe: RunAloe) -> None:
    ran = aloe("schema", "forest")
    assert ran.code == 2
    assert "tree" in ran.err
