import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from builders import SCRIPTED
from command import RunAloe, StartAloe, wait_for
from server import ChatServer

from aloe.agents.prompt import chosen
from aloe.config import Config, load, save
from aloe.graphs.rejudge_run import resolve_settings
from aloe.labels import Label, append_labels, pair_id, read_labels
from aloe.memory.run_folder import RunFolder, read_trees
from aloe.memory.run_page import render_run
from aloe.schema import ReturnLabel, Tree, Verdict

CONTRARY = """
from aloe.agents.scripted import reply as fair
from langchain_core.messages import AIMessage

def reply(messages, arguments):
    answer = fair(messages, arguments)
    content = answer.response_metadata["logprobs"]["content"]
    a, b = content[0]["top_logprobs"]
    a["logprob"], b["logprob"] = b["logprob"], a["logprob"]
    return answer

def silent(messages, arguments):
    return "I cannot say."
"""


@pytest.fixture
def run(
    aloe: RunAloe, personas_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    (tmp_path / "contrary.py").write_text(CONTRARY)
    monkeypatch.syspath_prepend(tmp_path)
    ran = aloe(
        "simulate", "--personas", personas_file, "--trees", 4, "--turns", 3, "--out",
        tmp_path / "run", "--model", SCRIPTED, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    return tmp_path / "run"


def said(tree: Tree) -> object:
    return tree.id, tree.persona, tree.seed, tree.nodes


def test_the_same_judge_says_the_same(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    ran = aloe("rejudge", run, "--judge", SCRIPTED, "--out", tmp_path / "new", "--json")
    assert ran.code == 0, ran.err
    assert (tmp_path / "new/trees.jsonl").read_bytes() == (run / "trees.jsonl").read_bytes()
    assert ran.result["comparisons"] == ran.result["same"] > 0
    assert ran.result["kappa"] in (None, 1)  # None: all outcomes are alike, nothing to measure
    assert ran.result["turned"] == 0


def test_another_judge_flips_labels_and_nothing_else(
    aloe: RunAloe, run: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    (run / "models.json").write_text(json.dumps({SCRIPTED: "of whoever made the trees"}))
    ran = aloe("rejudge", run, "--judge", "scripted:contrary:reply", "--out", new, "--json")
    assert ran.code == 0, ran.err
    held = json.loads((new / "models.json").read_text())
    assert held.pop("scripted:contrary:reply"), "code of one's own"
    assert held == {SCRIPTED: "of whoever made the trees"}
    old_trees, new_trees = list(read_trees(run)), list(read_trees(new))
    assert [said(tree) for tree in new_trees] == [said(tree) for tree in old_trees]
    turned = {"first": "second", "second": "first", "abstain": "abstain", "tie": "tie"}
    for old, judged in zip(old_trees, new_trees, strict=True):
        assert [v.outcome for v in judged.verdicts] == [turned[v.outcome] for v in old.verdicts]
        assert judged.models == old.models | {"judge": "scripted:contrary:reply"}
    assert ran.result["turned"] == ran.result["decided_in_both"] > 0
    assert ran.result["kappa_decided"] <= 0
    assert sum(ran.result["flips"].values()) == ran.result["comparisons"]
    saved = load(new / "config.toml")
    assert saved.models.judge.model == "scripted:contrary:reply"
    assert saved.models.user.model == SCRIPTED
    events = [json.loads(line) for line in (new / "events.jsonl").read_text().splitlines()]
    assert {event["role"] for event in events} == {"judge"}
    assert len(events) == ran.result["calls"]


def test_a_table_shows_the_flips(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    ran = aloe("rejudge", run, "--judge", "scripted:contrary:silent", "--out", new, "--quiet")
    assert (ran.code, ran.err) == (0, f"wrote {new}\n")
    rows = [line.split() for line in ran.out.splitlines()]
    (first,) = (row for row in rows if row[:1] == ["first"] and len(row) == 5)
    assert int(first[4]) > 0  # what was "first" is an abstention now
    assert first[1:4] == ["0", "0", "0"]
    assert "preferences reversed" in ran.out
    assert ["trees", "4", "judged", "now"] in rows
    verdicts = next(row for row in rows if row[:1] == ["verdicts"])
    assert int(verdicts[-2]) > 0  # abstentions
    assert not {"grown", "played", "turns"} & {word for row in rows for word in row}


def test_the_judge_section_of_a_file_counts(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    file, new = tmp_path / "judge.toml", tmp_path / "new"
    file.write_text(
        f'seed = 99\n[models]\njudge = "{SCRIPTED}"\npanel = ["scripted:contrary:reply"]\n'
        "[judge]\nmin_margin = 0.0\ncriteria = {style = 1.0, content = 2.0}\n"
    )
    ran = aloe("rejudge", run, "--config", file, "--out", new, "--json")
    assert ran.code == 0, ran.err
    saved = load(new / "config.toml")
    assert saved.seed == load(run / "config.toml").seed
    assert saved.judge.criteria == {"style": 1.0, "content": 2.0}
    judged = [v for tree in read_trees(new) for v in tree.verdicts if v.votes]
    assert {len(verdict.votes) for verdict in judged} == {8}
    assert {v.outcome for v in judged} == {"abstain"}  # one against one
    assert all(tree.models["judge2"] == "scripted:contrary:reply" for tree in read_trees(new))


def settings(run: Path, config: Path | None, stored: Mapping[str, Any], **flags: Any) -> Config:
    """Return what a rejudge of a run with these settings would be done with."""
    save(run / "config.toml", load(None, stored))
    given: dict[str, Any] = {
        "judge": None,
        "base_url": None,
        "concurrency": None,
        "batch": False,
        **flags,
    }
    return resolve_settings(run, config, **given)


def test_the_judges_prompts_come_from_the_file_and_the_others_from_the_run(tmp_path: Path) -> None:
    stored = {"prompts": {"judge": "old.md", "judge_style": "old.md", "user": "u.md"}}
    new = tmp_path / "judge.toml"
    new.write_text('[prompts]\njudge = "new.md"\nuser = "other.md"\n')
    found = settings(tmp_path, new, stored).prompts
    assert found == {"judge": Path("new.md"), "user": Path("u.md")}
    kept = settings(tmp_path, None, stored, judge=SCRIPTED).prompts
    assert kept["judge"] == kept["judge_style"] == Path("old.md")


def test_a_custom_judges_prompt_goes_with_it(tmp_path: Path) -> None:
    stored = {"judge.use": "m:j", "prompts": {"judge": "own.md", "user": "u.md"}}
    assert settings(tmp_path, None, stored, judge=SCRIPTED).prompts == {"user": Path("u.md")}


def test_a_passport_beside_no_judge_is_that_of_the_flags(tmp_path: Path) -> None:
    new = tmp_path / "judge.toml"
    new.write_text('[judge]\npassport = "new.json"\n')
    assert settings(tmp_path, new, {}, judge="openai:x").judge.passport == Path("new.json")
    new.write_text('[judge]\nuse = "m:j"\npassport = "own.json"\n')
    assert settings(tmp_path, new, {}, judge="openai:x").judge.passport is None


def test_batches_are_asked_for_anew(tmp_path: Path) -> None:
    stored, new = {"limits.batch": True}, tmp_path / "new.toml"
    new.write_text("[limits]\nbatch = true\n")
    assert not settings(tmp_path, None, stored, judge=SCRIPTED).limits.batch
    assert settings(tmp_path, None, stored, judge=SCRIPTED, batch=True).limits.batch
    spread = {"simulation.workers": 2}
    assert settings(tmp_path, new, spread).limits.batch
    assert not settings(tmp_path, None, spread, judge=SCRIPTED).limits.batch


def test_how_calls_are_made_comes_from_the_file_where_it_says_so(tmp_path: Path) -> None:
    stored = {"limits.tries": 2, "limits.concurrency": 3, "budget.max_calls": 7}
    new = tmp_path / "new.toml"
    new.write_text('[limits]\nconcurrency = 9\n[telemetry]\nspans = true\n[local]\nserver = "s"\n')
    found = settings(tmp_path, new, stored, judge=SCRIPTED)
    assert (found.limits.concurrency, found.limits.tries) == (9, 5)
    assert (found.telemetry.spans, found.local.server, found.budget.max_calls) == (True, "s", 7)
    assert settings(tmp_path, None, stored, judge=SCRIPTED).limits.tries == 2


def test_labels_that_no_judge_made_stay(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    trees = list(read_trees(run))
    kept, gone = (return_label(levels) for levels in ("wishes", "siblings"))
    first, *others = trees
    marked = [
        first.model_copy(update={"verdicts": with_label(first, kept, turned=True)}),
        *(each.model_copy(update={"verdicts": with_label(each, gone)}) for each in others),
    ]
    (run / "trees.jsonl").write_text("".join(each.model_dump_json() + "\n" for each in marked))
    append_labels(run / "labels.jsonl", [said_of(marked[0], 0), said_of(marked[1], 0)])
    new = tmp_path / "new"
    ran = aloe("rejudge", run, "--judge", SCRIPTED, "--out", new, "--json")
    assert ran.code == 0, ran.err
    judged = list(read_trees(new))
    verdicts = judged[0].verdicts
    assert [v.first for v in verdicts] == [v.first for v in first.verdicts]
    assert {v.by_return and (v.by_return.outcome, v.by_return.returns) for v in verdicts} == {
        ("second", (0.2, 0.8))
    }
    assert not any(v.by_return for tree in judged[1:] for v in tree.verdicts)
    lost = sum(len(each.verdicts) for each in others)
    found = {name: count for name, count in ran.result.items() if name.startswith("labels")}
    assert found == {
        "labels_by_return": len(verdicts), "labels_by_return_left_out": lost,
        "labels_by_people": 2, "labels_by_people_left_out": 0,
    }  # fmt: skip
    labels = read_labels(new / "labels.jsonl")
    assert [each.answer for each in labels] == ["second", "first"]
    assert labels[0].pair == pair_id(first.id, verdicts[0])
    again = aloe("rejudge", run, "--judge", SCRIPTED, "--out", new, "--quiet")
    assert f"{lost} left out: they rest on the old judge's ranking" in again.out
    assert read_labels(new / "labels.jsonl") == labels


def return_label(levels: Any) -> ReturnLabel:
    return ReturnLabel(
        outcome="first", returns=(0.8, 0.2), levels=levels, horizon=2, discount=0.9, z=1.0
    )


def with_label(tree: Tree, label: ReturnLabel, *, turned: bool = False) -> tuple[Verdict, ...]:
    """Return the verdicts with this label, perhaps naming each pair in the other order."""
    changes = {"by_return": label}
    return tuple(
        each.model_copy(
            update=changes | ({"first": each.second, "second": each.first} if turned else {})
        )
        for each in tree.verdicts
    )


def said_of(tree: Tree, number: int) -> Label:
    verdict = tree.verdicts[number]
    return Label(
        pair=pair_id(tree.id, verdict), tree=tree.id, node=verdict.node, first=verdict.first,
        second=verdict.second, rater="ann", answer="first", shown="first-second", seconds=1.0,
    )  # fmt: skip


def test_a_concurrency_that_cannot_be_is_refused(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    ran = aloe("rejudge", run, "--judge", SCRIPTED, "--concurrency", 0, "--out", tmp_path / "new")
    assert ran.is_one_line_about("aloe: --concurrency: at least 1")


def test_done_again_it_does_nothing_and_another_judge_needs_another_folder(
    aloe: RunAloe, run: Path, tmp_path: Path
) -> None:
    command = ["rejudge", run, "--out", tmp_path / "new", "--json"]
    first = aloe(*command, "--judge", SCRIPTED)
    again = aloe(*command, "--judge", SCRIPTED)
    assert (first.result["trees_now"], again.result["trees_now"], again.result["trees"]) == (
        4,
        0,
        4,
    )
    assert (again.result["calls"], again.result["same"]) == (0, first.result["same"])
    other = aloe(*command, "--judge", "scripted:contrary:reply")
    assert other.is_one_line_about("other settings", "models.judge.model")


def test_another_prompt_needs_another_folder(
    aloe: RunAloe, personas_file: Path, tmp_path: Path
) -> None:
    prompt, settings, run = (tmp_path / name for name in ("judge.txt", "c.toml", "run"))
    prompt.write_text(chosen("judge", {}).path.read_text(encoding="utf-8"))
    settings.write_text(f'[prompts]\njudge = "{prompt}"\n')
    begin = ("simulate", "--personas", personas_file, "--trees", 1, "--turns", 1, "--out", run)
    assert aloe(*begin, "--model", SCRIPTED, "--config", settings, "--quiet").code == 0
    command = ["rejudge", run, "--out", tmp_path / "new", "--judge", SCRIPTED, "--json"]
    assert aloe(*command).code == aloe(*command).code == 0
    prompt.write_text(prompt.read_text() + "Be strict.\n")
    assert aloe(*command).is_one_line_about("other prompts (judge)")


def test_a_prompt_under_a_misspelt_name_is_refused(
    aloe: RunAloe, run: Path, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text("[prompts]\njugde = 'none.md'\n")
    ran = aloe("rejudge", run, "--config", tmp_path / "c.toml", "--out", tmp_path / "new")
    assert ran.is_one_line_about("prompts.jugde", "did you mean 'judge'")


def test_judgements_of_other_trees_are_not_mixed_in(
    aloe: RunAloe, run: Path, personas_file: Path, tmp_path: Path
) -> None:
    new, longer = tmp_path / "new", tmp_path / "longer"
    assert aloe("rejudge", run, "--judge", SCRIPTED, "--out", new, "--quiet").code == 0
    before = (new / "trees.jsonl").read_bytes()
    aloe(
        "simulate", "--personas", personas_file, "--trees", 4, "--turns", 1, "--out", longer,
        "--model", SCRIPTED, "--quiet",
    )  # fmt: skip
    (longer / "config.toml").write_bytes((run / "config.toml").read_bytes())
    ran = aloe("rejudge", longer, "--judge", SCRIPTED, "--out", new)
    assert ran.is_one_line_about("other trees", "another folder")
    assert (new / "trees.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "new"], ["--judge STR"]),
        (["--out", "run", "--judge", SCRIPTED], ["another folder"]),
        (["--out", "new", "--judge", "nobody:x"], ["unknown model"]),
        (["--out", "new", "--config", "none.toml"], ["none.toml"]),
    ],
)
def test_bad_input_is_one_line(
    aloe: RunAloe, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], words: list[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert aloe("rejudge", "run", *arguments).is_one_line_about(*words)
    assert not (tmp_path / "new").exists()


def test_a_run_that_is_not_there(aloe: RunAloe, tmp_path: Path) -> None:
    ran = aloe("rejudge", tmp_path / "x", "--judge", SCRIPTED, "--out", tmp_path / "new")
    assert ran.is_one_line_about("x: does not exist")
    assert not (tmp_path / "new").exists()


def test_a_bare_file_of_trees_can_be_judged(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    new, bare = tmp_path / "new", tmp_path / "bare.jsonl"
    bare.write_bytes((run / "trees.jsonl").read_bytes())
    ran = aloe("rejudge", bare, "--judge", SCRIPTED, "--out", new, "--json")
    assert ran.code == 0, ran.err
    assert (new / "trees.jsonl").read_bytes() == bare.read_bytes()


def test_a_half_done_rejudge_of_a_chat_lacks_trees(
    aloe: RunAloe, run: Path, tmp_path: Path
) -> None:
    chats = [tree.model_copy(update={"models": {"user": "human"}}) for tree in read_trees(run)]
    source, new = tmp_path / "chats.jsonl", tmp_path / "new"
    source.write_text("".join(tree.model_dump_json() + "\n" for tree in chats))
    assert aloe("rejudge", source, "--judge", SCRIPTED, "--out", new, "--json").code == 0
    first = (new / "trees.jsonl").read_text().splitlines(keepends=True)[0]
    (new / "trees.jsonl").write_text(first)
    assert RunFolder(new).planned() == 4
    assert render_run(new, shown=1).unfinished == 3


def test_a_file_of_trees_in_a_run_folder_is_judged_with_the_settings_of_the_run(
    aloe: RunAloe, run: Path, tmp_path: Path
) -> None:
    save(run / "config.toml", load(run / "config.toml", {"judge.min_margin": 0.9}))
    for source, new in ((run, "folder"), (run / "trees.jsonl", "file")):
        ran = aloe("rejudge", source, "--judge", SCRIPTED, "--out", tmp_path / new, "--json")
        assert ran.code == 0, ran.err
    for name in ("config.toml", "trees.jsonl"):
        assert (tmp_path / "file" / name).read_bytes() == (tmp_path / "folder" / name).read_bytes()


def test_killed_and_taken_up_again(
    aloe: RunAloe, start: StartAloe, run: Path, tmp_path: Path
) -> None:
    (tmp_path / "slow_rejudge.py").write_text(
        "import time\nfrom aloe.agents.scripted import reply as fast\n"
        "def reply(messages, arguments):\n"
        "    time.sleep(0.02)\n    return fast(messages, arguments)\n"
    )
    command = [
        "rejudge", run, "--judge", "scripted:slow_rejudge:reply", "--concurrency", 1, "--json",
        "--out",
    ]  # fmt: skip
    child = start(*command, tmp_path / "killed")
    trees = tmp_path / "killed/trees.jsonl"
    wait_for(lambda: trees.exists() and trees.read_bytes().count(b"\n") >= 1)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    finished = trees.read_bytes().count(b"\n")
    assert finished < 4
    again, whole = aloe(*command, tmp_path / "killed"), aloe(*command, tmp_path / "whole")
    assert again.result["trees_now"] == 4 - finished
    assert trees.read_bytes() == (tmp_path / "whole/trees.jsonl").read_bytes()
    assert again.result["calls"] < whole.result["calls"]


def test_a_tree_whose_calls_fail_is_set_aside(
    aloe: RunAloe, server: ChatServer, run: Path, tmp_path: Path
) -> None:
    from builders import PERSONAS
    from server import failure, scripted

    def behave(request: object) -> object:
        broken = PERSONAS[3].personality in str(request)
        return failure(400, "too long") if broken else scripted(request)  # type: ignore[arg-type]

    server.behave = behave  # type: ignore[assignment]
    command = ["rejudge", run, "--judge", server.model, "--out", tmp_path / "new", "--json"]
    ran = aloe(*command)
    assert ran.code == 2
    assert "set aside 1 tree;" in ran.err
    assert (ran.result["trees_now"], ran.result["set_aside"]) == (3, 1)
    server.behave = scripted
    assert aloe(*command).result["trees_now"] == 1


def test_the_budget_counts_what_the_new_folder_costs(
    aloe: RunAloe, run: Path, tmp_path: Path
) -> None:
    few, many, new = tmp_path / "few.toml", tmp_path / "many.toml", tmp_path / "new"
    few.write_text("[budget]\nmax_calls = 5\n")
    many.write_text("[budget]\nmax_calls = 1000\n")
    command = ["rejudge", run, "--judge", SCRIPTED, "--out", new, "--concurrency", 1, "--json"]
    for _ in range(2):
        ran = aloe(*command, "--config", few)
        assert (ran.code, "raise the cap" in ran.err) == (3, True)
        assert len((new / "events.jsonl").read_text().splitlines()) == 5
    again = aloe(*command, "--config", many)
    assert (again.code, again.result["trees"]) == (0, 4)
    few.write_text('[models]\njudge = "openai:x@http://127.0.0.1:9/v1"\n[budget]\nmax_cost = 1.0\n')
    ran = aloe("rejudge", run, "--config", few, "--out", tmp_path / "priced")
    assert ran.is_one_line_about("needs the price of openai:x")


FOUR = f"""
[models]
user = "{SCRIPTED}"
inducer = "{SCRIPTED}"
judge = "{SCRIPTED}"
assistants = [
    {{ name = "a", model = "{SCRIPTED}", hint = true }},
    {{ name = "b", model = "{SCRIPTED}" }},
    {{ name = "c", model = "{SCRIPTED}", style = "Be curt." }},
    {{ name = "d", model = "{SCRIPTED}", style = "Ask back." }},
]
[judge]
min_margin = 0.0
"""


def test_pairs_that_a_tournament_spared_are_compared_when_all_are_wanted(
    aloe: RunAloe, personas_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "all.toml").write_text(FOUR)
    (tmp_path / "few.toml").write_text(FOUR + 'schedule = "tournament"\n')
    ran = aloe(
        "simulate", "--personas", personas_file, "--trees", 3, "--turns", 2, "--out",
        tmp_path / "few", "--config", tmp_path / "few.toml", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    few = sum(ran.result["verdicts"].values())
    again = aloe(
        "rejudge", tmp_path / "few", "--config", tmp_path / "all.toml", "--out", tmp_path / "all",
        "--json",
    )  # fmt: skip
    assert again.code == 0, again.err
    assert again.result["comparisons"] == again.result["same"] == few < 3 * 2 * 6
    assert [len(tree.verdicts) for tree in read_trees(tmp_path / "all")] == [2 * 6] * 3
    rows = aloe(
        "export", tmp_path / "few", "--format", "dpo", "--out", tmp_path / "d.jsonl", "--json"
    )
    assert rows.result["rows"] + sum(rows.result["left_out"].values()) == few
