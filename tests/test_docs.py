"""The pages: each has its place on the site, links lead somewhere, the tutorial's commands work.

The site itself is built where the extra `docs` is installed (`make docs` installs it).
"""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any

import builders
import pytest
import tiny
import yaml
from command import RunAloe

from aloe.cli import COMMANDS, load
from aloe.config import Config, ModelConfig, validate
from aloe.models.chat_class import chat_class
from aloe.models.open import open_model
from aloe.models.providers import PROVIDERS, parse_model
from aloe.models.weights import WEIGHTS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [
    *sorted(DOCS.rglob("*.md")),
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("[a-z]*/*/DATASHEET.md")),
]
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)")
"""A relative link: file and part."""
LOADED = re.compile(r"<(?:script|img|link|iframe)\b[^>]*?(?:src|href)=\"?(https?:[^\s\">]*)")
"""Something that a browser fetches from elsewhere."""
BLOCK = re.compile(r"^```(\w*)\n([\s\S]*?)^```|((?:^    .*\n|^\n)+)", re.MULTILINE)
"""A block of code: its language and text if fenced, else its indented text."""
TUTORIAL = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", (DOCS / "tutorial.md").read_text(), re.DOTALL)
    for line in block.splitlines()
]
"""The tutorial's commands, in order."""


def named(nav: Any) -> Iterator[str]:
    """Yield the files of a `nav` of mkdocs.yml."""
    for each in nav.values() if isinstance(nav, dict) else nav:
        yield from [each] if isinstance(each, str) else named(each)


def anchors(page: Path) -> set[str]:
    """Return what `#...` can name in a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", head.lower())) for head in heads}


def test_every_page_has_its_place_on_the_site() -> None:
    nav = set(named(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    made = {"index.md", "cli.md"}  # of README.md, and of the commands; see docs/hook.py
    assert nav == pages | made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_its_links_lead_somewhere(page: Path) -> None:
    for target, part in LINK.findall(page.read_text()):
        file = (page.parent / target).resolve() if target else page
        assert file.is_file(), target
        assert file.is_relative_to(ROOT), target
        assert not part or part in anchors(file), f"{target}#{part}"


def commands(text: str) -> Iterator[str]:
    """Yield the calls of `aloe` on a page, in code blocks and between backticks."""
    yield from re.findall(r"`(aloe [a-z-][^`\n]*)`", text)
    for _, fenced, indented in BLOCK.findall(text.replace("\\\n", "")):
        yield from re.findall(r"^ *(?:\S+=\S+ )*(aloe [a-z-].*)$", fenced or indented, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_its_commands_and_their_flags_exist(page: Path) -> None:
    for line in commands(page.read_text()):
        name, *words = shlex.split(line, comments=True)[1:]
        if name.startswith("-"):
            continue
        assert name in COMMANDS, line
        command: Any = load(name)
        while words and hasattr(command, "commands") and not words[0].startswith("-"):
            assert words[0] in command.commands, line
            command = command.commands[words.pop(0)]
        flags = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)}
        named = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert named <= flags | {"--help"}, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_its_dpo_trainings_say_what_they_start_from(page: Path) -> None:
    """As DPO does: named, the base, or an SFT model that an earlier line left beside it."""
    trained: set[Path] = set()
    for line in commands(page.read_text()):
        words = shlex.split(line, comments=True)
        if words[1:3] not in (["train", "sft"], ["train", "dpo"]) or "--out" not in words:
            continue
        out = Path(words[words.index("--out") + 1])
        if words[2] == "sft":
            trained.add(out)
        else:
            assert {"--start", "--from-base"} & {*words} or out.parent / "sft" in trained, line


def leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield a command, or those in it, by its whole name."""
    for each, sub in getattr(command, "commands", {}).items():
        yield from leaves(f"{name} {each}", sub)
    if not hasattr(command, "commands"):
        yield name, command


def test_the_reference_has_every_command_with_every_option_default_and_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(DOCS)
    page = import_module("cli_reference").write_page()
    sections = dict(re.findall(r"^#+ aloe (.+)\n([^#]*(?:#[^#\n]+)*)", page, re.MULTILINE))
    shown = (name for name, command in COMMANDS.items() if not command.hidden)
    found = [each for name in shown for each in leaves(name, load(name))]
    assert len(found) > 30
    for name, command in found:
        plain = re.sub(r"`[^`]*`|```.*?```", "", sections[name], flags=re.DOTALL)
        assert not re.search(r"(?<!\\)\]\[", plain), name  # would be a link
        section = sections[name].replace("\\|", "|").replace("\\[", "[")
        assert " ".join(command.help.split("\n\n")[0].split()) in section
        rows = {re.split(r"[ `]", row)[2]: row for row in section.splitlines() if row[:3] == "| `"}
        params = [each for each in command.params if each.name != "traceback"]
        assert len(rows) == len(params), name
        for each in params:
            is_option = each.opts[0].startswith("-")
            row = rows[each.opts[0] if is_option else each.metavar or each.name.upper()]
            assert " ".join((each.help or "").split()) in row
            assert ("required" in row.split(" | ")[1]) == each.required
            if each.default not in (None, False):
                assert ("on" if each.default is True else str(each.default)) in row
    assert "experiment-trees" not in sections  # a stage of another command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_its_settings_are_settings(page: Path) -> None:
    for language, fenced, indented in BLOCK.findall(page.read_text()):
        text = fenced if language == "toml" else dedent(indented).strip()
        if "[project" in text:
            continue  # of a package of the reader's own
        if language == "toml" or re.match(r"\[[\w.\"-]+\]\n", text):
            validate(Config, tomllib.loads(text), source=page)


