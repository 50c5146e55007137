import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import SCRIPTED
from command import Ran, RunAloe, StartAloe, wait_for
from learners import cases
from server import Answer, ChatServer, Request, completion, failure, scripted

from aloe.agents.prompt import chosen
from aloe.benchmark.bench_plan import _spread, plan_bench
from aloe.benchmark.card import render_card
from aloe.benchmark.cases import SUITES, load_cases
from aloe.benchmark.conditions import load_candidate
from aloe.benchmark.folder import read_bench
from aloe.benchmark.parquet import write_parquet
from aloe.benchmark.report import render_report
from aloe.benchmark.run_pages import RunPages
from aloe.memory.verifiable.catalogue import DIMENSIONS
from aloe.memory.verifiable.phrases import find_traits

VANILLA = ["62.16", "68.92", "70.27", "74.32", "72.97", "74.32", "75.68", "78.38", "77.03", "79.73"]


def test_metrics_of_a_published_row(aloe: RunAloe) -> None:
    ran = aloe("bench", "metrics", *VANILLA, "--json")
    found = json.loads(ran.out.splitlines()[-1])
    assert ran.code == 0
    assert found["al_mean"] == pytest.approx(73.378)
    assert round(found["n_ir"], 3) == 0.090
    assert round(found["r2"], 3) == 0.855


def test_a_flat_row_has_no_r2(aloe: RunAloe) -> None:
    found = json.loads(aloe("bench", "metrics", "3", "3", "3", "--json").out.splitlines()[-1])
    assert found == {"al_mean": 3.0, "ir": 0.0, "n_ir": 0.0, "r2": None}


def test_one_turn_is_too_short(aloe: RunAloe) -> None:
    assert aloe("bench", "metrics", "3.5").is_one_line_about("2")
    assert aloe("bench", "metrics", "three").code == 2


@pytest.mark.parametrize("level", ["nan", "inf", "-inf", "1e+308", "-1e+51"])
def test_a_level_is_a_finite_number(aloe: RunAloe, level: str) -> None:
    ran = aloe("bench", "metrics", "3", "--", level, "4")
    assert ran.is_one_line_about(f"aloe: {level} is not a level")


S = "scripted:aloe.agents.scripted:reply"
LEARN, IGNORE, ASK = (f"scripted:learners:{name}" for name in ("learn", "ignore", "ask"))


def run(aloe: RunAloe, out: Path, *arguments: object, model: str = S) -> Ran:
    return aloe("bench", "run", "--model", model, "--out", out, *arguments, "--json", "--quiet")


@pytest.fixture
def taught(tmp_path: Path) -> Path:
    """Nine users with ten wishes each that a program can check."""
    path = tmp_path / "taught.jsonl"
    path.write_text("".join(case.model_dump_json() + "\n" for case in cases()), encoding="utf-8")
    return path


def asked(tmp_path: Path, count: int = 3, turns: int = 2) -> Path:
    """A file of cases that need a user and a judge, short ones."""
    lines = [
        case.model_copy(update={"turns": turns}).model_dump_json(exclude={"id"}) + "\n"
        for case in load_cases("aloe-100")[: 7 * count : 7]
    ]
    path = tmp_path / "asked.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_who_learns_one_wish_a_turn_has_the_exact_slope(
    aloe: RunAloe, taught: Path, tmp_path: Path
) -> None:
    ran = run(aloe, tmp_path / "run", "--cases", taught, "--seeds", 1, model=LEARN)
    assert ran.code == 0
    found = ran.result["figures"]["taught"]["candidate"]
    assert found["ir"]["value"] == pytest.approx(0.1, abs=1e-12)
    assert found["ir"]["low"] is found["ir"]["high"] is None  # three lives, three tempers
    assert found["al_mean"]["value"] == pytest.approx(0.55)
    assert found["r2"]["value"] == pytest.approx(1)
    assert found["n_ir"]["value"] == pytest.approx(1 / 9)
    levels = np.arange(1, 11) / 10
    bench = read_bench(tmp_path / "run")
    assert (bench.result.user, bench.result.judges) == ("rule", ("rule",))
    (bench.path / "passport.json").write_text("that of some judge")
    assert aloe("bench", "report", bench.path).code == 0
    card, page = ((bench.path / name).read_text() for name in ("card.md", "report.html"))
    served = RunPages([bench.path]).answer("/run/run", {}).text
    for text in (card, page, served):
        assert "Rules played the users" in text
        assert "judge passport" not in text
    assert "| judges | `rule` |" in card
    given = aloe("bench", "report", bench.path, "--passport", bench.path / "passport.json")
    assert given.is_one_line_about("--passport", "rules rated the replies")
    for rows in np.array_split(bench.own_rows, 9):
        np.testing.assert_allclose([row.of("own")[0].value for row in rows], levels)


