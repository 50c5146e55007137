import asyncio
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from builders import PERSONAS, SCRIPTED, assistant, comparison, config, scripted_model, user
from langchain_core.messages import AIMessage

from aloe import simulate
from aloe.agents.commands.roles import _about
from aloe.agents.judge import PreferenceJudge, Question, majority
from aloe.agents.panel import Panel, check_audited, identity, make_judge, read_own_passport
from aloe.agents.prompt import FOLDER, parse, shipped
from aloe.agents.registry import judges_in_use
from aloe.benchmark.agreement import wilson
from aloe.calls.log import CallLog
from aloe.config import Config, Criterion, load, read_stored
from aloe.errors import ConfigError, InputError
from aloe.graphs.simulation import prepare
from aloe.memory.run_folder import RunFolder
from aloe.passport import Passport, read_passport
from aloe.schema import Verdict

OPENING = user("I hate lists. What is tea?")
GOOD = assistant("A plant, dried.", OPENING, agent="good")
BAD = assistant("- a leaf\n- a drink", OPENING, agent="bad")

Script = Callable[..., Any]


def judge(script: Script, *, min_margin: float = 0.1, **weights: float) -> PreferenceJudge:
    return PreferenceJudge(
        model=scripted_model(script),
        calls=CallLog(),
        min_margin=min_margin,
        questions=Question.about(weights),  # type: ignore[arg-type]
    )


def ask(asked: Any) -> Verdict:
    found: Verdict = asyncio.run(asked.compare(comparison(OPENING, GOOD, BAD)))
    return found


def good(messages: Any, _arguments: Any = None) -> str:
    return "A" if f"[A] {GOOD.content}" in messages[-1].text else "B"


def bad(messages: Any, _arguments: Any = None) -> str:
    return "B" if good(messages) == "A" else "A"


def always_a(_messages: Any, _arguments: Any) -> str:
    return "A"


def tie(_messages: Any, _arguments: Any) -> str:
    return "TIE"


@pytest.mark.parametrize(
    ("members", "outcome"),
    [
        ([good, good, bad], "first"),
        ([bad, good, bad], "second"),
        ([good, bad], "abstain"),
        ([good, always_a, always_a], "first"),
        ([always_a, always_a], "abstain"),
        ([good, bad, tie], "abstain"),
        ([tie, tie, bad], "tie"),
    ],
)
def test_the_majority_of_those_who_decided_counts(members: list[Script], outcome: str) -> None:
    verdict = ask(Panel(members=tuple(judge(member) for member in members)))
    assert (verdict.outcome, verdict.margin) == (outcome, None)
    assert len(verdict.votes) == 2 * len(members)


def test_a_panel_asks_nobody_about_identical_replies() -> None:
    panel = Panel(members=(judge(good), judge(bad)))
    twin = assistant(GOOD.content, OPENING, agent="bad")
    verdict = asyncio.run(panel.compare(comparison(OPENING, GOOD, twin)))
    assert (verdict.outcome, verdict.votes) == ("tie", ())


def test_weight_decides_and_half_is_no_majority() -> None:
    assert majority([("first", 1.0), ("second", 2.5)]) == "second"
    assert majority([("first", 1.0), ("second", 1.0)]) == "abstain"
    assert majority([("abstain", 9.0), ("first", 1.0)]) == "first"
    assert majority([]) == "abstain"


def by_criterion(**answers: Script) -> Script:
    """Answer each criterion's question as its own script does."""

    def script(messages: Any, arguments: Any) -> Any:
        for name, answer in answers.items():
            if messages[0].text == shipped(f"judge_{name}").messages[0][1]:
                return answer(messages, arguments)
        raise AssertionError("another question")

    return script


def test_every_criterion_is_asked_on_its_own_and_weighed() -> None:
    script = by_criterion(style=good, content=bad)
    for weights, outcome in (((3.0, 1.0), "first"), ((1.0, 3.0), "second"), ((1, 1), "abstain")):
        verdict = ask(judge(script, style=weights[0], content=weights[1]))
        assert verdict.outcome == outcome
        assert [vote.criterion for vote in verdict.votes] == [
            "style",
            "style",
            "content",
            "content",
        ]


def liking(margin: float) -> Script:
    def script(messages: Any, _arguments: Any) -> AIMessage:
        l = margin if good(messages) == "A" else -margin  # noqa: E741
        odds = (("A", -math.log1p(math.exp(-l))), ("B", -math.log1p(math.exp(l))))
        content = [{"top_logprobs": [{"token": t, "logprob": p} for t, p in odds]}]
        return AIMessage("A", response_metadata={"logprobs": {"content": content}})

    return script