IMPORTS = sorted(
    {
        (module, name.strip())
        for page in PAGES
        for module, names in re.findall(r"from (aloe[\w.]*) import ([\w, ]+)", page.read_text())
        for name in names.split(",")
    }
)
"""What pages import, by module and name."""


@pytest.mark.train
@pytest.mark.parametrize(("module", "name"), IMPORTS)
def test_what_pages_import_is_there(module: str, name: str) -> None:
    assert hasattr(import_module(module), name)


@pytest.mark.parametrize("picture", sorted(DOCS.rglob("*.svg")), ids=lambda each: each.name)
def test_its_pictures_load_nothing(picture: Path) -> None:
    text = re.sub(r'xmlns(:\w+)?="[^"]*"', "", picture.read_text())
    assert not re.search(r"url\(\s*['\"]?https?:|(href|src)=['\"]https?:", text)


@pytest.mark.skipif(not find_spec("mkdocs"), reason="needs the extra docs; make docs builds it")
def test_the_site_is_built_without_a_warning_and_loads_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    for page in tmp_path.rglob("*.html"):
        assert not LOADED.findall(page.read_text()), page.name


@pytest.mark.slow
@pytest.mark.train
def test_the_tutorials_commands_work_one_after_the_other(
    aloe: RunAloe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    commands = [shlex.split(line)[1:] for line in TUTORIAL if line.startswith("aloe ")]
    assert len(commands) > 12
    base = tiny.save(tmp_path / "base")
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples/tutorial.toml").write_text((ROOT / "examples/tutorial.toml").read_text())
    monkeypatch.chdir(tmp_path)
    for command in commands:
        ran = aloe(*on_small_models(command, base))
        assert ran.code == 0, (command, ran.err)
    assert list((tmp_path / "runs/example/models/dpo").glob("adapter*"))
    assert (tmp_path / "runs/tuned/report.html").is_file()


def on_small_models(command: list[str], base: Path) -> list[str]:
    """Return a command of the tutorial with models that answer at once."""
    asks = {"doctor", "simulate", "judge", "train", "bench"}
    if command[0] not in asks or command[:2] in (["bench", "compare"], ["bench", "report"]):
        return command
    if "--model" in command:
        at = command.index("--model")
        command = command[:at] + command[at + 2 :]
    model = str(base) if command[0] == "train" else builders.SCRIPTED
    return [*command, "--model", model]


STRING = re.compile(rf"(?<![\w/.])(?:{'|'.join(PROVIDERS)}):[\w/.:@{{}}-]*\w}}?")
PLACEHOLDER = re.compile(r"[A-Z]+(?:_OR_NAME)?(?::[A-Z]+)?(?:@.*)?|.*\{\w+\}.*|.*URL")
MODELS = {
    string: page.name
    for page in [*PAGES, *sorted((ROOT / "examples").rglob("*.toml"))]
    for string in STRING.findall(page.read_text(encoding="utf-8"))
}
"""Every model string that a page shows, and where."""


@pytest.mark.parametrize("string", sorted(MODELS))
def test_every_model_string_can_be_imported(string: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as that goes without its weights, its server and its key."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    found = parse_model(ModelConfig(model=string))
    provider, name = found.provider, found.name
    if PLACEHOLDER.fullmatch(name):
        return
    if provider in ("local", "hf"):
        assert name in WEIGHTS or "/" in name
    elif provider == "langchain" and find_spec(name.partition(":")[0]) is None:
        assert name.partition(":")[0].startswith("langchain_"), "no package of LangChain's"
    elif provider == "langchain":
        chat_class(name)
    elif provider == "community":  # its class may want a key or a file
        chat_class(f"langchain_community.chat_models:{name}")
    else:
        open_model(ModelConfig(model=string))


def test_the_pages_show_model_strings() -> None:
    assert {string.partition(":")[0] for string in MODELS} >= {
        "local", "openai", "hf", "langchain", "community", "scripted"
    }  # fmt: skip
    assert not PLACEHOLDER.fullmatch("smollm2-135m")
    assert not PLACEHOLDER.fullmatch("ChatLlamaCpp")
