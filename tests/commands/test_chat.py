"""`aloe chat` in plain lines: what a pipe sends and gets, and what is on disk afterwards."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import PERSONAS, SCRIPTED
from command import Ran, RunAloe, wait_for
from langchain_core.messages import BaseMessage
from server import ChatServer, failure, streamed

from aloe import console
from aloe.memory.run_folder import read_trees
from aloe.schema import Tree

MODELS = '''
"""Models that answer at once, or never."""

import time


def bright(messages, arguments):
    return "Soup! \U0001f600"


def plain(messages, arguments):
    return "Soup.\\n\\nWith beans."


def never(messages, arguments):
    if messages[-1].text == "Wait.":
        time.sleep(60)
    return "Here."


def nasty(messages, arguments):
    return "\\x1b[2J\\x1b]0;title\\x07red\\u202e"
'''

Chat = Callable[..., Ran]
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def chat(aloe: RunAloe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chat:
    """Run `aloe chat` on lines, its models being those of `MODELS`."""
    (tmp_path / "chat_models.py").write_text(MODELS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])

    def run(*lines: str, model: str = "plain", beside: str | None = "bright", **flags: Any) -> Ran:
        given = flags.pop("stdin", StringIO("".join(f"{line}\n" for line in lines)))
        monkeypatch.setattr("sys.stdin", given)
        flags = {"out": "run", "model": named(model), **flags}
        flags |= {"beside": named(beside)} if beside else {}
        switches = [f"--{name}" for name, value in flags.items() if value is True]
        pairs = {name: value for name, value in flags.items() if value is not True}
        return aloe("chat", *switches, *(f"--{name}={value}" for name, value in pairs.items()))

    return run


def named(model: str) -> str:
    return model if ":" in model else f"scripted:chat_models:{model}"


def stored(path: str = "run") -> Tree:
    (tree,) = read_trees(Path(path))
    return tree


def test_lines_in_and_replies_out(chat: Chat, aloe: RunAloe) -> None:
    said = (
        "I want no emoji. Soup?",
        "",
        "/prefer 2",
        "More?",
        "/prefer tie",
        "/why",
        "/quit",
        "Not",
    )
    ran = chat(*said, json=True)
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 1
    assert "[1 scripted:chat_models:plain]\nSoup.\n\nWith beans.\n\n[2 " in ran.err
    assert "user: I want no emoji. Soup?\n  assistant: Soup! \U0001f600\n  user: More?" in ran.err
    assert "2 scripted:chat_models:bright" in ran.err
    assert "breaks: I want no emoji." in ran.err
    assert "◆ I want no emoji.\n1: 1 of 1 wishes kept\n2: 0 of 1 wishes kept; broken: " in ran.err
    assert "kept in run: 2 turns" in ran.err
    assert ran.result == {
        "out": "run", "tree": stored().id, "turns": 2, "preferred": {"model": 0, "beside": 1},
        "tie": 1, "unmarked": 0, "calls": 4, "output_tokens": 10, "cost": 0.0,
    }  # fmt: skip
    nobody = "(no persona)"
    assert nobody in aloe("trace", "run", "--first").out
    assert nobody in aloe("trace", "run").out
    assert aloe("report", "run").code == 0
    assert nobody in Path("run/report.html").read_text(encoding="utf-8")
    assert aloe("export", "run", "--format", "dpo", "--out", "dpo.jsonl").code == 0
    (row,) = map(json.loads, Path("dpo.jsonl").read_text(encoding="utf-8").splitlines())
    assert row["chosen"][0]["content"] == "Soup! \U0001f600"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/foo", "there is no /foo; /help lists"),
        ("/prefr 1", "did you mean '/prefer'?"),
        ("/prefer 3", "say /prefer 1, /prefer 2 or /prefer tie"),
        ("/prefer", "say /prefer 1"),
        ("/prefer 1", "nothing has been said yet"),
        ("/why", "nothing has been said yet"),
        ("/undo", "nothing has been said yet"),
        ("/again", "nothing has been said yet"),
        ("/save", "nothing has been said yet"),
        ("/\x1b[2J", "there is no /␛[2J"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_it_goes_on(chat: Chat, line: str, words: str) -> None:
    ran = chat(line, "Hello.")
    assert ran.code == 0
    assert words in ran.err.splitlines()[0]
    assert len(stored().nodes) == 3


def test_that_no_wish_was_heard_is_said_once(chat: Chat) -> None:
    hint = "No checkable wish heard; try: I want no lists.\n"
    ran = chat("Hello.", "More.", beside=None)
    assert (ran.err.count(hint), ran.out.count(hint)) == (1, 0)
    assert hint not in chat("Soup, but don't use emojis.", beside=None).err


def test_help_and_messages_that_begin_with_a_slash(chat: Chat) -> None:
    ran = chat("/help", "//etc?", beside=None)
    assert "/prefer 1|2|tie" in ran.out
    assert stored().nodes[0].content == "/etc?"


def test_the_models_are_hidden_until_the_end(chat: Chat) -> None:
    said = [f"Number {n}." for n in range(4)]
    ran = chat(*said[:3], "/prefer 1", said[3], blind=True)
    assert "chat_models" not in ran.out
    assert set(re.findall(r"^\[(.*)\]$", ran.out, re.MULTILINE)) == {"1", "2"}
    told = [line for line in ran.err.splitlines() if line.startswith("turn ")]
    assert len(told) == 4
    assert told[2].endswith("; you preferred 1")
    ran = chat("One.", "/why", "Two.", blind=True, out="other")
    assert ran.out.count("chat_models") == 2  # by /why, and what comes after it is hidden again


def test_the_two_assistants_of_a_file_both_answer(
    chat: Chat, aloe: RunAloe, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = (
        f'[[models.assistants]]\nname = "{n}"\nmodel = "{named(n)}"\n' for n in ("plain", "bright")
    )
    Path("two.toml").write_text("".join(both))
    monkeypatch.setattr("sys.stdin", StringIO("What can I cook?\n/prefer 2\n"))
    ran = aloe("chat", "--config", "two.toml", "--out", "run", "--json")
    assert ran.code == 0, ran.err
    tree = stored()
    assert [node.agent for node in tree.nodes] == ["human", "model", "beside"]
    assert tree.verdicts[0].preferred == tree.nodes[2].id


def test_a_persona_is_shown_and_played(chat: Chat, personas_file: Path) -> None:
    ran = chat("Hello.", persona=f"{personas_file}:{PERSONAS[1].id}")
    assert PERSONAS[1].profile in ran.err
    assert stored().persona == PERSONAS[1]


def test_a_reply_cannot_reach_for_the_terminal(chat: Chat) -> None:
    ran = chat("Hello \x9b.", "/why", "/undo", model="nasty", beside=None)
    assert "␛[2J␛]0;title␇red\ufffd" in ran.out
    assert not re.search("[\x1b\x07\x9b\u202e]", ran.out + ran.err)


def test_letters_that_are_none_do_not_end_it(chat: Chat) -> None:
    bad = TextIOWrapper(BytesIO(b"caf\xe9?\nlast line without end"), encoding="utf-8")
    assert chat(stdin=bad, beside=None).code == 0
    assert [node.content for node in stored().nodes][::2] == ["caf\ufffd?", "last line without end"]


@pytest.mark.parametrize("more", [{}, {"svg": "chat.svg"}])
def test_a_message_without_a_reply_is_no_success(
    chat: Chat, server: ChatServer, more: dict[str, str]
) -> None:
    server.behave = lambda _: failure(400, "no such thing")
    ran = chat("Hello.", model=server.model, beside=None, **more)
    assert ran.code == 2
    assert ran.out == ""
    assert "no reply: " in ran.err
    assert "Traceback" not in ran.err


def test_a_model_that_fails_is_one_line(chat: Chat, server: ChatServer) -> None:
    answers = iter([failure(400, "no such thing"), streamed("Yes."), streamed("Again.")])
    server.behave = lambda _: next(answers)
    ran = chat("Hello.", "/again", "/again", "More.", model=server.model, beside=None)
    assert ran.code == 0
    assert "every reply is there" in ran.err
    assert [node.content for node in stored().nodes] == ["Hello.", "Yes.", "More.", "Again."]


def test_a_server_that_is_not_there_is_said_before_anything(chat: Chat) -> None:
    chat("Hello.", model="openai:m@http://127.0.0.1:9/v1").is_one_line_about("nothing answers")
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"me": True, "persona": "x"}, ["--me and --persona"]),
        ({"persona": "no.jsonl"}, ["no.jsonl", "no such file"]),
        ({"blind": True, "beside": None}, ["--blind", "--beside"]),
        ({"model": "gpt:x:y"}, ["unknown model"]),
        ({"out": "chat_models.py"}, ["is a file"]),
    ],
)
def test_a_wrong_start_is_one_line(chat: Chat, flags: dict[str, Any], words: list[str]) -> None:
    assert chat("Hello.", **flags).is_one_line_about(*words)


def test_a_budget_that_is_spent_ends_it(chat: Chat) -> None:
    ran = chat("Hello.", "More.", "Even more.", beside=None, **{"max-calls": 1})
    assert ran.code == 3
    assert "kept in run: 1 turn and your message, which has no reply\n" in ran.err
    assert ran.err.endswith("aloe: 1 of 1 calls are made\n")


def test_a_copy_can_be_saved(chat: Chat, aloe: RunAloe) -> None:
    ran = chat("Hello.", "/save", "/save kept", "/save kept", "/save chat_models.py/x", "More.")
    assert ran.code == 0  # what cannot be written is one line
    assert "kept in run" in ran.out
    assert "copied to kept" in ran.out
    assert "kept is there already; name a new folder" in ran.err
    assert "chat_models.py" in ran.err
    assert stored("kept").nodes == stored().nodes[:3]
    beside = ("models.json", "prompts.json", "labels.jsonl")
    for name in beside:
        Path("run", name).write_text('{"one": "hash"}\n')
    assert "copied to whole" in chat("Hello.", "/save whole").out
    for name in beside:
        assert Path("whole", name).read_bytes() == Path("run", name).read_bytes()
    assert aloe("trace", "kept").code == 0


def test_a_name_that_no_folder_can_have_does_not_end_the_chat(chat: Chat) -> None:
    ran = chat("Hello.", f"/save {'a' * 300}", "/save ~no-such-user/kept", "/save kept", "More.")
    assert ran.code == 0
    assert "aaa cannot be written (File name too long)" in ran.err
    assert "copied to ~no-such-user/kept" in ran.out
    assert "copied to kept" in ran.out


def test_a_copy_neither_replaces_the_folder_one_is_in_nor_takes_another(
    chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "kept.part").mkdir()
    monkeypatch.chdir(tmp_path / "here" / "kept.part")
    ran = chat("Hello.", "/save .", "/save ../kept", "More.", out="../../run")
    assert ran.code == 0
    assert ". is the folder that you are in; name another one" in ran.err
    assert "copied to ../kept" in ran.out
    assert {path.name for path in (tmp_path / "here").iterdir()} == {"kept", "kept.part"}


def test_ctrl_c_while_nobody_speaks(chat: Chat) -> None:
    class Pressed(StringIO):
        def readline(self, *_: Any) -> str:
            line = super().readline()
            if not line:
                raise KeyboardInterrupt
            return line

    ran = chat(stdin=Pressed("Hello.\n"))
    assert ran.code == 130
    assert "kept in run: 1 turn\n" in ran.err
    assert len(stored().nodes) == 3


def test_ctrl_c_while_a_model_answers(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    import chat_models  # type: ignore[import-not-found]

    async def pressed(messages: Sequence[BaseMessage], _: dict[str, Any]) -> str:
        if len(messages) > 1:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        return "Here."

    monkeypatch.setattr(chat_models, "pressed", pressed, raising=False)
    ran = chat("Hello.", "And?", model="pressed", beside=None)
    assert ran.code == 130
    assert "kept in run: 1 turn and your message, which has no reply\n" in ran.err
    assert [node.content for node in stored().nodes] == ["Hello.", "Here.", "And?"]


def test_ctrl_c_during_the_first_reply_keeps_what_was_said(
    chat: Chat, aloe: RunAloe, monkeypatch: pytest.MonkeyPatch
) -> None:
    import chat_models

    async def pressed(_messages: Sequence[BaseMessage], _: dict[str, Any]) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)
        return "Here."

    monkeypatch.setattr(chat_models, "pressed", pressed, raising=False)
    ran = chat("I want no emoji.", model="pressed", beside=None, json=True)
    assert ran.code == 130
    assert "kept in run: your message, which has no reply\n" in ran.err
    assert (ran.result["out"], ran.result["turns"]) == ("run", 0)
    assert [node.content for node in stored().nodes] == ["I want no emoji."]
    assert aloe("trace", "run", "--first").code == 0
    assert aloe("trace", "run").code == 0
    assert aloe("report", "run").code == 0
    for row in ("sft", "dpo"):
        ran = aloe("export", "run", "--format", row, "--out", f"{row}.jsonl")
        assert "Traceback" not in ran.err
    assert chat("Hello.", beside=None, model="plain", out="other").code == 0


def test_a_kill_costs_the_turn_under_way_and_nothing_else(chat: Chat, tmp_path: Path) -> None:
    code = "import offline; from aloe.cli import main; main()"
    given = ("--model", "scripted:chat_models:never", "--out", "run")
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    command = [sys.executable, "-c", code, "chat", *given]
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        assert child.stdin is not None
        child.stdin.write("Hello.\nWait.\n")
        child.stdin.flush()
        trees = tmp_path / "run" / "trees.jsonl"
        try:
            wait_for(trees.exists)
        finally:
            child.kill()
    assert [node.content for node in stored().nodes] == ["Hello.", "Here."]
    assert chat("Hello.", model="never", beside=None).code == 0
    assert len(list(read_trees(tmp_path / "run"))) == 2


def test_the_screen_needs_its_package(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "textual.app", None)
    monkeypatch.delitem(sys.modules, "aloe.graphs.chat_app", raising=False)
    ran = chat("Hello.", svg="x.svg", model=SCRIPTED)
    assert ran.is_one_line_about("aloe-align[tui]", "--plain")


@pytest.mark.parametrize(
    ("terminal", "installed", "screen"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_where_there_is_no_screen_there_are_lines(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    terminal: bool,
    installed: bool,
    screen: bool,
) -> None:
    command = import_module("aloe.graphs.commands.chat")
    monkeypatch.setattr(command, "stdout", lambda: SimpleNamespace(is_terminal=terminal))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(command, "find_spec", lambda _: installed or None)
    console.stderr.cache_clear()
    assert command._has_screen() is screen
    assert ("aloe-align[tui]" in capsys.readouterr().err) is not installed
