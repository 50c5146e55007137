from command import RunAloe


def test_the_audit_says_what_is_caught_by_kind(aloe: RunAloe) -> None:
    ran = aloe("users", "audit", "--half", "develop", "--json")
    assert ran.code == 0, ran.err
    found = ran.result
    marks = found["kinds"]["stop_mark"]
    assert marks["turns"] == marks["caught"] + marks["cleaned"]
    assert found["caught"] > 0.9 > 0.1 > found["false_alarms"]
    assert "bad turns are caught" in aloe("users", "audit", "--limit", 60).out


def test_there_are_two_halves(aloe: RunAloe) -> None:
    assert aloe("users", "audit", "--half", "both").is_one_line_about(
        "develop, test or fresh", "both"
    )
