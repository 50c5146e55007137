import json
import re
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from builders import PERSONAS, SCRIPTED, assistant, config, grow, user
from command import RunAloe, StartAloe
from sample_tree import CALLS, TREE

from aloe.memory.commands import follow
from aloe.memory.run_folder import RunFolder, read_trees
from aloe.schema import Disclosure, Tree, Verdict

SETTINGS = config(turns=2, both_turns=1)
TREES = [grow(SETTINGS, persona=persona) for persona in PERSONAS[:2]]


def folder(path: Path, trees: list[Tree]) -> Path:
    run = RunFolder(path)
    with run.writing(SETTINGS):
        for tree in trees:
            run.append(tree)
    return path


@pytest.fixture
def simulated(aloe: RunAloe, personas_file: Path, tmp_path: Path) -> Path:
    out = tmp_path / "simulated"
    given = ("--personas", personas_file, "--trees", 1, "--turns", 2, "--model", SCRIPTED)
    assert aloe("simulate", *given, "--out", out, "--quiet").code == 0
    return out


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return folder(tmp_path / "run", TREES)


def test_the_list_has_a_row_a_tree(aloe: RunAloe, run: Path) -> None:
    ran = aloe("trace", run, "--json")
    assert ran.code == 0
    assert [row["id"] for row in ran.result["trees"]] == [tree.id for tree in TREES]
    assert all(tree.id[:6] in ran.err for tree in TREES)
    assert all(tree.id[:6] in aloe("trace", run).out for tree in TREES)


def test_one_tree_is_drawn_whole(aloe: RunAloe, run: Path) -> None:
    ran = aloe("trace", run, "--tree", TREES[1].id[:6])
    flat = " ".join(ran.out.replace("│", " ").split())
    for node in TREES[1].nodes:
        assert " ".join(node.content.split())[:20] in flat
    assert "2 ways to go on" in flat  # of the opening's two, both go on
    assert "★" in flat
    assert "◆" in flat
    assert TREES[0].persona.profile[:20] not in flat


def test_json_gives_the_tree_itself(aloe: RunAloe, run: Path) -> None:
    ran = aloe("trace", run, "--first", "--json")
    assert Tree.model_validate(ran.result) == TREES[0]
    assert "▶" in ran.err


def test_every_mark(aloe: RunAloe, tmp_path: Path) -> None:
    opening = user("[bold]Hi[/bold]", revealed=(Disclosure(quote="I [x] sew."),), faults=("echo",))
    a, b, c = (assistant(text, opening, agent=text or "mute") for text in ("one", "two", ""))
    verdicts = tuple(
        Verdict(node=opening.id, first=x.id, second=y.id, votes=(), outcome=outcome, margin=margin)  # type: ignore[arg-type]
        for x, y, outcome, margin in ((a, b, "tie", 0.0), (a, c, "abstain", None))
    )
    tree = TREES[0].model_copy(update={"nodes": (opening, a, b, c), "verdicts": verdicts})
    ran = aloe("trace", folder(tmp_path / "odd", [tree]), "--first")
    assert ran.code == 0
    assert "[bold]Hi[/bold]" in ran.out  # what is said is never taken for markup
    for mark in ("◆ I [x] sew.", "⚠ echo", "= two", "? one", "? mute", "(empty)"):
        assert mark in ran.out


def test_one_message_with_all_that_was_sent_for_it(aloe: RunAloe, simulated: Path) -> None:
    (tree,) = read_trees(simulated)
    reply = next(node for node in tree.nodes if node.role == "assistant")
    ran = aloe("trace", simulated, "--node", reply.id, "--json")
    assert ran.code == 0
    calls = ran.result["calls"]
    assert {call["role"] for call in calls} == {reply.agent, "judge"}
    written = next(call for call in calls if call["role"] == reply.agent)
    assert written["messages"][-1][0] == "user"
    assert tree.by_id[reply.parent].content in written["messages"][-1][1]
    assert "prompt" not in written
    assert ran.result["node"]["id"] == reply.id
    told = aloe("trace", simulated, "--node", reply.id, "--agent", "judge").out
    assert f"{reply.agent} →" not in told
    assert "judge →" in told


def test_siblings_side_by_side(aloe: RunAloe, run: Path) -> None:
    opening, first, second = TREES[0].nodes[:3]
    ran = aloe("trace", run, "--diff", opening.id, "--json")
    assert [node["id"] for node in ran.result["nodes"]] == [first.id, second.id]
    assert first.id[:6] in ran.err
    assert aloe("trace", run, "--diff", second.id).out == aloe("trace", run, "--diff", first.id).out