def test_margins_of_criteria_are_averaged_by_weight() -> None:
    script = by_criterion(style=liking(1.0), content=liking(-0.5))
    assert ask(judge(script, style=1, content=1)).margin == pytest.approx(0.25)
    assert ask(judge(script, style=1, content=3)).margin == pytest.approx(-0.125)
    assert ask(judge(script, style=1, content=2)).outcome == "abstain"


def test_ties_of_criteria_are_averaged_by_weight() -> None:
    listed = (("TIE", 0.98), ("A", 0.01), ("B", 0.01))
    top = [{"token": t, "logprob": math.log(p)} for t, p in listed]
    tied = AIMessage("TIE", response_metadata={"logprobs": {"content": [{"top_logprobs": top}]}})
    script = by_criterion(style=lambda _m, _a: tied, content=liking(3.0))
    assert ask(judge(script, style=3, content=1)).outcome == "tie"
    verdict = ask(judge(script, style=1, content=3))
    assert (verdict.outcome, verdict.margin) == ("first", pytest.approx(0.75 * 3.0))


@pytest.mark.parametrize("name", get_args(Criterion))
def test_every_criterion_has_a_prompt_of_its_own_that_takes_what_a_judge_gives(name: str) -> None:
    prompt = shipped(f"judge_{name}")
    assert prompt.fields == shipped("judge").fields
    assert prompt.sha != shipped("judge").sha


def passport(settings: Config, **given: Any) -> Passport:
    nothing = wilson(0, 0)
    shares = dict.fromkeys(
        ("accuracy", "coverage", "mirrored", "flips", "first_slot", "unreadable"), nothing
    )
    effect = {"value": None, "low": -1.0, "high": 1.0, "count": 0}
    return Passport.model_validate(
        {
            "judge": identity(settings),
            "gold": "x",
            "pairs": 0,
            "outcomes": {},
            "by_kind": {},
            "length_effect": effect,
            "kappa": None,
            "alpha": None,
            "slope": 2.0,
            "brier": None,
            **shares,
            **given,
        }
    )


def with_passport(path: Path, settings: Config, **given: Any) -> Config:
    path.write_text(passport(settings, **given).model_dump_json())
    return settings.updated({"judge.passport": path}, source="test")


def test_a_passport_gives_confidence_to_preferences_alone(tmp_path: Path) -> None:
    settings = with_passport(tmp_path / "p.json", config())
    built = make_judge(settings, {"judge": scripted_model(liking(0.5))}, CallLog())
    assert ask(built).confidence == pytest.approx(0.7310586)
    flat = make_judge(settings, {"judge": scripted_model(liking(0.0))}, CallLog())
    assert (ask(flat).outcome, ask(flat).confidence) == ("abstain", None)


def test_without_margins_confidence_is_accuracy_and_never_under_one_half(tmp_path: Path) -> None:
    for right, expected in ((8, 0.8), (2, 0.5)):
        settings = with_passport(tmp_path / "p.json", config(), accuracy=wilson(right, 10))
        built = make_judge(settings, {"judge": scripted_model(good)}, CallLog())
        assert ask(built).confidence == pytest.approx(expected)


def test_without_a_passport_there_is_no_confidence() -> None:
    built = make_judge(config(), {"judge": scripted_model(liking(0.5))}, CallLog())
    assert ask(built).confidence is None


def test_a_passport_is_of_the_weights_that_were_audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def put(weights: str) -> None:
        monkeypatch.setattr("aloe.agents.panel.hash_models", lambda _: {SCRIPTED: weights})

    before = with_passport(tmp_path / "old.json", config())
    assert '"weights"' not in (tmp_path / "old.json").read_text()
    audited = identity(config(), {SCRIPTED: "a"})
    settings = with_passport(tmp_path / "p.json", config(), judge=audited)
    put("a")
    check_audited(settings)
    assert capsys.readouterr().err == ""
    check_audited(before)
    assert "does not say of which files of" in capsys.readouterr().err
    put("b")
    assert read_own_passport(settings), "a replay asks no weights"
    with pytest.raises(ConfigError, match=r"p\.json is the passport of .* as it was before"):
        prepare(settings, RunFolder(tmp_path / "run"), personas=PERSONAS)
    assert not (tmp_path / "run").exists()


