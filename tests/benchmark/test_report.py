"""The report of a bench: a page, a card, a table, plots; all from a folder and nothing else."""

import importlib.util
import json
import random
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from chromium import look_at, needs_chromium, search_in
from command import RunAloe
from damaging import damage, nested, used_or_refused
from pydantic import ValidationError
from sample_tree import CALLS, OPENING, SHORT, TREE, spelled_out
from wellformed import faults_of

from aloe.benchmark.bench_result import BenchResult
from aloe.benchmark.card import render_card
from aloe.benchmark.cases import load_cases
from aloe.benchmark.folder import Bench, read_bench
from aloe.benchmark.listed_runs import find_runs
from aloe.benchmark.reply_levels import reply_level
from aloe.benchmark.report import render_report, write_report
from aloe.errors import InputError
from aloe.memory.run_folder import RunFolder
from aloe.schema import Tree
from aloe.views.account import Spending
from aloe.views.report import Extras, report
from aloe.views.report_calls import CallShelf

S = "scripted:aloe.agents.scripted:reply"
EVIL = "I say <script>document.title='owned'</script> & </script> a lot."


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bench of three cases, one with an evil persona and one who answers, with a control."""
    from aloe.cli import main

    lines = []
    for number, case in enumerate(load_cases("aloe-100")[::33][:3]):
        raw = json.loads(case.model_dump_json(exclude={"id"}))
        texts = {kind: raw["persona"][kind] for kind in ("profile", "personality")}
        if number == 1:
            texts["profile"] = f"{EVIL} {texts['profile']}"
        told = {"disclosure": "answering"} if number == 2 else {}
        lines.append(json.dumps(raw | {"persona": texts, "turns": 3} | told) + "\n")
    cases = tmp_path_factory.mktemp("cases") / "cases.jsonl"
    cases.write_text("".join(lines), encoding="utf-8")
    out = tmp_path_factory.mktemp("made") / "bench"
    given = ("--user", S, "--judge", S, "--cases", cases, "--control", "ceiling", "--seeds", "2")
    with pytest.MonkeyPatch.context() as patched:
        line = ("aloe", "bench", "run", "--model", S, *given, "--out", out, "--quiet")
        patched.setattr(sys, "argv", [str(word) for word in line])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 0
    return out


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy to work on."""
    return Path(shutil.copytree(made, tmp_path / "bench"))


@pytest.fixture
def bench(folder: Path) -> Bench:
    return read_bench(folder)


def embedded(page: str, name: str) -> Any:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page)
    assert found
    return json.loads(found[1])


def test_the_command_writes_all_files(aloe: RunAloe, folder: Path) -> None:
    ran = aloe("bench", "report", folder, "--json")
    assert ran.code == 0, ran.err
    written = {Path(path).relative_to(folder).as_posix() for path in ran.result["written"]}
    assert {"report.html", "card.md"} <= written
    assert all((folder / path).stat().st_size > 500 for path in written)
    assert (ran.result["lacking"] == []) == (len(written) == 5)


def test_the_page_is_one_file_that_says_what_the_result_says(bench: Bench) -> None:
    page = render_report(bench)
    assert faults_of(page) == []
    assert "<link" not in page
    assert "src=" not in page
    assert "owned'</script>" not in page
    (by_condition,) = bench.result.suites.values()
    for result in by_condition.values():
        figure = result.figures["al_mean"]
        assert f">{figure.value:.3f} (no interval)<" in page  # of three users
    for caution in bench.result.warnings:
        assert caution in page
    assert "no judge passport" in page.lower()


def test_every_dialogue_and_rating_is_in_the_page(bench: Bench) -> None:
    dialogues = embedded(render_report(bench), "dialogues")
    assert len(dialogues) == 3
    held = [each for case in dialogues.values() for each in case["held"]]
    assert len(held) == 3 * 2 * 2  # cases, conditions, repetitions
    trees = [tree for name in bench.conditions for tree in bench.trees(name)]
    said = {node.content for tree in trees for node in tree.nodes}
    turns = [one for each in held for one in each["turns"]]
    after = [one["after"][key] for one in turns if one["after"] for key in ("question", "answer")]
    assert len(after) == 12 * 2
    assert {one[key]["text"] for one in turns for key in ("u", "r")} | {*after} == said
    why = [mark[2] for one in turns for mark in one["u"]["marks"] if mark[0] == "told"]
    assert why.count("its turn") == 2 * 2 * 3  # of the one case whose user answers
    ratings = [said for one in turns for said, _ in one["r"]["ratings"]]
    assert len(ratings) == 12 * 3 * 2  # dialogues, turns, own and swapped
    assert re.fullmatch(rf"{S}, for this user: [1-5]", ratings[0])
    calls = [call["role"] for each in held for call in each["calls"]["calls"]]
    assert {"user", "candidate", "judge"} <= set(calls)
    folders = {each["title"].split(",")[0]: each["folder"] for each in held}
    assert folders == {"candidate": "DIR", "ceiling": "DIR/ceiling"}
    for each in held:
        found = {call["node"] for call in each["calls"]["calls"]}
        asked = {one["after"]["nodes"][1] for one in each["turns"] if one["after"]}
        assert None not in found
        assert asked <= found


