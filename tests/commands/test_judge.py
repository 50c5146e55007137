import json
from pathlib import Path
from typing import Any

import pytest
from builders import SCRIPTED
from command import RunAloe
from server import ChatServer, failure, scripted

from aloe.benchmark.gold_pairs import SHIPPED, read_gold
from aloe.passport import read_passport

ORACLE = '''
from aloe.benchmark.gold_pairs import read_gold

BETTER = {(p.message, *p.history, p.persona.personality): p.better for p in read_gold()}

def reply(messages, arguments):
    """Judge without a mistake; the reply under A stands first in the prompt."""
    text = messages[-1].text
    for (message, *said), better in BETTER.items():
        if f"now writes: {message}\\n" in text and all(each in text for each in said):
            return "A" if f"[A] {better}\\n\\n[B]" in text else "B"
    return "I would rather answer in full."

def mute(messages, arguments):
    return "Both are fine."

def biased(asked, model):
    return 1.0

class Biased:
    prompt = """
## user
Answer A or B: {a} {b}"""

    async def __call__(self, asked, model):
        said = await model.ask(a=asked.first.content, b=asked.second.content)
        return 1.0 if said else -1.0
'''


@pytest.fixture(autouse=True)
def _judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "judges.py").write_text(ORACLE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


def lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_judge_that_knows_the_answers(aloe: RunAloe, tmp_path: Path) -> None:
    ran = aloe("judge", "audit", "--model", "scripted:judges:reply", "--own", 0, "--json")
    assert ran.code == 0, ran.err
    assert (ran.result["out"], ran.result["pairs"]) == ("passport.json", len(read_gold()))
    assert ran.result["accuracy"]["value"] == ran.result["coverage"]["value"] == 1
    assert ran.result["kappa"] == 1
    assert ran.result["flips"]["value"] == ran.result["unreadable"]["value"] == 0
    assert ran.result["first_slot"]["value"] == 0.5
    assert ran.result["slope"] is None
    assert ran.result["self_preference"] is None
    passport = read_passport(tmp_path / "passport.json")
    assert passport.judge.models == ("scripted:judges:reply",)
    assert passport.model_dump(mode="json").items() <= ran.result.items()


@pytest.mark.parametrize("use", ["Biased", "biased"])
def test_a_judge_of_ones_own_shows_whether_the_order_decides(aloe: RunAloe, use: str) -> None:
    Path("own.toml").write_text(f'[models]\njudge = "{SCRIPTED}"\n[judge]\nuse = "judges:{use}"\n')
    ran = aloe("judge", "audit", "--config", "own.toml", "--limit", 20, "--own", 0, "--json")
    assert ran.code == 0, ran.err
    assert ran.result["flips"]["value"] == ran.result["first_slot"]["value"] == 1
    assert ran.result["outcomes"] == {"abstain": ran.result["pairs"]}


def test_a_judge_that_cannot_be_read(aloe: RunAloe) -> None:
    ran = aloe(
        "judge", "audit", "--model", "scripted:judges:mute", "--limit", 20, "--own", 10,
        "--out", "p/mute.json", "--quiet",
    )  # fmt: skip
    assert (ran.code, ran.err) == (0, "wrote p/mute.json\n")
    passport = read_passport(Path("p/mute.json"))
    assert passport.unreadable.value == 1
    assert passport.outcomes == {"abstain": passport.pairs}
    assert passport.accuracy.value is None
    assert passport.self_preference is not None
    assert passport.self_preference.count == 0
    assert "unreadable votes" in ran.out
    assert "100%" in ran.out


def test_an_audit_keeps_to_its_budget(aloe: RunAloe, tmp_path: Path) -> None:
    settings = tmp_path / "few.toml"
    settings.write_text("[budget]\nmax_calls = 7\n")
    command = ["judge", "audit", "--model", SCRIPTED, "--limit", 20, "--own", 0, "--json"]
    for _ in range(2):
        ran = aloe(*command, "--config", settings)
        assert (ran.code, "raise the cap" in ran.err) == (3, True)
        assert len(lines("passport.events.jsonl")) == 7
    assert aloe(*command).code == 0
    settings.write_text("[budget]\nmax_cost = 1.0\n")
    ran = aloe(*command, "--config", settings, "--model", "openai:x@http://127.0.0.1:9/v1")
    assert ran.is_one_line_about("needs the price of openai:x")


def test_word_overlap_is_no_judge_of_persons(aloe: RunAloe) -> None:
    ran = aloe("judge", "audit", "--model", SCRIPTED, "--out", "s.json", "--json")
    found = ran.result
    assert found["accuracy"]["low"] < 0.5 < found["accuracy"]["high"]
    assert found["by_kind"]["parroting"]["value"] < 0.2
    assert found["by_kind"]["mind_reading"]["value"] == 0
    assert found["length_effect"]["low"] > 0
    assert found["slope"] < 0.1


def test_the_same_command_again_asks_nothing(aloe: RunAloe) -> None:
    command = ["judge", "audit", "--model", SCRIPTED, "--limit", 30, "--out", "s.json", "--json"]
    assert aloe(*command).code == 0
    before = Path("s.json").read_bytes(), Path("s.events.jsonl").read_bytes()
    again = aloe(*command)
    assert "0 calls" in again.err
    assert (Path("s.json").read_bytes(), Path("s.events.jsonl").read_bytes()) == before


def test_answers_of_weights_that_were_replaced_are_not_taken_for_those_of_the_new_ones(
    aloe: RunAloe, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["judge", "audit", "--model", SCRIPTED, "--limit", 4, "--own", 0, "--out", "s.json"]

    def put(weights: str) -> None:
        monkeypatch.setattr("aloe.benchmark.audit.hash_models", lambda _: {SCRIPTED: weights})

    for _ in range(2):
        put("old")
        assert aloe(*command).code == 0
    put("new")
    assert aloe(*command).is_one_line_about("s.events.jsonl", "before its files changed")
    Path("s.events.jsonl").unlink()
    assert aloe(*command).code == 0
    assert json.loads(Path("s.events.models.json").read_text()) == {SCRIPTED: "new"}


def test_a_server_that_fails_half_way_loses_nothing(aloe: RunAloe, server: ChatServer) -> None:
    command = [
        "judge",
        "audit",
        "--model",
        server.model,
        "--limit",
        20,
        "--out",
        "h.json",
        "--json",
    ]

    def behave(request: object) -> object:
        return scripted(request) if len(server.requests) < 15 else failure(400, "no more")  # type: ignore[arg-type]

    server.behave = behave  # type: ignore[assignment]
    assert aloe(*command, "--concurrency", 1).code == 2
    assert not Path("h.json").exists()
    answered = [event for event in lines("h.events.jsonl") if event["reply"]]
    assert len(answered) >= 10
    server.behave = scripted
    before = len(server.requests)
    ran = aloe(*command)
    assert ran.code == 0, ran.err
    events = lines("h.events.jsonl")
    assert {event["role"] for event in events} == {"judge", "judge's own reply"}
    assert len(server.requests) - before == len([e for e in events if e["reply"]]) - len(answered)
    keys = [event["key"] for event in events if event["reply"]]
    assert len(keys) == len(set(keys)), "a call that was answered was made again"


def test_a_passport_travels_with_the_run_and_gives_confidence(
    aloe: RunAloe, personas_file: Path
) -> None:
    assert aloe("judge", "audit", "--model", SCRIPTED, "--limit", 40, "--quiet").code == 0
    Path("c.toml").write_text('[judge]\npassport = "passport.json"\n')
    ran = aloe(
        "simulate", "--personas", personas_file, "--config", "c.toml", "--model", SCRIPTED,
        "--trees", 2, "--turns", 2, "--out", "run", "--quiet",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert Path("run/passport.json").read_bytes() == Path("passport.json").read_bytes()
    verdicts = [verdict for tree in lines("run/trees.jsonl") for verdict in tree["verdicts"]]
    assert all(
        (0.5 <= v["confidence"] <= 1) == (v["outcome"] in ("first", "second"))
        for v in verdicts
        if v["confidence"] is not None
    )
    assert any(v["confidence"] is not None for v in verdicts)
    again = aloe("rejudge", "run", "--config", "c.toml", "--judge", SCRIPTED, "--out", "new")
    assert again.code == 0, again.err
    assert Path("new/passport.json").exists()
    Path("plain.toml").write_text("")
    once = ["rejudge", "run", "--judge", SCRIPTED, "--out", "plain", "--config"]
    assert aloe(*once, "plain.toml").code == 0
    ran = aloe(*once, "c.toml")
    assert ran.is_one_line_about("plain holds trees judged without a passport", "aloe rejudge")
    assert not Path("plain/passport.json").exists()
    other = aloe(
        "rejudge", "run", "--config", "c.toml", "--judge", "scripted:judges:reply", "--out", "x"
    )
    assert other.is_one_line_about("another judge's passport", "aloe judge audit")
    assert not Path("x").exists()


def test_labels_of_a_judge_that_is_not_good_enough_are_not_exported(
    aloe: RunAloe, personas_file: Path
) -> None:
    assert aloe("judge", "audit", "--model", SCRIPTED, "--limit", 40, "--quiet").code == 0
    Path("c.toml").write_text('[judge]\npassport = "passport.json"\n')
    simulate = [
        "simulate", "--personas", personas_file, "--model", SCRIPTED, "--trees", 2, "--turns", 2,
        "--quiet", "--out",
    ]  # fmt: skip
    assert aloe(*simulate, "known", "--config", "c.toml").code == 0
    assert aloe(*simulate, "unknown").code == 0
    export = ["export", "--format", "dpo", "--columns", "--out", "rows.jsonl"]
    for run, words in (("known", "0.95"), ("unknown", "0.1")):
        ran = aloe(*export, run, "--require-judge-accuracy", words)
        assert ran.is_one_line_about("judge", "aloe rejudge")
        assert not Path("rows.jsonl").exists()
    assert aloe(*export, "known", "--require-judge-accuracy", "0.1").code == 0
    trees = lines("known/trees.jsonl")
    expected = {v["confidence"] for tree in trees for v in tree["verdicts"] if v["confidence"]}
    assert {row["confidence"] for row in lines("rows.jsonl")} == expected != set()
    assert aloe(*export, "known/trees.jsonl", "--require-judge-accuracy", "0.1").code == 0


def test_a_passport_beside_a_file_of_trees_is_not_that_of_their_judge(
    aloe: RunAloe, personas_file: Path
) -> None:
    assert aloe("judge", "audit", "--model", SCRIPTED, "--limit", 40, "--quiet").code == 0
    ran = aloe(
        "simulate", "--personas", personas_file, "--model", SCRIPTED, "--trees", 2, "--turns", 2,
        "--quiet", "--out", "run",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert aloe("trees", "merge", "run", "--out", "week.jsonl").code == 0
    assert Path("passport.json").exists()
    export = ["export", "week.jsonl", "--format", "dpo", "--out", "data"]
    ran = aloe(*export, "--require-judge-accuracy", "0.1")
    assert ran.is_one_line_about("week.jsonl", "passport.json", "unknown")
    assert aloe(*export).code == 0
    assert "no judge passport" in Path("data/README.md").read_text()


def test_pairs_of_ones_own(aloe: RunAloe) -> None:
    pairs = SHIPPED.read_text(encoding="utf-8").splitlines(keepends=True)
    Path("own.jsonl").write_text("".join(pairs[:10]), encoding="utf-8")
    ran = aloe("judge", "audit", "--model", SCRIPTED, "--pairs", "own.jsonl", "--json")
    assert ran.result["pairs"] == 10
    Path("own.jsonl").write_text(pairs[0] + "{}\n", encoding="utf-8")
    broken = aloe("judge", "audit", "--model", SCRIPTED, "--pairs", "own.jsonl")
    assert broken.is_one_line_about("own.jsonl:2")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "nobody:x"], ["unknown model"]),
        (["--config", "none.toml"], ["none.toml"]),
        (["--pairs", "none.jsonl"], ["none.jsonl"]),
        (["--model", SCRIPTED, "--out", "judges.py/x.json"], ["cannot be written"]),
    ],
)
def test_bad_input_is_one_line(aloe: RunAloe, arguments: list[str], words: list[str]) -> None:
    assert aloe("judge", "audit", *arguments).is_one_line_about(*words)
    assert not list(Path().glob("*.json*"))
