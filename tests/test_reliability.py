"""The fault matrix in docs/reliability.md names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_every_row_of_the_fault_matrix_names_a_test_that_is_there() -> None:
    rows = [row for row in PAGE.partition("## The fault matrix")[2].splitlines() if row[:1] == "|"]
    assert len(rows) > 20
    for row in rows[2:]:
        named = re.search(r"`(tests/\S+\.py)::(test_\w+)` \|$", row)
        assert named, row
        source = (ROOT / named[1]).read_text(encoding="utf-8")
        assert re.search(rf"^def {named[2]}\(", source, re.MULTILINE), row