def test_another_judges_passport_is_refused(tmp_path: Path) -> None:
    settings = with_passport(tmp_path / "p.json", config("scripted:aloe.agents.scripted:other"))
    own = config().updated({"judge.passport": settings.judge.passport}, source="test")
    with pytest.raises(ConfigError, match=r"another judge's passport \(models differ\)"):
        read_own_passport(own)


@pytest.mark.parametrize("option", ["model", "model_name"])
def test_a_passport_is_of_the_model_that_a_chat_class_asks(tmp_path: Path, option: str) -> None:
    def judged_by(model: str) -> Config:
        judge = {"model": "langchain:pkg:Chat", "options": {option: model}}
        return config().updated({"models.judge": judge}, source="test")

    settings = with_passport(tmp_path / "p.json", judged_by("small"))
    assert read_own_passport(settings)
    other = judged_by("big").updated({"judge.passport": settings.judge.passport}, source="test")
    with pytest.raises(ConfigError, match=r"another judge's passport \(models differ\)"):
        read_own_passport(other)


def test_a_custom_judge_with_a_prompt_of_its_own_can_be_told_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one_reply.py").write_text(
        "def rates(comparison, model, scale=1):\n    'Rates a reply.'\n\n"
        "rates.prompt = '\\n## user\\nRate {reply}\\n'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own, file = tmp_path / "own.md", tmp_path / "c.toml"
    own.write_text("## user\nHow good is {reply}?\n")
    file.write_text(f'[judge]\nuse = "one_reply:rates"\n[prompts]\njudge = "{own}"\n')
    found = identity(load(file))
    assert found.prompts == {"judge": parse(own, "judge").sha}
    assert found.models[0] == "one_reply:rates"
    about, prompt = _about("judge", file)
    assert (about["use"], about["about"]) == ("one_reply:rates", "Rates a reply.")
    assert prompt == parse(own, "judge")
    file.write_text(f'[prompts]\njudge = "{own}"\n')
    with pytest.raises(ConfigError, match=r"unknown field \{reply\}"):
        identity(load(file))


def test_the_confidences_of_a_run_come_from_one_audit(tmp_path: Path) -> None:
    file, run = tmp_path / "c.toml", tmp_path / "run"
    settings = with_passport(tmp_path / "p.json", config(trees=1, turns=1))
    file.write_text(settings.toml())
    assert len(simulate(PERSONAS, config=file, out=run)) == 1
    with_passport(tmp_path / "p.json", config(), kappa=0.5)  # nothing that decides a confidence
    assert len(simulate(PERSONAS, config=file, out=run)) == 1
    with_passport(tmp_path / "p.json", config(), slope=3.0)
    with pytest.raises(ConfigError, match="confidences of another audit of the judge"):
        simulate(PERSONAS, config=file, out=run)
    file.write_text(config(trees=2, turns=1).toml())
    with pytest.raises(ConfigError, match=r"name another folder, or name .*run/passport\.json as"):
        simulate(PERSONAS, config=file, out=run)
    assert len(simulate(PERSONAS, config=file, out=tmp_path / "plain")) == 2
    file.write_text(settings.updated({"simulation.trees": 3}, source="test").toml())
    with pytest.raises(ConfigError, match="plain holds trees judged without a passport"):
        simulate(PERSONAS, config=file, out=tmp_path / "plain")


def test_what_people_said_of_one_run_stays_with_its_passport(tmp_path: Path) -> None:
    said = {"raters": 1, "labels": 9, "agreement": wilson(8, 9), "kappa": None, "alpha": None}
    people = {**said, "between": None}
    settings = with_passport(tmp_path / "p.json", config(trees=1, turns=1), people=people)
    assert read_passport(tmp_path / "p.json").people
    (tmp_path / "c.toml").write_text(settings.toml())
    assert simulate(PERSONAS, config=tmp_path / "c.toml", out=tmp_path / "run")
    kept = read_passport(tmp_path / "run/passport.json")
    assert (kept.people, kept.slope) == (None, 2.0)


