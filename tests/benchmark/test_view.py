"""`aloe view`: runs over loopback, read only, made when they are asked for."""

import http.client
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path

import pytest
from builders import PERSONAS, config, grow
from chromium import dom, needs_chromium
from command import RunAloe
from sample_tree import exchange
from wellformed import faults_of

from aloe.benchmark.listed_runs import find_runs
from aloe.benchmark.run_pages import RunPages, ServedPage
from aloe.benchmark.run_server import RunServer
from aloe.console import stderr
from aloe.errors import InputError
from aloe.memory.run_folder import RunFolder
from aloe.schema import Tree

SETTINGS = config(turns=1)
TREES = [grow(SETTINGS, persona=persona) for persona in PERSONAS[:2]]
FILES = ("config.toml", "trees.jsonl", "events.jsonl")


def fill(path: Path, *trees: Tree) -> RunFolder:
    folder = RunFolder(path)
    with folder.writing(SETTINGS):
        folder.trees.touch()
        for tree in trees:
            folder.append(tree)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with two runs, one of them deeper, a bench that has only begun, and other things."""
    fill(tmp_path / "runs/first", TREES[0])
    fill(tmp_path / "runs/more/second run", *TREES)
    fill(tmp_path / "runs/bench")
    (tmp_path / "runs/bench/cases.jsonl").touch()
    (tmp_path / "runs/notes").mkdir()
    (tmp_path / "runs/readme.txt").touch()
    return tmp_path / "runs"


@contextmanager
def serving(pages: RunPages) -> Iterator[RunServer]:
    with RunServer(pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(
    server: RunServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read().decode()
    connection.close()
    return found


def test_runs_are_found_and_named(runs: Path) -> None:
    found = find_runs([runs, runs / "first"]).runs
    assert list(found) == ["bench", "first", "more/second-run"]
    assert [run.is_bench for run in found.values()] == [True, False, False]
    assert list(find_runs([runs / "first", runs / "more/second run"]).runs) == [
        "first",
        "second-run",
    ]
    fill(runs.parent / "others/first", TREES[1])
    assert list(find_runs([runs, runs.parent / "others"]).runs)[-1] == "first-2"


def test_runs_are_found_however_deep_and_inside_of_others(
    runs: Path, aloe: RunAloe, monkeypatch: pytest.MonkeyPatch
) -> None:
    for inner in ("a/b/c/d/deep", "first/inner", "bench/ceiling", "bench/mine"):
        fill(runs / inner, TREES[0])
    (runs / "a/b/up").symlink_to(runs, target_is_directory=True)
    (runs / "loop").symlink_to(runs / "loop")
    found = find_runs([runs])
    assert list(found.runs) == [
        "a/b/c/d/deep", "bench", "bench/mine", "first", "first/inner", "more/second-run",
    ]  # fmt: skip
    assert (found.caution, list(found.unread)) == ("", [])
    monkeypatch.setattr("aloe.benchmark.listed_runs.MOST_FOLDERS", 3)
    assert list(find_runs([runs]).runs) == ["bench"]
    page = RunPages([runs]).answer("/", {}).text
    assert f"such as {runs / 'first'}," in page
    assert faults_of(page) == []
    assert aloe("view", runs / "a").is_one_line_about("in the first 3 folders", "further down")


def test_folders_of_one_name_are_told_apart_by_their_paths(runs: Path, tmp_path: Path) -> None:
    def title(*folders: Path) -> str:
        page = RunPages(folders).answer("/", {}).text
        found = re.search("<title>(.*?)</title>", page)
        assert found
        return found[1]

    fill(tmp_path / "others/runs/third", TREES[0])
    other = tmp_path / "others/runs"
    assert title(runs, other, runs / "first") == f"{runs}, {other}, first"
    assert title(runs, runs) == "runs"


def test_a_list_says_how_runs_stand(runs: Path) -> None:
    first, second = (find_runs([runs]).runs[name] for name in ("first", "more/second-run"))
    line = second.describe()
    assert (line["kind"], line["state"], line["size"]) == ("simulation", "", "2 trees")
    begun = TREES[1].model_copy(update={"nodes": (), "verdicts": ()})
    folder = RunFolder(first.path)
    with folder.locked():
        folder.growing.add(begun, TREES[1].nodes, TREES[1].verdicts)
        assert first.describe()["state"] == "running"
    line = first.describe()
    assert (line["state"], line["size"]) == ("unfinished", "1 tree, 1 unfinished")
    (second.path / "config.toml").write_text("nonsense = 1\n")
    line = find_runs([runs]).runs["more/second-run"].describe()
    assert line["state"] == "broken"
    assert "nonsense" in line["figure"]


def test_trees_that_were_set_aside_or_not_begun_are_unfinished(runs: Path) -> None:
    folder = RunFolder(runs / "planned")
    with folder.writing(SETTINGS.updated({"simulation.trees": 4}, source="test"), prompts={}):
        folder.append(TREES[0])
    line = find_runs([runs]).runs["planned"].describe()
    assert (line["state"], line["size"]) == ("unfinished", "1 tree, 3 unfinished")
    assert "stopped with 3 unfinished trees<" in RunPages([runs]).answer("/run/planned", {}).text


def test_pages_are_those_of_now(runs: Path) -> None:
    pages = RunPages([runs])
    listed = pages.answer("/", {})
    assert faults_of(listed.text) == faults_of(pages.answer("/run/first", {}).text) == []
    assert re.findall(r'class="run" href="([^"]*)"', listed.text) == [
        "/run/bench", "/run/first", "/run/more/second-run",
    ]  # fmt: skip
    before, state = pages.answer("/run/first", {}), pages.answer("/state", {"run": "first"})
    assert TREES[0].id in before.text
    assert TREES[1].id not in before.text
    assert state.text in before.text
    with (folder := RunFolder(runs / "first")).locked():
        folder.append(TREES[1])
        assert pages.answer("/state", {"run": "first"}).text != state.text
        assert "running<" in pages.answer("/run/first", {}).text
    assert TREES[1].id in pages.answer("/run/first", {}).text
    assert pages.answer("/", {}).text != listed.text
    fill(runs / "third", TREES[0])
    assert "/run/third" in pages.answer("/", {}).text


def test_two_stand_side_by_side(runs: Path) -> None:
    page = RunPages([runs]).answer("/compare", {"left": "first", "right": "more/second-run"})
    frames = re.findall(r'<iframe src="([^"]*)" title="([^"]*)"', page.text)
    assert frames == [("/run/first", "first"), ("/run/more/second-run", "more/second-run")]
    assert "frame-src &#39;self&#39;" in page.text
    assert faults_of(page.text) == []
    assert RunPages([runs]).answer("/compare", {"left": "first"}).status == 404


def test_what_cannot_be_shown_says_why(runs: Path) -> None:
    pages = RunPages([runs])
    young = pages.answer("/run/bench", {}).text
    assert "no dialogue is rated yet" in young
    assert faults_of(young) == []
    (runs / "first/trees.jsonl").write_text('{"id": 1}\n{"id": 2}\n')
    broken = pages.answer("/run/first", {})
    assert broken.status == 500
    assert "trees.jsonl:1" in broken.text
    for path in ("/run/none", "/run/", "/first", "/run/../notes", "/run/first/trees.jsonl"):
        assert pages.answer(path, {}).status == 404, path
    for name in [*runs.iterdir()]:
        name.rename(runs.parent / name.name)
    assert "holds no run" in pages.answer("/", {}).text


def test_the_server_answers_this_machine_and_writes_nothing(runs: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*")}
    with serving(RunPages([runs])) as server:
        assert server.server_address[0] == "127.0.0.1"
        status, headers, page = ask(server, "/run/first")
        assert status == 200
        assert TREES[0].id in page
        assert headers["Content-Security-Policy"].startswith("default-src 'none';")
        assert headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in headers
        port = server.server_port
        for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1.evil.example:{port}", ""):
            status, _, page = ask(server, "/run/first", Host=host)
            assert status == 403, host
            assert TREES[0].id not in page
        assert ask(server, "/", Host=f"localhost:{port}")[0] == 200
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert ask(server, "/", method)[0] == 501
        for path in ("/run/..%2f..%2fetc/passwd", "/run/%00", "/%2e%2e/", "//evil.example/"):
            assert ask(server, path)[0] == 404, path
        status, _, page = ask(server, "/", "HEAD")
        assert (status, page) == (200, "")
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*")} == before


@dataclass(frozen=True)
class GrowingPages(RunPages):
    """Pages over a run that gets a tree as soon as its page has been made."""

    def answer(self, path: str, query: dict[str, str]) -> ServedPage:
        page = super().answer(path, query)
        folder = RunFolder(self.folders[0] / "first")
        if path == "/run/first" and len(folder.finished()) == 1:
            with folder.locked():
                folder.append(TREES[1])
        return page


@needs_chromium
def test_a_page_loads_again_as_it_stood_when_its_run_has_grown(runs: Path, tmp_path: Path) -> None:
    with serving(GrowingPages([runs])) as server:
        url = f"{server.url}run/first#{TREES[0].nodes[-1].id}"
        seen = dom(url, profile=tmp_path / "profile")
    assert "2 conversation trees" in seen
    assert re.search(f'<details [^>]*id="{TREES[0].id}"[^>]* open=""', seen)
    assert f'id="{TREES[1].id}"' in seen


ACTING = """
const wait = (time) => new Promise((done) => setTimeout(done, time));
const found = (name) => [...document.querySelectorAll(name)];
const state = () => ({
  kind: byId("kind").value,
  hidden: found(".item[hidden]").length,
  open: found("details[open]").map((each) => each.querySelector("summary").textContent),
  top: Math.round(found(".call[open] pre").pop().getBoundingClientRect().top),
});
addEventListener("load", async () => {
  const before = sessionStorage.getItem("before");
  if (before) {
    await wait(500);
    const told = document.createElement("pre");
    told.id = "told";
    told.textContent = JSON.stringify([JSON.parse(before), state()]);
    document.body.append(told);
    return;
  }
  byId("kind").value = "unfinished";
  byId("kind").dispatchEvent(new Event("change"));
  for (const name of [".item:not([hidden])", ".behind", ".call", ".numbers", "#settings details"]) {
    found(name)[0].open = true;
    await wait(50);
  }
  found(".call[open] pre").pop().scrollIntoView({ block: "end" });
  sessionStorage.setItem("before", JSON.stringify(state()));
});
"""
"""Opens folds inside folds, narrows the page down, and tells how it stood and stands again."""


@dataclass(frozen=True)
class FinishingPages(GrowingPages):
    """The same, and somebody reads them."""

    def answer(self, path: str, query: dict[str, str]) -> ServedPage:
        page = super().answer(path, query)
        return replace(page, text=page.text.replace("</body>", f"<script>{ACTING}</script></body>"))


@needs_chromium
def test_what_is_being_read_stays_where_it_is(runs: Path, tmp_path: Path) -> None:
    folder = RunFolder(runs / "first")
    with folder.locked():
        begun = TREES[1].model_copy(update={"nodes": (), "verdicts": ()})
        folder.growing.add(begun, TREES[1].nodes, TREES[1].verdicts)
    said = {"text": "word\n" * 200, "finish": "stop"}
    call = exchange("user", TREES[1].nodes[0].id, tree=TREES[1].id, reply=said).event
    folder.events.write_text(json.dumps(call) + "\n")
    with serving(FinishingPages([runs])) as server:
        url = f"{server.url}run/first#{TREES[1].nodes[0].id}"  # where it was begun to be read
        seen = dom(url, profile=tmp_path / "profile")
    told = re.search(r'id="told">(.*?)</pre>', seen, re.DOTALL)
    assert told
    before, after = json.loads(unescape(told[1]))
    assert (before["kind"], before["hidden"]) == ("unfinished", 1)
    assert (after["kind"], after["hidden"]) == ("all", 0)  # none is unfinished any more
    assert len(before["open"]) == len(after["open"]) == 5
    assert before["top"] < 0
    assert abs(after["top"] - before["top"]) <= 1


def test_the_command_serves_until_it_is_interrupted(
    runs: Path, aloe: RunAloe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_server: RunServer) -> None:
        raise KeyboardInterrupt

    opened: list[str] = []
    monkeypatch.setattr(RunServer, "serve_forever", interrupt)
    monkeypatch.setattr("webbrowser.open", opened.append)
    ran = aloe("view", runs)
    assert ran.code == 0
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\n", ran.out)
    assert "Traceback" not in ran.err
    assert opened == []
    ran = aloe("view", runs, "--open", "--json")
    assert opened == [json.loads(ran.out)["url"]]
    with RunServer(RunPages([runs])) as server:
        taken = aloe("view", runs, "--port", server.server_port)
    assert taken.is_one_line_about(str(server.server_port), "--port")


@pytest.mark.parametrize("name", ["none", "notes", "readme.txt"])
def test_folders_that_are_no_runs_are_refused(runs: Path, aloe: RunAloe, name: str) -> None:
    assert aloe("view", runs, runs / name).is_one_line_about(name)
    with pytest.raises(InputError):
        find_runs([runs / name])


def test_a_fault_is_a_page_and_a_line_and_no_empty_answer(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("ceiling")

    stderr.cache_clear()
    monkeypatch.setattr("aloe.benchmark.run_pages.render_run", fail)
    with serving(RunPages([runs])) as server:
        status, _, page = ask(server, "/run/first")
    said = capsys.readouterr().err
    assert status == 500
    for text in (page.replace("&#39;", "'"), said):
        assert "/run/first cannot be shown" in text
        assert "KeyError: 'ceiling' (test_view.py:" in text
    assert len(said.splitlines()) == 1
    assert faults_of(page) == []
