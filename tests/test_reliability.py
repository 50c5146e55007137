"""The fault matrix in docs/reliability.md and the promises of docs/security.md name tests."""

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


def test_every_promise_of_security_names_tests_that_are_there() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = page.partition("| promise | test |\n|---|---|\n")[2].partition("\n\n")[0]
    promises = [row for row in rows.splitlines() if row.startswith("| ")]
    assert len(promises) > 8
    for row in promises:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", row)
        assert named, row
        for file, test in named:
            assert not test or f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), row
            assert (ROOT / file).is_file(), row