def test_who_ignores_the_user_has_intervals_that_cover_zero(aloe: RunAloe, tmp_path: Path) -> None:
    found = {}
    for name, model in (("ignore", IGNORE), ("learn", LEARN)):
        ran = run(
            aloe, tmp_path / name, "--cases", "verifiable", "--limit", 12, "--seeds", 1, model=model
        )
        found[name] = ran.result["figures"]["verifiable"]["candidate"]
    for figure in ("ir", "gain", "gain_ir"):
        assert found["ignore"][figure]["low"] <= 0 <= found["ignore"][figure]["high"]
        assert found["learn"][figure]["low"] > 0
    ran = aloe("bench", "compare", tmp_path / "ignore", tmp_path / "learn", "--json")
    gain = ran.result["comparisons"][0]
    assert (gain["metric"], gain["difference"]["count"]) == ("gain", 12)
    assert gain["difference"]["value"] == pytest.approx(
        found["learn"]["gain"]["value"] - found["ignore"]["gain"]["value"]
    )
    assert gain["p_value"] <= gain["p_holm"] < 0.05
    cut_off = ran.result["cut_off"]["verifiable"]
    assert [(each["value"], each["count"]) for each in cut_off.values()] == [(0, 12 * 10)] * 2


def test_who_asks_finds_out_what_reticent_users_want(aloe: RunAloe, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    found, out = {}, {}
    for name, model in (("learn", LEARN), ("ask", ASK)):
        out[name] = tmp_path / name
        options = ("--cases", "ask", "--limit", 8, "--seeds", 1)
        found[name] = run(aloe, out[name], *options, model=model).result["figures"]["ask"]
    learn, ask = (each["candidate"] for each in found.values())
    assert ask["known"]["value"] == ask["asked_new"]["value"] == 1
    assert ask["needless"]["value"] == learn["questions"]["value"] == 0
    assert learn["known"]["value"] < 0.5
    assert "known_asked" not in learn or learn["known_asked"]["value"] == 0
    heard = [
        node.content
        for tree in read_bench(out["ask"]).trees("candidate")
        for node in tree.nodes[::2]
    ]
    wishes = [(name, each.value) for name, pair in DIMENSIONS.items() for each in pair]
    for half, said in (("test", True), ("train", False)):
        phrases = {text for each in wishes for text in find_traits(*each, half)}
        assert any(text in message for text in phrases for message in heard) == said

    lines = aloe("bench", "compare", out["learn"], out["ask"], "--json").result["comparisons"]
    known = next(line for line in lines if line["metric"] == "known")
    assert known["difference"]["low"] > 0
    page = render_report(read_bench(out["ask"]))
    for words in ("What is known of the user", "share found out by the end", "because asked"):
        assert words in page, words
    assert "| 6 | 1.000" in render_card(read_bench(out["ask"]), ())
    write_parquet(read_bench(out["ask"]), tmp_path / "scores.parquet")
    rows = parquet.read_table(tmp_path / "scores.parquet").to_pylist()
    assert {row["known"] for row in rows if row["turn"] == 6} == {5}
    assert {row["answer"] for row in rows if row["turn"] == 1} == {"told"}


def test_a_run_is_written_down_whole(aloe: RunAloe, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ["--cases", asked(tmp_path), "--user", S, "--judge", S, "--seeds", 2]
    ran = run(aloe, out, *arguments, "--control", "ceiling", "--control", f"floor={S}")
    assert ran.code == 0, ran.err
    bench = read_bench(out)
    assert list(bench.conditions) == ["candidate", "ceiling", "floor"]
    assert len(bench.cases) == 3
    for condition in bench.conditions:
        rows = bench.rows(condition)
        assert [row.turn for row in rows] == [1, 2] * 6
        assert {row.control for row in rows} == {condition}
        trees = {tree.id: tree for tree in bench.trees(condition)}
        for row in rows:
            assert trees[row.dialogue].by_id[row.reply].content
            assert [(s.judge, s.shown) for s in row.scores] == [(S, "own"), (S, "swapped")]
            assert all(score.raw == f"{score.value:g}" for score in row.scores)
        assert all(row.recall for row in rows[1::2])
    result = bench.result
    assert result.complete
    assert result.conditions["floor"].model == S
    assert result.packages["numpy"]
    assert set(result.prompts) >= {"user", "judge_score"}
    assert result.spent.calls == ran.result["spent"]["calls"] > 0
    assert len(result.warnings) == 3
    for name in ("ceiling", "floor"):
        one = aloe("bench", "compare", out, out / name, "--json")
        assert len(one.result["comparisons"]) == 5


def test_the_same_command_again_makes_no_call(aloe: RunAloe, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ["--cases", asked(tmp_path), "--user", S, "--judge", S, "--seeds", 1]
    first = run(aloe, out, *arguments)
    files = ("scores.jsonl", "trees.jsonl", "result.json", "events.jsonl")
    before = [(out / name).read_bytes() for name in files]
    assert run(aloe, out, *arguments).result == first.result
    assert [(out / name).read_bytes() for name in files] == before
    more = run(aloe, out, *arguments, "--control", "concise", "--seeds", 2)
    assert more.result["spent"]["calls"] > first.result["spent"]["calls"]
    grown = (out / "trees.jsonl").read_bytes()
    assert grown.startswith(before[1])
    kept = run(aloe, out, *arguments, "--seeds", 2).result  # the control is still there
    assert kept["figures"] == more.result["figures"]


def test_another_candidate_needs_another_folder(
    aloe: RunAloe, taught: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    run(aloe, out, "--cases", taught, "--limit", 2, "--seeds", 1)
    before = (out / "scores.jsonl").read_bytes()
    ran = run(aloe, out, "--cases", taught, "--limit", 2, "--seeds", 1, model=LEARN)
    assert ran.code == 2
    assert "another candidate" in ran.err
    assert LEARN in ran.err
    cooler = tmp_path / "cooler.toml"
    cooler.write_text("[benchmark.candidate]\ntemperature = 0.1\n")
    ran = run(aloe, out, "--cases", taught, "--limit", 2, "--seeds", 1, "--config", cooler)
    assert ran.code == 2
    assert "(temperature: 0.7 there, 0.1 now)" in ran.err
    patient = tmp_path / "patient.toml"
    patient.write_text(
        "[benchmark.candidate]\ntimeout = 300\n[simulation]\nturns = 9\nexpansion = 'both'\n"
        "[models]\ninducer = 'local:x'\n[judge]\nmin_margin = 1.0\n[roles.r]\nuse = 'm:r'\n"
    )
    again = run(aloe, out, "--cases", taught, "--limit", 2, "--seeds", 1, "--config", patient)
    assert again.code == 0, again.err
    assert (out / "scores.jsonl").read_bytes() == before
    brief = tmp_path / "brief.toml"
    brief.write_text("[simulation]\nuser_words = 5\n")
    ran = run(aloe, out, "--cases", taught, "--limit", 2, "--seeds", 1, "--config", brief)
    assert ran.is_one_line_about("simulation.user_words: 60 there, 5 now")


def test_a_dry_run_says_what_it_would_take_and_writes_nothing(
    aloe: RunAloe, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    ran = run(aloe, out, "--dry-run", "--user", "openai:a-1", "--judge", "openai:b-1")
    ahead = ran.result["forecast"]
    assert ran.code == 0
    assert ahead["dialogues"] == 300
    assert ahead["calls"] == {"candidate": 3300, "user": 3000, "judge": 6000}
    assert ahead["cost"] is None
    assert 0 < ahead["detectable"]["aloe-100"] < 4
    assert "can be detected" in ran.err
    assert not out.exists()


class Moody:
    """A judge that fails or mumbles every so often."""

    def __init__(self) -> None:
        self.failing: Callable[[Request], Answer | None] = lambda _: None

    def __call__(self, request: Request) -> Answer:
        return self.failing(request) or scripted(request)


def rating(request: Request) -> bool:
    return "rate one reply" in request.body["messages"][0]["content"]


@pytest.mark.parametrize(
    ("answer", "reason", "retried"),
    [(completion("No idea."), "unreadable", False), (failure(400), "judge", True)],
)
def test_a_rating_that_cannot_be_had_is_missing_with_its_reason(
    aloe: RunAloe,
    tmp_path: Path,
    server: ChatServer,
    answer: Answer,
    reason: str,
    retried: bool,
) -> None:
    moody = Moody()
    server.behave = moody
    seen: dict[str, int] = {}

    def every_fifth(request: Request) -> Answer | None:
        if not rating(request):
            return None
        question = request.body["messages"][-1]["content"]  # an unreadable answer is asked twice
        return answer if seen.setdefault(question, len(seen)) % 5 == 0 else None

    moody.failing = every_fifth
    judge, out = f"openai:m@{server.url}", tmp_path / "run"
    arguments = ["--cases", asked(tmp_path), "--user", S, "--judge", judge, "--seeds", 1]
    ran = run(aloe, out, *arguments)
    assert ran.code == 2
    assert not ran.result["complete"]
    assert f"candidate: 3 of 12 (3 {reason})" in ran.err.replace("\n", " ")
    rows = read_bench(out).own_rows
    missing = [score for row in rows for score in row.scores if score.value is None]
    assert {score.missing for score in missing} == {reason}
    assert len(missing) == 3
    ahead = run(aloe, out, *arguments, "--dry-run").result["forecast"]
    again = {row.dialogue for row in rows if any(score.value is None for score in row.scores)}
    assert ahead["dialogues"] == (len(again) if retried else 0)
    assert ahead["calls"] == {"candidate": 0, "user": 0, "judge": 3 if retried else 0}
    moody.failing = lambda _: None
    calls = len(server.requests)
    again = aloe("bench", "run", "--model", S, "--out", out, *arguments)
    assert again.code == (0 if retried else 2)
    assert f"{0 if retried else 3} ratings missing" in again.err  # those of before count, too
    assert len(server.requests) - calls <= 4 + 1  # what had failed, and the list of models


def test_a_user_that_says_nothing_is_a_missing_dialogue(
    aloe: RunAloe, tmp_path: Path, server: ChatServer
) -> None:
    server.behave = lambda _: completion(" ")
    arguments = ["--cases", asked(tmp_path), "--judge", S, "--seeds", 1]
    ran = run(aloe, tmp_path / "run", "--user", f"openai:m@{server.url}", *arguments)
    assert ran.code == 2
    assert "set aside 3 dialogues, " in ran.err
    rows = read_bench(tmp_path / "run").own_rows
    assert len(rows) == 6
    assert {score.missing for row in rows for score in row.scores} == {"user"}
    assert ran.result["figures"]["aloe-100"]["candidate"] == {}


def test_a_candidate_that_fails_is_named(aloe: RunAloe, tmp_path: Path, server: ChatServer) -> None:
    server.behave = lambda _: failure(400, "too long")
    arguments = ["--cases", asked(tmp_path, 2), "--user", S, "--judge", S, "--seeds", 1]
    ran = run(aloe, tmp_path / "run", *arguments, model=f"openai:m@{server.url}")
    rows = read_bench(tmp_path / "run").own_rows
    assert {score.missing for row in rows for score in row.scores} == {"candidate"}
    assert "too long" in ran.err


def test_an_empty_reply_has_the_lowest_level(
    aloe: RunAloe, tmp_path: Path, server: ChatServer
) -> None:
    server.behave = lambda _: completion("")
    arguments = ["--cases", asked(tmp_path), "--user", S, "--judge", S, "--seeds", 1]
    ran = run(aloe, tmp_path / "run", *arguments, model=f"openai:m@{server.url}")
    assert ran.code == 0
    rows = read_bench(tmp_path / "run").own_rows
    assert all(row.empty for row in rows)
    assert {score.value for row in rows for score in row.scores} == {1.0}


def test_a_spent_budget_stops_the_run_and_a_higher_one_goes_on(
    aloe: RunAloe, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    arguments = ["--cases", asked(tmp_path), "--user", S, "--judge", S, "--seeds", 1]
    ran = run(aloe, out, *arguments, "--max-calls", 20)
    assert ran.code == 3
    assert "raise the cap" in ran.err
    events = (out / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(events) == 20
    assert run(aloe, out, *arguments, "--max-calls", 20).code == 3
    assert run(aloe, out, *arguments, "--max-calls", 1000).code == 0
    whole = tmp_path / "whole"
    run(aloe, whole, *arguments)
    for name in ("scores.jsonl", "trees.jsonl"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_a_killed_run_goes_on_where_it_was(
    aloe: RunAloe, start: StartAloe, tmp_path: Path, server: ChatServer
) -> None:
    def slow(request: Request) -> Answer:
        return replace(scripted(request), delay=0.01)

    server.behave = slow
    model, out = f"openai:m@{server.url}", tmp_path / "run"
    roles = ["--user", model, "--judge", model, "--seeds", 1, "--concurrency", 2]
    arguments = ["--cases", asked(tmp_path), *roles]
    child = start("bench", "run", "--model", model, "--out", out, *arguments)
    wait_for(lambda: len(server.requests) > 22)
    child.kill()
    child.wait()
    answered = len((out / "events.jsonl").read_text(encoding="utf-8").split("\n")) - 1
    before = len(server.requests)
    assert run(aloe, out, *arguments, model=model).code == 0
    after = len(server.requests) - before
    whole = tmp_path / "whole"
    assert run(aloe, whole, *arguments, model=model).code == 0
    assert after <= len(server.requests) - before - after - answered + 1
    for name in ("scores.jsonl", "trees.jsonl"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--control", "cieling"], ["did you mean 'ceiling'"]),
        (["--control", "candidat"], ["there are "]),
        (["--control", "floor"], ["floor=MODEL"]),
        (["--control", "ceiling=x"], ["no other takes one"]),
        (["--judge", "openai:a", "--judge", "openai:a"], ["named twice"]),
        (["--cases", "verifiabel"], ["did you mean 'verifiable'"]),
        (["--prior", "nowhere"], ["nowhere: does not exist"]),
        (["--disclosure", "shy"], ["--disclosure is schedule, answering or reticent"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    aloe: RunAloe, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    ran = aloe("bench", "run", "--model", S, "--out", tmp_path / "run", *arguments)
    assert ran.is_one_line_about(*words)
    assert not (tmp_path / "run").exists()


def test_a_cap_in_dollars_needs_prices(aloe: RunAloe, tmp_path: Path, server: ChatServer) -> None:
    user, out = f"openai:m@{server.url}", tmp_path / "run"
    ran = run(aloe, out, "--user", user, "--judge", S, "--max-cost", 1)
    assert ran.code == 2
    assert "needs the price of openai:m" in ran.err
    assert not out.exists()


def test_two_scales_do_not_make_one_suite(aloe: RunAloe, taught: Path, tmp_path: Path) -> None:
    mixed = asked(tmp_path, 1).read_text().replace('"aloe-100"', '"taught"')
    taught.write_text(taught.read_text() + mixed)
    ran = aloe("bench", "run", "--model", S, "--cases", taught, "--out", tmp_path / "run")
    assert ran.is_one_line_about("taught", "two files")


def test_who_has_nobody_to_be_swapped_with_is_counted(aloe: RunAloe, tmp_path: Path) -> None:
    out, alone = tmp_path / "run", asked(tmp_path, 1)
    ran = run(aloe, out, "--cases", alone, "--user", S, "--judge", S, "--seeds", 1)
    assert "no gain for 1 dialogue: " in ran.result["warnings"][-1]
    assert "gain" not in ran.result["figures"]["aloe-100"]["candidate"]


ROLES = {
    "[roles.critic]\nuse = 'm:r'\nafter = 'user'\n": "roles.critic takes no part in a benchmark",
    "[roles.a]\nuse = 'm:r'\n[roles.b]\nuse = 'm:r'\namong = 'assistants'\n": (
        "roles.a and roles.b take no part in a benchmark"
    ),
}


@pytest.mark.parametrize(("roles", "told"), ROLES.items(), ids=["one", "two"])
def test_roles_that_no_benchmark_plays_are_told_before_it_runs(
    aloe: RunAloe, taught: Path, tmp_path: Path, roles: str, told: str
) -> None:
    settings, out = tmp_path / "c.toml", tmp_path / "run"
    settings.write_text(roles)
    flags = ("--cases", taught, "--limit", 2, "--seeds", 1, "--config", settings)
    ahead = run(aloe, out, *flags, "--dry-run")
    assert not out.exists()
    ran = run(aloe, out, *flags)
    assert told in ahead.result["warnings"]
    assert told in ran.result["warnings"]
    assert f"warning: {told}" in " ".join(ran.err.split())
    assert "no part" not in str(run(aloe, tmp_path / "plain", *flags[:-2]).result["warnings"])


def test_a_model_has_to_be_named(aloe: RunAloe, tmp_path: Path) -> None:
    assert aloe("bench", "run", "--out", tmp_path / "run").is_one_line_about("--model")


def test_compare_wants_two_folders_with_something_in_common(
    aloe: RunAloe, taught: Path, tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    run(aloe, one, "--cases", taught, "--limit", 2, "--seeds", 1)
    run(aloe, other, "--cases", "verifiable", "--limit", 2, "--seeds", 1)
    assert aloe("bench", "compare", one).is_one_line_about("two or more bench folders")
    assert aloe("bench", "compare", one, other).is_one_line_about("in common")
    assert aloe("bench", "compare", one, tmp_path).is_one_line_about("one of the runs in this")


def test_the_list_names_every_suite(aloe: RunAloe) -> None:
    ran = aloe("bench", "list", "--json")
    assert {each["suite"] for each in ran.result["suites"]} == set(SUITES)
    assert "aloe-100" in ran.err


@pytest.mark.parametrize("flag", ["--model", "--user", "--judge"])
def test_a_model_that_cannot_be_is_said_before_any_forecast(
    aloe: RunAloe, tmp_path: Path, flag: str
) -> None:
    given = {"--model": SCRIPTED, "--user": SCRIPTED, "--judge": SCRIPTED, flag: "gpt-4o-mini"}
    flags = [each for pair in given.items() for each in pair]
    ran = aloe("bench", "run", "--out", tmp_path / "bench", *flags)
    assert ran.is_one_line_about("did you mean openai:gpt-4o-mini?")
    assert not (tmp_path / "bench").exists()


def test_other_prompts_need_another_folder(aloe: RunAloe, tmp_path: Path) -> None:
    out, prompt, settings = tmp_path / "run", tmp_path / "rate.txt", tmp_path / "c.toml"
    prompt.write_text(chosen("judge_score", {}).path.read_text(encoding="utf-8"))
    settings.write_text(f'[prompts]\njudge_score = "{prompt}"\n')
    arguments = ["--cases", asked(tmp_path), "--user", S, "--judge", S, "--seeds", 1]
    assert run(aloe, out, *arguments, "--config", settings).code == 0
    assert read_bench(out).prompts == read_bench(out).result.prompts
    assert run(aloe, out, *arguments, "--config", settings).code == 0
    prompt.write_text(prompt.read_text() + "Be strict.\n")
    ran = run(aloe, out, *arguments, "--config", settings, "--seeds", 2)
    assert ran.code == 2
    assert "other prompts (judge_score)" in ran.err


def test_more_cases_change_the_swaps_and_need_another_folder(aloe: RunAloe, tmp_path: Path) -> None:
    out, arguments = tmp_path / "run", ["--user", S, "--judge", S, "--seeds", 1]
    assert run(aloe, out, "--cases", asked(tmp_path, 3), *arguments).code == 0
    rows = read_bench(out).own_rows
    assert {each for row in rows for each in row.stand_ins} == {row.case for row in rows}
    ran = run(aloe, out, "--cases", asked(tmp_path, 8), *arguments)
    assert ran.code == 2
    assert "rated beside other users" in ran.err
    assert read_bench(out).own_rows == rows


def test_who_had_nobody_to_be_swapped_with_is_not_taken_for_rated(
    aloe: RunAloe, tmp_path: Path
) -> None:
    arguments = ["--user", S, "--judge", S, "--seeds", 1, "--control", "ceiling"]
    pair = asked(tmp_path, 2)
    one, grown = tmp_path / "one.jsonl", pair.read_text()
    one.write_text(grown.splitlines(keepends=True)[0])
    out, cases = tmp_path / "run", ["--cases", one, *arguments]
    assert run(aloe, out, *cases).code == 0
    result = (out / "result.json").read_bytes()
    one.write_text(grown)
    for controls in (cases, cases[:-2]):
        assert "rated beside other users or none" in run(aloe, out, *controls).err
    assert (out / "result.json").read_bytes() == result
    whole = tmp_path / "whole"
    assert run(aloe, whole, *cases).code == 0
    for path in (whole, whole / "ceiling"):  # earlier versions did not say beside whom
        rows = read_bench(path).own_rows
        lines = [row.model_dump_json(exclude={"stand_ins"}) + "\n" for row in rows]
        (path / "scores.jsonl").write_text("".join(lines))
    assert run(aloe, whole, *cases).code == 0
    one.write_text(grown.splitlines(keepends=True)[0])
    assert "rated beside other users or none" in run(aloe, whole, *cases).err


def test_an_extended_run_is_unfinished_until_it_is_whole(aloe: RunAloe, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ["--cases", asked(tmp_path), "--user", S, "--judge", S]
    assert run(aloe, out, *arguments, "--seeds", 1).code == 0
    assert read_bench(out).finished
    assert run(aloe, out, *arguments, "--seeds", 3, "--max-calls", 60).code == 3
    assert not read_bench(out).finished
    warned = aloe("bench", "compare", out, out, "--json").result["warnings"]
    assert f"{out} is not finished" in warned
    with (out / "scores.jsonl").open("a") as scores:
        scores.write('{"suite": "aloe-1')  # a kill in the middle of a line
    assert run(aloe, out, *arguments, "--seeds", 3).code == 0
    assert read_bench(out).finished
    result = (out / "result.json").read_bytes()
    assert run(aloe, out, *arguments, "--seeds", 3, "--max-calls", 1).code == 0  # nothing to do
    assert (out / "result.json").read_bytes() == result
    assert read_bench(out).rows() == read_bench(out).own_rows
    earlier = [row.model_dump_json(exclude={"cut_off"}) + "\n" for row in read_bench(out).rows()]
    (out / "scores.jsonl").write_text("".join(earlier))
    assert run(aloe, out, *arguments, "--seeds", 3).code == 0
    assert (out / "result.json").read_bytes() == result  # what was cut off is in the dialogues


def test_corrected_clusters_reach_the_rows_that_are_there(aloe: RunAloe, tmp_path: Path) -> None:
    out, path = tmp_path / "run", asked(tmp_path)
    arguments = ["--cases", path, "--user", S, "--judge", S, "--seeds", 1]
    run(aloe, out, *arguments, "--control", "ceiling")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    wanted = {f"corrected {line['profile']}" for line in lines}
    lines = [line | {"profile": f"corrected {line['profile']}"} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run(aloe, out, *arguments).code == 0
    assert {row.profile for row in read_bench(out).own_rows} == wanted
    assert {row.profile for row in read_bench(out).rows("ceiling")} == wanted
    assert {row.profile for row in read_bench(out / "ceiling").own_rows} == wanted
    assert aloe("bench", "compare", out / "ceiling", out, "--json").result["warnings"] == []


def test_part_of_an_earlier_control_is_not_taken_for_a_whole_one(
    aloe: RunAloe, taught: Path, tmp_path: Path
) -> None:
    out, arguments = tmp_path / "run", ["--cases", taught, "--seeds", 1]
    first = run(aloe, out, *arguments, "--limit", 3, "--control", f"floor={S}", model=LEARN)
    assert (first.code, first.result["complete"]) == (0, True)
    ran = run(aloe, out, *arguments, model=LEARN)
    assert (ran.code, ran.result["complete"]) == (2, False)
    (said,) = ran.result["warnings"]
    assert said.startswith("the control floor has 3 of 9 dialogues")
    assert said.endswith(f"--control floor={S}")
    assert "the control floor has 3 of 9 dialogues" in " ".join(ran.err.split())
    card, page = render_card(read_bench(out), ()), render_report(read_bench(out))
    assert "**Incomplete**: a control lacks dialogues." in card
    assert "| candidate | floor (3 of 9) |" in card
    assert "floor (3 of 9)" in page
    whole = run(aloe, out, *arguments, "--control", f"floor={S}", model=LEARN)
    assert (whole.code, whole.result["complete"], whole.result["warnings"]) == (0, True, [])
    assert "| candidate | floor |" in render_card(read_bench(out), ())


def test_a_higher_limit_keeps_what_a_lower_one_has_played(
    aloe: RunAloe, taught: Path, tmp_path: Path
) -> None:
    out, arguments = tmp_path / "run", ["--cases", taught, "--seeds", 1]
    played = []
    for limit in (3, 5):
        assert run(aloe, out, *arguments, "--limit", limit).code == 0
        played.append({case.id for case in read_bench(out).cases})
    assert len(played[0] & played[1]) == 3
    assert len(list(read_bench(out).trees())) == 5
    named = {"benchmark.cases": str(taught), "benchmark.seeds": 1, "benchmark.limit": 3}
    config = load_candidate(None, named, model=S, user=None, judges=[])
    assert plan_bench(out, {"candidate": config}).count_calls("candidate") == 0


def test_cases_are_spread_over_the_suite_whatever_the_limit() -> None:
    suite = load_cases("aloe-100")
    place = {case.id: number for number, case in enumerate(suite)}
    before: set[int] = set()
    for limit in range(1, len(suite) + 1):
        taken = [place[case.id] for case in _spread(suite, limit)]
        assert taken == sorted(taken)
        assert len(taken) == limit
        assert before <= set(taken)
        before = set(taken)
        gaps = np.diff([*taken, len(suite)])
        assert max(gaps) <= 2 * len(suite) / limit + 1
    assert _spread(suite, None) == _spread(suite, 1000) == suite


def test_what_a_control_has_too_much_and_a_bench_within_are_passed_over(
    aloe: RunAloe, tmp_path: Path
) -> None:
    out, arguments = tmp_path / "run", ["--user", S, "--judge", S, "--seeds", 1]
    cases = ["--cases", asked(tmp_path, 4)]
    assert run(aloe, out, *cases, *arguments, "--seeds", 2, "--control", "ceiling").code == 0
    assert run(aloe, out, *cases, *arguments, "--limit", 2).code == 0
    bench = read_bench(out)
    whole = bench.rows("candidate")
    assert len(bench.rows("ceiling")) == len(whole) == 2 * 2
    assert aloe("bench", "report", out).code == 0
    assert run(aloe, out / "again", *cases, *arguments, "--limit", 1).code == 0
    bench = read_bench(out)
    assert list(bench.conditions) == ["candidate", "ceiling"]
    assert bench.rows("candidate") == whole