def test_the_counts_below_a_chart_are_those_of_its_curves(bench: Bench) -> None:
    rows = bench.own_rows
    place, swapped = next(
        (n, s) for n, s in enumerate(rows[0].scores) if s.shown == "swapped" and s.value is not None
    )
    lost = swapped.model_copy(update={"value": None, "missing": "unreadable"})
    scores = [lost if n == place else score for n, score in enumerate(rows[0].scores)]
    assert rows[0].turn == 1
    rows[0] = rows[0].model_copy(update={"scores": tuple(scores)})
    (bench.path / "scores.jsonl").write_text("".join(r.model_dump_json() + "\n" for r in rows))
    counts = re.findall(r'class="count">([^<]*)<', render_report(bench))
    own = gain = ["5-6", "6", "6"]  # the swapped persona's curve; the other condition lacks nothing
    assert counts == [*own, *gain, "6", "6", "6"]


def test_missing_ratings_are_shown_as_missing(bench: Bench) -> None:
    rows = bench.own_rows
    first = rows[0].scores[0].model_copy(update={"value": None, "missing": "unreadable"})
    rows[0] = rows[0].model_copy(update={"scores": (first, *rows[0].scores[1:])})
    (bench.path / "scores.jsonl").write_text("".join(r.model_dump_json() + "\n" for r in rows))
    page = render_report(bench)
    assert ", 1 missing" in page
    (turn,) = [
        one
        for case in embedded(page, "dialogues").values()
        for dialogue in case["held"]
        for one in dialogue["turns"]
        if any(missing for _, missing in one["r"]["ratings"])
    ]
    assert turn["r"]["own"] is None
    assert turn["r"]["ratings"][0] == [f"{S}, for this user: missing (unreadable)", True]


def test_replies_that_were_cut_off_are_marked_also_beside_scores_of_earlier_versions(
    bench: Bench,
) -> None:
    assert ">cut off at limit<" in render_report(bench)
    trees, scores = bench.path / "trees.jsonl", bench.path / "scores.jsonl"
    first, *others = bench.trees()
    cut = first.replies[0].model_copy(update={"faults": ("truncated",)})
    nodes = tuple(cut if node.id == cut.id else node for node in first.nodes)
    first = first.model_copy(update={"nodes": nodes})
    trees.write_text("".join(f"{tree.model_dump_json()}\n" for tree in (first, *others)))
    rows = bench.own_rows
    assert {row.cut_off for row in rows} == {False}
    scores.write_text("".join(f"{r.model_dump_json(exclude={'cut_off'})}\n" for r in rows))
    assert [row.reply for row in bench.rows() if row.cut_off] == [cut.id]
    assert sum(row.cut_off is False for row in bench.rows()) == len(rows) - 1
    held = [
        turn["r"]
        for case in embedded(render_report(bench), "dialogues").values()
        for dialogue in case["held"]
        for turn in dialogue["turns"]
    ]
    marked = [reply["id"] for reply in held if ["fault", "truncated", ""] in reply["marks"]]
    assert marked == [f"candidate:{cut.id}"]
    trees.unlink()
    assert {row.cut_off for row in bench.rows()} == {None}


def test_an_incomplete_run_says_so_on_page_and_card(bench: Bench) -> None:
    assert "Incomplete" not in render_report(bench)
    raw = json.loads((bench.path / "result.json").read_text())
    for by_condition in raw["suites"].values():
        by_condition["candidate"]["incomplete"] = True
    (bench.path / "result.json").write_text(json.dumps(raw | {"complete": False}))
    again = read_bench(bench.path)
    assert "Incomplete: more than 5% of the ratings are missing" in render_report(again)
    card = render_card(again, [])
    assert "**Incomplete**" in card
    assert "candidate (incomplete)" in card
    assert "missing ratings: candidate 0 of " in card
    assert "; ceiling 0 of " in card


def test_a_mean_over_judges_needs_all_of_them(bench: Bench) -> None:
    row = bench.own_rows[0]
    (own,) = row.of("own")
    both = (own.model_copy(update={"value": 2.0}), own.model_copy(update={"value": 4.0}))
    assert reply_level(row.model_copy(update={"scores": both}), "own") == 3.0
    one = (both[0], both[1].model_copy(update={"value": None, "missing": "judge"}))
    assert reply_level(row.model_copy(update={"scores": one}), "own") is None