def test_calls_of_one_agent(aloe: RunAloe, simulated: Path) -> None:
    ran = aloe("trace", simulated, "--agent", "inducer", "--json")
    assert {call["role"] for call in ran.result["calls"]} == {"inducer"}
    assert len(ran.err.splitlines()) == len(ran.result["calls"])  # a line each, also in a pipe
    first = aloe("trace", simulated, "--first", "--agent", "inducer", "--json")
    assert first.result == ran.result
    assert aloe("trace", simulated, "--agent", "nobody").is_one_line_about("inducer", "judge")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--highlight", "--agent", "x", "--node", "y"), "--node, --agent would not"),
        (("--follow", "--svg", "f.svg", "--json"), "--svg would not be read beside --follow"),
        (("--tui", "--svg", "f.svg", "--json"), "--svg, --json would not be read beside --tui"),
        (("--node", "x", "--diff", "y"), "--diff would not be read beside --node"),
        (("--diff", "x", "--search", "y"), "--search would not be read beside --diff"),
        (("--raw",), "--raw would not be read without --node, --diff, --agent or --follow"),
        (("--first", "--raw"), "--raw would not be read without --node"),
        (("--full",), "--full would not be read without --tree, --first, --agent or --follow"),
        (("--search", "Porto", "--full"), "--full would not be read without --tree"),
    ],
)
def test_flags_that_would_not_be_read_are_refused(
    aloe: RunAloe, run: Path, flags: tuple[str, ...], words: str
) -> None:
    assert aloe("trace", run, *flags).is_one_line_about(words)


def test_search(aloe: RunAloe, run: Path) -> None:
    ran = aloe("trace", run, "--search", "LEEDS", "--json")
    assert [row["id"] for row in ran.result["trees"]] == [TREES[1].id]
    assert "persona" in ran.err
    assert aloe("trace", run, "--search", "no such words").is_one_line_about("no such words")


def test_follow_shows_what_was_and_ends_when_nobody_works(
    aloe: RunAloe, simulated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "STILL", 0.0)
    ran = aloe("trace", simulated, "--follow", "--agent", "judge", "--json")
    assert ran.code == 0
    shown = [line for line in ran.err.splitlines() if " judge " in line]
    assert len(shown) == ran.result["calls"] > 0
    assert "no process is working" in ran.err
    assert aloe("trace", simulated / "trees.jsonl", "--follow").is_one_line_about("no run folder")


def test_follow_shows_every_call_once_with_its_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "STILL", 0.0)
    run = RunFolder(tmp_path / "run")
    events = [{**CALLS[0].event, "prompt": ["a"], "seconds": float(n)} for n in range(5)]
    events[0]["texts"] = {"a": ["user", "Once spelled out"]}
    lines = [json.dumps(event) + "\n" for event in events]
    with run.writing(SETTINGS):
        run.events.write_text("".join(lines[:3]))
        found = follow.follow_calls(run, lambda call: call, last=2)
        seen = [next(found)]
        with run.events.open("a") as file:  # while the past is being read
            file.write("".join(lines[3:]))
        seen += [next(found) for _ in range(3)]
    assert list(found) == []
    assert [call.event["seconds"] for call in seen] == [1, 2, 3, 4]
    assert {call.messages for call in seen} == {(("user", "Once spelled out"),)}


def test_the_last_calls_are_the_last_of_those_that_are_wanted(
    aloe: RunAloe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "STILL", 0.0)
    roles = ["judge", *["user"] * 12]
    events = [{**CALLS[0].event, "role": role, "texts": {}, "prompt": []} for role in roles]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in events))
    ran = aloe("trace", tmp_path, "--follow", "--agent", "judge", "--json")
    assert ran.result["calls"] == 1
    assert aloe("trace", tmp_path, "--follow", "--json").result["calls"] == 10


def test_follow_sees_calls_as_they_come(start: StartAloe, aloe: RunAloe, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "live")
    line = json.dumps({**CALLS[0].event, "texts": {}, "prompt": []}) + "\n"
    with folder.writing(SETTINGS):
        watcher = start("trace", folder.path, "--follow", COLUMNS="200")
        assert watcher.stdout is not None
        folder.events.write_text(line)
        assert "hinted" in watcher.stdout.readline()
        with folder.events.open("a") as file:
            file.write(line[:20])  # half a line is waited for
            file.flush()
            time.sleep(0.5)
            file.write(line[20:])
        assert "hinted" in watcher.stdout.readline()
    out, err = watcher.communicate(timeout=20)
    assert (watcher.returncode, out) == (0, "")
    assert "no process is working" in err


def test_trees_that_are_not_there_are_named(aloe: RunAloe, run: Path) -> None:
    event = {**CALLS[2].event, "tree": "feedfeedfeedfeed"}
    (run / "events.jsonl").write_text(json.dumps(event) + "\n")
    out = aloe("trace", run).out
    assert "feedfeedfeedfeed" in out
    assert "HTTP 500" in out