def test_a_passport_without_trees_does_not_stay(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with_passport(tmp_path / "run/passport.json", config())
    settings = config(trees=1, turns=1).toml()
    (tmp_path / "c.toml").write_text(settings)
    assert simulate(PERSONAS, config=tmp_path / "c.toml", out=tmp_path / "run")
    assert not (tmp_path / "run/passport.json").exists()


@pytest.mark.parametrize("slope", [3.0, None])
def test_a_run_is_extended_by_its_own_calibration(tmp_path: Path, slope: float | None) -> None:
    settings = with_passport(tmp_path / "p.json", config(trees=1, turns=1))
    first = RunFolder(tmp_path / "first")
    (tmp_path / "c.toml").write_text(settings.toml())
    assert simulate(PERSONAS, config=tmp_path / "c.toml", out=first.path)
    more = settings.updated({"simulation.turns": 2}, source="test")
    assert prepare(more, RunFolder(tmp_path / "more"), extended=first.path)
    if slope is None:
        first.passport.unlink()
    with_passport(tmp_path / "p.json", config(), slope=slope or 2.0)
    other = (
        "leave judge.passport out" if slope is None else "copy .*first/passport.json to .*p.json"
    )
    with pytest.raises(ConfigError, match=f"first holds trees .*{other}.*aloe rejudge"):
        prepare(more, RunFolder(tmp_path / "more"), extended=first.path)


@pytest.mark.parametrize("given", [{"min_mass": None}, {"min_mass": 0.2}])
def test_a_passport_says_from_which_probability_odds_were_read(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    """None is what passports say that were written when any was enough."""
    other = identity(config()).model_copy(update=given)
    settings = with_passport(tmp_path / "p.json", config(), judge=other)
    with pytest.raises(ConfigError, match=r"another judge's passport \(min_mass differ\)"):
        read_own_passport(settings)


@pytest.mark.parametrize("text", ["{", '{"pairs": 3}', None])
def test_a_broken_passport_is_one_clear_error(tmp_path: Path, text: str | None) -> None:
    settings = config().updated({"judge.passport": tmp_path / "p.json"}, source="test")
    if text is not None:
        (tmp_path / "p.json").write_text(text)
    with pytest.raises(InputError, match=r"p\.json"):
        read_own_passport(settings)


def test_settings_name_a_panel_and_criteria() -> None:
    panel = ["openai:x", {"model": "openai:y", "temperature": 0.5}]
    changes = {"models.panel": panel, "judge.criteria": {"style": 2}}
    settings = config().updated(changes, source="test")
    judges = settings.models.judges()
    assert [each.model for each in judges.values()] == [SCRIPTED, "openai:x", "openai:y"]
    assert judges["judge2"].max_tokens == 8
    assert settings.models.by_role().keys() >= {"judge", "judge2", "judge3"}
    built = make_judge(settings, dict.fromkeys(judges, scripted_model(good)), CallLog())
    assert [vote.criterion for vote in ask(built).votes] == ["style"] * 6
    assert settings.with_model("openai:z", None).models.panel == ()
    with pytest.raises(ConfigError, match=r"judge\.criteria\.beauty"):
        settings.updated({"judge.criteria": {"beauty": 1}}, source="test")


@pytest.fixture
def own_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "def own(comparison, model, n=1):\n    'Knows.'\n    return 1.0\n"
    (tmp_path / "j.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "j", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("own_judge")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"judge.use": "j:own", "judge.criteria": {"style": 1}}, ["judge.criteria", "judge.use"]),
        ({"judge.options": {"n": 1}}, ["judge.options", "judge.use"]),
        ({"judge.use": "j:own", "prompts.judge": "own.md"}, ["prompts.judge", "judge.use"]),
        (
            {"judge.criteria": {"style": 1}, "prompts.judge": "own.md"},
            ["prompts.judge", "judge.criteria", "prompts.judge_style"],
        ),
        ({"prompts.judge_style": "own.md"}, ["prompts.judge_style", "judge.criteria"]),
        (
            {"judge.criteria": {"content": 1}, "prompts.judge_style": "own.md"},
            ["prompts.judge_style", "judge.criteria"],
        ),
        ({"judge.use": "j:own", "models.panel": [SCRIPTED]}, ["models.panel", "judge.use"]),
    ],
)
def test_settings_of_a_judge_that_are_never_read_are_refused(
    given: dict[str, Any], words: list[str]
) -> None:
    Path("own.md").write_text((FOLDER / "judge.md").read_text() + "\nBe fair.")
    Path("c.toml").write_text(config().updated(given, source="test").toml())
    with pytest.raises(ConfigError) as caught:
        simulate(PERSONAS, config="c.toml", out="run")
    assert all(word in str(caught.value) for word in words)
    assert not Path("run").exists()
    assert read_stored(Path("c.toml")).judge.passport is None, "whoever only reads can read them"


@pytest.mark.usefixtures("own_judge")
def test_a_benchmark_may_have_a_panel_beside_a_custom_judge() -> None:
    given = {"judge.use": "j:own", "models.panel": [SCRIPTED]}
    assert judges_in_use(config().updated(given, source="test")) == {}