def test_a_dialogue_that_failed_is_said_to_have_failed(bench: Bench) -> None:
    rows = [row.model_copy(update={"user": None, "reply": None}) for row in bench.own_rows]
    (bench.path / "scores.jsonl").write_text("".join(r.model_dump_json() + "\n" for r in rows))
    page = render_report(bench)
    assert "the dialogue failed before this message" in page
    assert "not in trees.jsonl" not in page


def test_a_dialogue_that_is_gone_is_not_said_to_have_failed(bench: Bench) -> None:
    lines = (bench.path / "trees.jsonl").read_text().splitlines(keepends=True)
    (bench.path / "trees.jsonl").write_text("".join(lines[1:]))
    page = render_report(bench)
    assert "this dialogue is not in trees.jsonl" in page
    assert "the dialogue failed before this message" not in page


def test_an_unfinished_bench_shows_what_is_rated(bench: Bench) -> None:
    (bench.path / "result.json").unlink()
    rows = bench.own_rows
    first = [row for row in rows if row.dialogue == rows[0].dialogue]
    (bench.path / "scores.jsonl").write_text("".join(r.model_dump_json() + "\n" for r in first))
    page = render_report(read_bench(bench.path))
    assert '<span class="status">unfinished</span>' in page
    assert "Rated so far: candidate 1 of 6, ceiling 6 of 6." in page
    held = [each for case in embedded(page, "dialogues").values() for each in case["held"]]
    assert len(held) == 1 + 6
    control = RunFolder(bench.path / "ceiling")
    (control.path / "scores.jsonl").unlink()  # it is being played
    with control.locked():
        page = render_report(read_bench(bench.path))
        line = find_runs([bench.path]).runs["bench"].describe()
    assert '<span class="status">running</span>' in page
    assert line["state"] == "running"
    assert "Rated so far: candidate 1 of 6, ceiling 0 of 6." in page


@needs_chromium
def test_reports_in_a_browser(bench: Bench, tmp_path: Path) -> None:
    shelf = CallShelf([TREE.id])
    draft = {**spelled_out()[0], "node": "of a draft"}
    spent = Spending(shelf.watch([*spelled_out(), draft]))
    evil = OPENING.model_copy(update={"content": EVIL, "agent": EVIL})
    tree = Tree.model_validate({**TREE.model_dump(), "nodes": (evil, *TREE.nodes[1:])})
    pages = {
        "run": report("a run", [tree], spent, shown=5, extras=Extras(calls=shelf)),
        "bench": render_report(bench),
    }
    reply = next(row.reply for row in bench.rows("ceiling") if row.reply)
    seen = look_at(pages, tmp_path, links={"run": SHORT.id, "bench": reply}, search="THE CHAIN")
    assert len(seen) == 2 * 2
    for (name, width), page in seen.items():
        where = f"{name} at {width}"
        assert page["overflow"] <= 0, where
        assert page["wide"] == [], where
        assert page["violations"] == [], where
        assert EVIL in page["text"], where  # as text: the title is the page's own
        assert (page["collapsed"], page["opened"]) == (0, 1), where
        assert page["title"] in ("a run", f"ALOE benchmark: {S}"), where
        assert ("1 other call" in page["text"]) == (name == "run"), where
        if name == "run":
            assert page["linked"] == SHORT.id, where
            assert page["found"] == "3 matches in 1 of 1 trees", where
            assert page["marks"] == ["the chain"] * 3, where
        else:
            assert page["linked"].endswith(reply), where
            assert page["found"] == "0 matches in 0 of 3 cases", where
    drawn = seen["run", 420]["text"]
    for shown in (*(node.content or "(empty)" for node in TREE.nodes[1:]), "★ preferred"):
        assert shown in drawn
    assert all(text in drawn for each in CALLS for _, text in each.messages)
    assert "hinted preferred to plain, by 0.75" in drawn
    drawn = seen["bench", 420]["text"]
    assert drawn.count("turn 1") == 12
    assert re.search(r"own [1-5]swapped [1-5]", drawn)


@needs_chromium
def test_search_finds_whatever_a_case_shows(bench: Bench, tmp_path: Path) -> None:
    page = render_report(bench)
    cases = embedded(page, "dialogues").values()
    held = [dialogue for case in cases for dialogue in case["held"]]
    after = [one["after"] for each in held for one in each["turns"] if one["after"]]
    question, found = after[0]["question"], after[0]["found"]
    said = search_in(page, [question, found], tmp_path)
    assert said[question] == ("12 matches in 3 of 3 cases", [question] * 12)
    assert said[found][1] == [found] * sum(each["found"] == found for each in after)