def test_a_run_that_has_only_begun(aloe: RunAloe, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "young")
    with folder.writing(SETTINGS):
        folder.events.write_text(json.dumps(CALLS[0].event) + "\n")
    ran = aloe("trace", folder.path, "--json")
    assert ran.result == {"trees": []}
    assert "without a complete exchange: 1 tree" in ran.err
    assert aloe("trace", folder.path, "--agent", "hinted", "--json").result["calls"]
    started = ("trace", folder.path, "--agent", "hinted", "--tree")
    assert aloe(*started, TREE.id[:5]).code == 0
    assert aloe(*started, "fff").is_one_line_about("no such call")
    assert aloe("trace", folder.path, "--agent", "nobody").is_one_line_about("hinted")


@pytest.fixture
def growing(tmp_path: Path) -> Path:
    """A run with a finished tree and one of which the first exchange is there."""
    path, tree = folder(tmp_path / "growing", TREES[:1]), TREES[1]
    begun = tree.model_copy(update={"nodes": (), "verdicts": ()})
    first = tree.verdicts_on(tree.nodes[0].id)
    RunFolder(path).growing.add(begun, tree.nodes[:3], list(first))
    return path


def test_unfinished_trees_are_shown_and_said_to_be_unfinished(aloe: RunAloe, growing: Path) -> None:
    ran = aloe("trace", growing, "--json")
    assert [row["finished"] for row in ran.result["trees"]] == [True, False]
    assert "unfinished: 1 tree; no process is working" in ran.err
    drawn = aloe("trace", growing, "--tree", TREES[1].id[:6], "--json")
    assert "unfinished, no process is working on it" in drawn.err
    assert drawn.result["state"] == "unfinished, no process is working on it"
    assert [node["id"] for node in drawn.result["nodes"]] == [n.id for n in TREES[1].nodes[:3]]
    assert "state" not in aloe("trace", growing, "--first", "--json").result
    node = TREES[1].nodes[1].id
    assert aloe("trace", growing, "--node", node).code == 0
    assert aloe("trace", growing, "--diff", node).code == 0
    assert aloe("trace", growing, "--search", "Leeds", "--json").result["trees"][0]["turns"] == 1
    with RunFolder(growing).locked():
        assert "unfinished, growing" in aloe("trace", growing, "--tree", TREES[1].id[:6]).out


def test_calls_are_in_words_unless_asked_for_raw(aloe: RunAloe, simulated: Path) -> None:
    words = aloe("trace", simulated, "--agent", "inducer").out
    assert "revealed: " in words
    assert "{" not in words
    assert '{"1"' in aloe("trace", simulated, "--agent", "inducer", "--raw").out
    judged = aloe("trace", simulated, "--agent", "judge").out
    assert "prefers hinted to plain by" in judged
    assert aloe("trace", simulated, "--agent", "judge", "--raw").out.splitlines()[0].endswith(" A")


def test_a_picture_asks_nobody_for_anything(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    path = tmp_path / "pictures" / "tree.svg"
    assert aloe("trace", run, "--first", "--svg", path).code == 0
    svg = ElementTree.parse(path).getroot()
    assert svg.tag.endswith("svg")
    text = path.read_text()
    assert TREES[0].id in text
    assert "url(http" not in text
    assert "@font-face" not in text
    (tmp_path / "file").write_text("")
    assert aloe("trace", run, "--svg", tmp_path / "file/x.svg").code == 2


@pytest.mark.parametrize("columns", ["50", "80", "160"])
def test_no_line_is_wider_than_the_terminal(
    aloe: RunAloe, run: Path, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for arguments in ((), ("--first",), ("--diff", TREES[0].nodes[0].id), ("--search", "a")):
        lines = aloe("trace", run, *arguments).out.splitlines()
        assert max(map(len, lines)) <= int(columns)


def test_what_is_wrong(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    assert aloe("trace", tmp_path / "none").is_one_line_about("none: does not exist")
    assert aloe("trace", run, "--tree", "zzz").is_one_line_about("zzz", "lists them")
    alike = TREES[0].model_copy(update={"id": TREES[0].id[:2] + "0" * 14})
    twice = folder(tmp_path / "twice", [TREES[0], alike])
    assert aloe("trace", twice, "--tree", TREES[0].id[:2]).is_one_line_about("more of the id")
    assert aloe("trace", run, "--node", "zzz").is_one_line_about("no message", "zzz")
    assert aloe("trace", run, "--node", "a", "--diff", "b").is_one_line_about("beside --node")


def test_the_page_about_it_names_only_flags_that_exist(aloe: RunAloe) -> None:
    page = (Path(__file__).parents[3] / "docs/tracing.md").read_text(encoding="utf-8")
    for verb in ("trace", "label", "report"):
        known = aloe(verb, "--help").out
        for line in page.splitlines():
            if f"`aloe {verb} DIR" in line:
                command = line.split("`")[1]
                for flag in re.findall(r"--[a-z]+", command):
                    assert flag in known, command
