from command import RunAloe


def test_the_audit_says_what_is_caught_by_kind(aloe: RunAloe) -> None:
    ran = aloe("users", "audit", "--half", "develop", "--json")
    assert ran.code == 0, ran.err
    found = ran.result
    marks = found["kinds"]["stop_mark"]
    assert marks["turns"] == marks["caught"] + marks["cleaned"]
    assert found["caught"] > 0.9 > 0.1 > found["false_alarms"]
    assert "bad turns are caught" in aloe("users", "audit", "--limit", 60).out


def test_a_limit_above_the_corpus_is_all_of_it(aloe: RunAloe) -> None:
    whole, limited = (
        aloe("users", "audit", "--half", "test", *limit, "--json").result
        for limit in ((), ("--limit", 100_000))
    )
    assert limited["kinds"] == whole["kinds"]
    assert limited["good"] == whole["good"]


def test_there_are_two_halves(aloe: RunAloe) -> None:
    assert aloe("users", "audit", "--half", "both").is_one_line_about(
        "develop, test or fresh", "both"
    )