def test_passports_of_the_judges_are_shown(aloe: RunAloe, folder: Path) -> None:
    none = {"value": None, "low": 0.0, "high": 1.0, "count": 0}
    shares = (
        "accuracy", "coverage", "mirrored", "flips", "first_slot", "unreadable", "length_effect",
    )  # fmt: skip
    passport = {
        "judge": {"models": ["openai:<b>J</b>"], "prompts": {}, "criteria": {}, "min_margin": 0.0},
        "gold": "0", "pairs": 224, "outcomes": {}, "by_kind": {}, "kappa": 0.61, "alpha": None,
        "slope": None, "brier": None, **dict.fromkeys(shares, none),
        "accuracy": {"value": 0.87, "low": 0.81, "high": 0.92, "count": 200},
    }  # fmt: skip
    (folder / "passport.json").write_text(json.dumps(passport))
    assert aloe("bench", "report", folder).code == 0
    for name in ("report.html", "card.md"):
        text = (folder / name).read_text(encoding="utf-8")
        assert "87% (81% to 92%) of 200" in text
        assert "openai:&lt;b>J" in text.replace("&gt;", ">")
        assert "no judge passport" not in text.lower()
    missing = aloe("bench", "report", folder, "--passport", folder / "nothing.json")
    assert missing.is_one_line_about("nothing.json")


def test_the_card_holds_what_repeating_takes(bench: Bench) -> None:
    write_report(bench)
    text = (bench.path / "card.md").read_text(encoding="utf-8")
    result = bench.result
    for needed in (
        result.version, result.cases_hash, *result.prompts.values(), S,
        "2, from seed 0", "AL(k)", "95%",
    ):  # fmt: skip
        assert needed in text
    assert "| --- |" in text


def test_the_table_is_the_scores(bench: Bench) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_report(bench)
    table = parquet.read_table(bench.path / "scores.parquet").to_pylist()
    rows = [row for name in bench.conditions for row in bench.rows(name)]
    assert [line["value"] for line in table] == [s.value for row in rows for s in row.scores]
    assert {line["condition"] for line in table} == {"candidate", "ceiling"}
    assert {line["shown"] for line in table} == {"own", "swapped"}


def test_plots_are_the_same_from_the_same_numbers(bench: Bench) -> None:
    pytest.importorskip("matplotlib")
    write_report(bench)
    picture = bench.path / "plots" / "aloe-100.svg"
    before = picture.read_bytes()
    write_report(bench)
    assert picture.read_bytes() == before
    assert picture.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_what_is_lacking_is_named(
    aloe: RunAloe, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    lacking = {"pyarrow", "matplotlib"}
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *a: None if name in lacking else real(name, *a)
    )
    ran = aloe("bench", "report", folder)
    assert ran.code == 0
    assert "pip install 'aloe-align[plots]'" in ran.err
    assert "pip install 'aloe-align[parquet]'" in ran.err
    assert not (folder / "scores.parquet").exists()


def test_what_is_no_bench_is_refused_in_one_line(aloe: RunAloe, tmp_path: Path) -> None:
    assert aloe("bench", "report", tmp_path).is_one_line_about("aloe bench run")


FILES = ("cases.jsonl", "scores.jsonl", "result.json", "ceiling/scores.jsonl")


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_folder_is_reported_right_or_refused(folder: Path, seed: int) -> None:
    rng = random.Random(seed)
    file = folder / rng.choice(FILES)
    text = file.read_text()
    lines = [text] if file.suffix == ".json" else text.splitlines()
    place = rng.randrange(len(lines))
    lines[place] = nested(lambda: json.dumps(damage(json.loads(lines[place]), rng)))
    file.write_text("\n".join(lines) + "\n")
    with used_or_refused(file):
        render_report(read_bench(folder))


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (("suites", "aloe-100", "candidate", "curves", "own"), "curves lack own"),
        (("suites", "aloe-100", "candidate", "curves", "own", 0), "curves differ"),
        (("suites", "aloe-100", "candidate", "agreement", "gains", S), "not of the same judges"),
        (("conditions", "ceiling"), "one that was not played"),
        (("suites", "aloe-100"), "there are none"),
    ],
)
def test_what_a_result_says_must_fit_together(made: Path, lost: tuple[Any, ...], said: str) -> None:
    raw = at = json.loads((made / "result.json").read_text())
    for step in lost[:-1]:
        at = at[step]
    del at[lost[-1]]
    with pytest.raises(ValidationError, match=said):
        BenchResult.model_validate(raw)


@pytest.mark.parametrize("change", ["double", "drop"])
def test_a_dialogue_must_be_whole(folder: Path, change: str) -> None:
    path = folder / "scores.jsonl"
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([*(2 * [first] if change == "double" else []), *others]) + "\n")
    with pytest.raises(InputError, match="has the turns"):
        render_report(read_bench(folder))
