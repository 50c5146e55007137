"""The experiment: people kept apart, players by rule, damaged rows, and the pipeline from end to
end."""

import asyncio
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer
from builders import user

from aloe.agents.rule_user import QUESTIONS
from aloe.benchmark.cases import load_cases
from aloe.benchmark.experiment.ablations import chosen
from aloe.benchmark.experiment.people import candidates, holds, leaks, people
from aloe.benchmark.experiment.pipeline import Experiment, level
from aloe.benchmark.experiment.players import (
    AskedOnce,
    Rewriter,
    RuleMarker,
    Trimmed,
    strange_wishes,
    training_questions,
)
from aloe.benchmark.experiment.report import Ablated, write_report
from aloe.benchmark.experiment.reward import wishes_kept
from aloe.benchmark.experiment.rows import (
    first_message_everywhere,
    fixed_order,
    of_first_trees,
    one_character_rejected,
    shuffled,
    unparsed_is_second,
    up_to_turn,
)
from aloe.benchmark.experiment.stage import Stages
from aloe.config import Config, ExperimentConfig, load, validate
from aloe.errors import ConfigError, StoreError
from aloe.memory.embedder import MiniLmEmbedder
from aloe.memory.verifiable import DIMENSIONS, demonstration, generate, satisfaction, wish
from aloe.schema import AssistantNode, Verdict, Vote

SMALL = ExperimentConfig(train=12, validation=3, test=4)


@pytest.fixture(scope="module")
def small() -> Any:
    return people(SMALL, 3, 0.71, MiniLmEmbedder())


def test_no_combination_of_the_test_is_in_training(small: Any) -> None:
    parts = small.parts
    assert [len(parts[part]) for part in ("train", "validation", "test")] == [12, 3, 4]
    seen = [*parts["train"], *parts["validation"]]
    assert leaks(seen, parts["test"]) == []
    assert leaks(parts["test"], parts["test"]) == [each.id for each in parts["test"]]
    assert all(holds(each, small.reserved) for each in parts["test"])
    assert not any(holds(each, small.reserved) for each in seen)


def test_wishes_are_about_the_dimensions_that_were_named() -> None:
    named = ("emoji", "example", "greeting", "question", "thanks")
    config = SMALL.model_copy(update={"dimensions": named, "wishes": 3, "train": 6})
    found = people(config, 3, 0.71, MiniLmEmbedder())
    wished = {name for part in found.parts.values() for p in part for name in p.preferences}
    assert wished == set(named)


def test_personas_end_where_there_are_no_other_wishes() -> None:
    for wishes, everybody in ((2, 12), (3, 24)):
        found = list(candidates(wishes, {"emoji", "example", "lists", "thanks"}, 0))
        assert len({frozenset(each.preferences.items()) for each in found}) == everybody


@pytest.mark.parametrize(
    ("named", "said"),
    [(("emoji", "length"), "cannot serve length"), (("emoji", "lists"), "too few for 4 wishes")],
)
def test_dimensions_that_will_not_do_are_refused(named: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        people(SMALL.model_copy(update={"dimensions": named}), 3, 0.71, MiniLmEmbedder())


def test_no_life_is_on_two_sides(small: Any) -> None:
    lives = [{small.clusters[p.id] for p in each} for each in small.parts.values()]
    assert sum(map(len, lives)) == len(set.union(*lives))


def test_replies_for_nobody_in_particular_keep_half_of_the_wishes(small: Any) -> None:
    everybody = [persona for part in small.parts.values() for persona in part]
    plain = demonstration({"spelling": "American"})
    assert {satisfaction(each.preferences, plain) for each in everybody} == {0.5}


def test_the_same_seed_gives_the_same_people(small: Any) -> None:
    assert people(SMALL, 3, 0.71, MiniLmEmbedder()) == small


def test_test_users_ask_what_training_users_never_ask() -> None:
    questions = training_questions()
    assert len(set(questions)) == len(questions) >= 60
    assert not set(questions) & set(QUESTIONS)


def test_every_sentence_but_the_question_is_marked() -> None:
    questions = frozenset(training_questions())
    remark = wish("closing", "next step").remark  # which is a question itself
    said = user(f"I mend nets. {remark} {min(questions)}")
    marked = asyncio.run(RuleMarker(questions=questions).induce("t", said))
    assert [each.quote for each in marked] == ["I mend nets.", remark]


class Plain:
    name = "plain"
    calls = 0

    def __init__(self, text: str = "Take a walk.", faults: tuple[str, ...] = ()) -> None:
        self.text, self.faults = text, faults

    async def reply(self, tree: str, path: Any, said: Any, revealed: Any) -> AssistantNode:
        self.calls += 1
        return AssistantNode.of(
            said.id, self.text, agent=self.name, turn=said.turn, faults=self.faults
        )


def test_the_rewriter_edits_the_reply_of_another_and_asks_no_more() -> None:
    plain = Plain()
    shared = AskedOnce(source=plain)
    wanted = wish("emoji", "some")
    said = user(f"I mend nets. {wanted.trait} What now?")

    async def both() -> list[AssistantNode]:
        agents = (shared, Rewriter(source=shared))
        return await asyncio.gather(*(agent.reply("t", [], said, ()) for agent in agents))

    written, edited = asyncio.run(both())
    assert plain.calls == 1
    assert not wanted.kept(written.content)
    assert wanted.kept(edited.content)
    assert edited.agent == "rewriter"


def test_a_reply_edited_for_a_stranger_keeps_wishes_that_nobody_stated() -> None:
    said = user("I mend nets. I want no emoji. What now?")
    dimensions = ["emoji", "example", "greeting", "thanks"]

    def written(tree: str) -> str:
        agent = Rewriter(source=Plain(), name="stranger", wishes=strange_wishes(dimensions))
        return asyncio.run(agent.reply(tree, [], said, ())).content

    kept = [[d for d in dimensions if wish(d, DIMENSIONS[d][0].value).kept(written(str(n)))]
            for n in range(40)]  # fmt: skip
    assert {len(each) for each in kept} == {2}
    assert {name for each in kept for name in each} == set(dimensions)
    assert written("1") == written("1")


@pytest.mark.parametrize(
    ("text", "faults"), [("Take a walk.", ()), ("Take a walk and then", ("truncated",))]
)
def test_what_the_limit_cut_is_learnt_from_if_a_sentence_came_to_its_end(
    text: str, faults: tuple[str, ...]
) -> None:
    trimmed, said = Trimmed(source=Plain(text, ("truncated",))), user("What now?")
    assert asyncio.run(trimmed.reply("t", [], said, ())).faults == faults
    edited = asyncio.run(Rewriter(source=trimmed).reply("t", [], said, ()))
    assert edited.faults == (("empty",) if faults else ())


def test_a_failing_call_is_made_anew() -> None:
    class Failing(Plain):
        async def reply(self, *given: Any) -> AssistantNode:
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError
            return AssistantNode.of(given[2].id, "Yes.", agent="plain", turn=1)

    async def twice() -> AssistantNode:
        shared, said = AskedOnce(source=Failing()), user("Hello?")
        with pytest.raises(RuntimeError):
            await shared.reply("t", [], said, ())
        return await shared.reply("t", [], said, ())

    assert asyncio.run(twice()).content == "Yes."


def row(persona: Any, *said: str, **given: Any) -> dict[str, Any]:
    prompt: list[dict[str, str]] = []
    for text in said:
        prompt += [{"role": "user", "content": text}, {"role": "assistant", "content": "Hm."}]
    answer = [{"role": "assistant", "content": "Fine then."}]
    return {"persona": persona.id, "prompt": prompt[:-1], "rejected": answer, **given}


PERSONAS = [generate(seed) for seed in range(6)]


def test_shuffled_users_voice_the_wishes_of_somebody_else() -> None:
    rows = []
    for persona in PERSONAS:
        wishes = [wish(*each) for each in persona.preferences.items()]
        rows.append(row(persona, f"I sing. {wishes[0].trait} Why?", f"{wishes[1].remark} How?"))
    found = shuffled(rows, PERSONAS, 1)
    assert found == shuffled(rows, PERSONAS, 1)
    for persona, before, after in zip(PERSONAS, rows, found, strict=True):
        text = " ".join(message["content"] for message in after["prompt"])
        own = [wish(*each) for each in persona.preferences.items()]
        assert not any(each.trait in text or each.remark in text for each in own)
        others = [wish(*each) for p in PERSONAS for each in p.preferences.items()]
        assert any(each.trait in text for each in others)
        assert any(each.remark in text for each in others)
        assert text.count("I sing.") == 1
        assert {**after, "prompt": None} == {**before, "prompt": None}
        assert after["prompt"][1] == before["prompt"][1]


def test_smaller_amounts_are_the_first_trees_and_turns() -> None:
    rows = [{"tree": tree, "turn": turn} for tree in "abc" for turn in (1, 2)]
    assert {each["tree"] for each in of_first_trees(rows, 2)} == {"a", "b"}
    assert [each["turn"] for each in up_to_turn(rows, 1)] == [1, 1, 1]


def test_defects_spoil_what_they_are_said_to_spoil() -> None:
    sound = row(PERSONAS[0], "One?", "Two?")
    (first,) = first_message_everywhere([sound])
    assert [m["content"] for m in first["prompt"]] == ["One?", "Hm.", "One?"]
    (short,) = one_character_rejected([sound], 0)
    assert len(short["rejected"][0]["content"]) == 1
    assert sound["rejected"][0]["content"] == "Fine then."


def verdict(*choices: Any) -> Verdict:
    orders: Any = ("first-second", "second-first")
    votes = [
        Vote(judge="j", order=order, raw="?", choice=choice)
        for order, choice in zip(orders, choices, strict=True)
    ]
    return Verdict(node="u", first="a", second="b", votes=tuple(votes), outcome="abstain")


def test_defects_of_the_judge() -> None:
    assert fixed_order(verdict("first", "second")) == "first"
    assert fixed_order(verdict(None, "second")) == "abstain"
    assert unparsed_is_second(verdict("first", "second")) == "abstain"
    assert unparsed_is_second(verdict(None, "second")) == "second"
    assert unparsed_is_second(verdict("first", None)) == "first"
    assert unparsed_is_second(verdict(None, None)) == "abstain"


def test_the_reward_is_what_the_judge_says() -> None:
    persona = PERSONAS[0]
    replies = [demonstration(persona.preferences), "No"]
    rewards = wishes_kept(
        [[{"role": "assistant", "content": reply}] for reply in replies],
        [persona.personality] * 2,
        prompts=None,
    )
    assert rewards == [satisfaction(persona.preferences, reply) for reply in replies]
    assert rewards[0] == 1.0


def test_a_stage_is_made_once_and_found_by_its_inputs(tmp_path: Path) -> None:
    lines: list[str] = []
    stages = Stages(root=tmp_path, on_line=lines.append)
    made: list[Path] = []

    def make(path: Path) -> None:
        made.append(path)
        path.mkdir(exist_ok=True)

    one = stages.made("one", [1, {"a": 2}], make)
    assert stages.made("one", [1, {"a": 2}], make) == one
    assert stages.made("one", [1, {"a": 3}], make) != one
    assert len(made) == 2
    assert [line.split()[0] for line in lines] == ["begin", "end", "begin", "end"]
    assert (tmp_path / "experiment.log").read_text(encoding="utf-8").count("begin") == 2


def test_a_stage_that_was_interrupted_goes_on_in_its_folder(tmp_path: Path) -> None:
    lines: list[str] = []
    stages = Stages(root=tmp_path, on_line=lines.append)
    paths: list[Path] = []

    def stopped(path: Path) -> None:
        paths.append(path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stages.made("one", [], stopped)
    assert stages.made("one", [], paths.append) == paths[0] == paths[1]
    assert lines[-2].startswith("go on with one-")


def test_stages_are_made_side_by_side_and_each_of_them_once(tmp_path: Path) -> None:
    met = threading.Barrier(2, timeout=60)  # none is done before both are at work
    made: list[str] = []

    def stage(name: str) -> Path:
        def make(path: Path) -> None:
            met.wait()
            made.append(path.name)

        return stages.made(name, [], make)

    stages = Stages(root=tmp_path, at_once=2)
    one, other, again = stages.together(*(partial(stage, name) for name in ("a", "b", "a")))
    assert one == again != other
    assert sorted(made) == sorted({one.name, other.name})


def test_no_more_stages_are_made_at_a_time_than_there_may_be(tmp_path: Path) -> None:
    at_work: list[str] = []
    most: list[int] = []

    def make(path: Path) -> None:
        at_work.append(path.name)
        most.append(len(at_work))
        time.sleep(0.02)
        at_work.remove(path.name)

    stages = Stages(root=tmp_path, at_once=2)
    stages.together(*(partial(stages.made, name, [], make) for name in "abcdef"))
    assert max(most) == 2


def test_what_one_stage_raises_is_raised_when_the_others_are_done(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        raise ConfigError("no such thing")

    stages = Stages(root=tmp_path, at_once=2)
    good = partial(stages.made, "good", [], Path.mkdir)
    with pytest.raises(ConfigError, match="no such thing"):
        stages.together(partial(stages.made, "bad", [], fail), good)
    assert good().is_dir()


def test_a_proof_that_outlives_its_parent_keeps_the_next_one_out(tmp_path: Path) -> None:
    with Stages(root=tmp_path).held() as lock:
        child = subprocess.Popen(["sleep", "60"], pass_fds=(lock,))
    try:
        with pytest.raises(StoreError, match="in use"), Stages(root=tmp_path).held():
            pass
    finally:
        child.kill()
        child.wait()
    with Stages(root=tmp_path).held():
        pass


def settings(folder: Path, model: Path, *, judge: str = "judge", **experiment: Any) -> Config:
    scripted = [
        {"name": name, "model": "scripted:taught:assistant", "hint": name == "hinted"}
        for name in ("plain", "hinted")
    ]
    raw = {
        "models": {"assistants": scripted, "judge": f"scripted:taught:{judge}"},
        "simulation": {"trees": 8, "turns": 2},
        "training": {
            "model": str(model),
            "rank": 2,
            "arguments": {"max_steps": 2, "gradient_accumulation_steps": 1},
        },
        "benchmark": {"candidate": "scripted:taught:base", "seeds": 1},
        "experiment": {
            "train": 8,
            "validation": 2,
            "test": 10,
            "dialogue_turns": 4,
            "served": "scripted:taught:{name}",
            "merged": True,
            "dpo_trees": 6,
            "rl_trees": 4,
            "rl_candidates": 2,
            "stranger": "hinted",
            "ablation_trees": [4],
            "ablation_turns": [1],
            **experiment,
        },
    }
    return validate(Config, raw, source="test")


def verb(arguments: Sequence[str]) -> None:
    from aloe.cli import app

    code = typer.main.get_command(app).main(list(arguments), standalone_mode=False)
    assert not code, arguments


@pytest.mark.train
@pytest.mark.slow
def test_the_proof_runs_from_end_to_end_and_finds_itself_again(tmp_path: Path) -> None:
    import tiny

    config = settings(tmp_path, tiny.save(tmp_path / "tiny"))
    lines: list[str] = []

    def run(page: Path) -> Any:
        stages = Stages(root=tmp_path / "experiment", on_line=lines.append)
        experiment = Experiment(config=config, stages=stages, verb=verb)
        made = experiment.run()
        ablated = [
            Ablated(name=a.name, about=a.about, against=a.against, bench=a.bench(experiment))
            for a in chosen(["trees-4"], config)
        ]
        return made, write_report(page, config, made, ablated)

    made, summary = run(tmp_path / "first" / "results.md")
    chosen_at = lines.index("best on validation: dpo")
    assert not any(line.startswith(("begin test", "test of")) for line in lines[:chosen_at])
    assert sum(line.startswith("test of") for line in lines) == 5  # each once

    assert made.best == "dpo"  # it keeps all that was voiced
    assert level(made.test["dpo"]) > level(made.test["base"])
    assert summary.result["goals"]["own - swapped above 0"]
    assert summary.result["goals"]["IR above the base's"]
    assert summary.result["goals"]["shuffled: IR not above the base's"]
    text = (tmp_path / "first" / "results.md").read_text(encoding="utf-8")
    wanted = ("rewriter", "| stranger |", "| dpo, ceiling |", "| base, concise |", "trees-4")
    for part in (*wanted, "### Median"):
        assert part in text, part
    cases = load_cases(str(made.people / "test.cases.jsonl"))
    assert f"near-copies as one ({len({case.profile for case in cases})} are left)" in text
    assert f"of {len(cases)} of {len(cases)} dialogues" in text

    stages_made = len(lines)
    run(tmp_path / "second" / "results.md")
    assert [line for line in lines[stages_made:] if not line.startswith("best")] == []
    again = (tmp_path / "second" / "results.md").read_text(encoding="utf-8")
    assert again == text
    for name in ("levels.svg", "scaling.svg"):
        pictures = [tmp_path / each / "results" / name for each in ("first", "second")]
        assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_a_kill_after_a_merge_does_not_stop_the_next_proof(tmp_path: Path) -> None:
    def killed(arguments: Sequence[str]) -> None:
        Path(arguments[-1]).mkdir()
        raise KeyboardInterrupt

    config, trained = settings(tmp_path, tmp_path), tmp_path / "sft-1"
    stages = Stages(root=tmp_path / "experiment")
    with pytest.raises(KeyboardInterrupt):
        Experiment(config=config, stages=stages, verb=killed).to_serve("sft", trained)
    # The verb refuses a folder that is there, so it must not be asked again.
    assert Experiment(config=config, stages=stages, verb=killed).to_serve("sft", trained).is_dir()


@pytest.fixture
def ran_experiment(aloe: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run the command, with its verbs in this process."""
    import tiny

    monkeypatch.setattr("aloe.benchmark.commands.experiment._verb", lambda lock, quiet: verb)
    model = tiny.save(tmp_path / "tiny")

    def ran(out: Path, *options: str, **experiment: Any) -> Any:
        file = out.with_suffix(".toml")
        file.write_text(settings(tmp_path, model, **experiment).toml(), encoding="utf-8")
        return aloe("experiment", "--json", "--config", file, "--out", out, *options)

    return ran


@pytest.mark.train
@pytest.mark.slow
def test_ablations_alone_never_open_the_test(ran_experiment: Any, tmp_path: Path) -> None:
    out = tmp_path / "p"
    names = ("bug-unparsed", "bug-one-character")
    asked = (part for name in names for part in ("--ablation", name))
    ran = ran_experiment(out, "--no-test", *asked, served="scripted:taught:sft", ablation_judged=4)
    assert ran.code == 0, ran.err
    page = (out / "ablations.md").read_text(encoding="utf-8")
    for name in ("trees-4", "model-judge", *names, "scaling.svg", "no test"):
        assert name in page, name
    assert "test of" not in (out / "experiment.log").read_text(encoding="utf-8")
    assert not list(out.glob("test-*"))
    ran = ran_experiment(
        out, "--no-test", "--ablation", "model-judge", judge="mumbler",
        served="scripted:taught:sft", ablation_judged=4,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    page = (out / "ablations.md").read_text(encoding="utf-8")
    assert "nothing was trained" in page.partition("model-judge |")[2].partition("\n")[0]


@pytest.mark.train
@pytest.mark.slow
def test_the_users_of_several_seeds_are_taken_together(ran_experiment: Any, tmp_path: Path) -> None:
    out = tmp_path / "p"
    ran = ran_experiment(out, "--seeds", "2")
    assert ran.code == 0, ran.err
    assert ran.result["best"] == {"0": "dpo", "1": "dpo"}
    page = (out / "results.md").read_text(encoding="utf-8")
    goal = next(line for line in page.splitlines() if line.startswith("| own - swapped above 0"))
    lows = [float(low) for low in re.findall(r"\[(-?[0-9.]+),", goal)]
    assert len(lows) == 3  # all, and each
    assert lows[0] > min(lows[1:])  # more users
    for part in (
        "best of each seed, ceiling",
        "| shuffled |",
        "results/levels.svg",
        "together: 20",
    ):
        assert part in page, part
    for seed in "01":
        own = (out / "results" / f"seed-{seed}.md").read_text(encoding="utf-8")
        assert f"Training seed {seed}" in own
        assert (out / "results" / f"seed-{seed}" / "levels.svg").is_file()


@pytest.mark.train
@pytest.mark.slow
def test_the_quick_form_fails_unless_the_reward_rises(ran_experiment: Any, tmp_path: Path) -> None:
    for name, code in (("sft", 0), ("shuffled", 2)):
        ran = ran_experiment(tmp_path / name, "--quick", served=f"scripted:taught:{name}")
        assert ran.code == code, ran.err
        reward = ran.result["reward"]
        assert (reward["sft"] > reward["base"]) == (code == 0)
        assert ("did not rise" in ran.err) == (code == 2)


def test_every_ablation_is_known_by_name() -> None:
    names = [each.name for each in chosen(["all"], Config())]
    assert len(set(names)) == len(names)
    for name in ("hint-none", "continue-both", "weights", "bug-first-message", "bug-fixed-order"):
        assert name in names


def test_hints_are_taken_away_only_where_there_are_some() -> None:
    raw = {"models": {"assistants": [{"name": "plain"}, {"name": "styled", "style": "Be brief."}]}}
    config = validate(Config, raw, source="test")
    assert "hint-none" not in [each.name for each in chosen(["all"], config)]


def test_what_an_ablation_is_against_is_made_too() -> None:
    raw = {"simulation": {"trees": 50}, "experiment": {"ablation_judged": 25}}
    config = validate(Config, raw, source="test")
    assert [a.name for a in chosen(["bug-fixed-order"], config)] == [
        "trees-25",
        "model-judge",
        "bug-fixed-order",
    ]


def test_wrong_settings_are_one_line(aloe: Any, tmp_path: Path) -> None:
    ran = aloe("experiment", "--out", tmp_path / "p")
    assert ran.is_one_line_about("--config", "proof.toml")
    ran = aloe("experiment", "--no-test", "--config", "x.toml", "--out", tmp_path / "p")
    assert ran.is_one_line_about("--no-test", "--ablation")
    file = tmp_path / "c.toml"
    file.write_text('[experiment]\nrewriter = "nobody"\n', encoding="utf-8")
    ran = aloe("experiment", "--config", file, "--out", tmp_path / "p")
    assert ran.is_one_line_about("experiment.rewriter", "nobody", "hinted, plain")
    file.write_text('[experiment]\nstranger = "nobody"\n', encoding="utf-8")
    ran = aloe("experiment", "--config", file, "--out", tmp_path / "p")
    assert ran.is_one_line_about("experiment.stranger", "nobody", "hinted, plain")
    file.write_text("", encoding="utf-8")
    ran = aloe("experiment", "--config", file, "--out", tmp_path / "p", "--ablation", "hint-non")
    assert ran.is_one_line_about("hint-non", "did you mean hint-none")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    "name", ["experiment", "proof-quick", "proof-ablations", "proof-qwen-7b", "proof-llama-8b"]
)
def test_the_shipped_settings_are_settings(name: str) -> None:
    config = load(Path(__file__).parents[2] / "examples" / f"{name}.toml")
    assert config.experiment.train == config.simulation.trees  # each user once
    assert config.experiment.rewriter in ("", *(each.name for each in config.models.assistants))
    assert chosen(["all"], config)
