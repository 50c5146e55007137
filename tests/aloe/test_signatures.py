"""Plug-ins that would fail at their first call are refused before it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from builders import SCRIPTED
from command import RunAloe

from aloe.errors import ConfigError
from aloe.plugins import Kind, load_plugin
from aloe.signatures import check_call, defined_in

OWN = '''
class Silent:
    """Has no __call__."""


class Short:
    def __init__(self, least=1):
        self.least = least

    def __call__(self, exchange):
        return None


class Whole:
    def __init__(self, folder, *, least=1):
        pass

    async def __call__(self, exchange, model):
        return None


def one(first):
    return None


def two(first, second):
    return None


def three(first, second, third):
    return None


def limited(first, second, *, limit):
    return None


def anything(*args, **kwargs):
    return None


async def late(first, second):
    return None


async def streamed(tree, skipped):
    yield {}


def drips(*args, **kwargs):
    yield 1


class Drips:
    def __call__(self, exchange, model):
        yield 1


dripping = Drips()


def plain_reward(prompts, completions):
    return [0.0]


def reward(prompts, completions, **columns):
    return [0.0]


number = 3
instance = Whole("x")
'''


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("own")
    (folder / "signed.py").write_text(OWN)
    sys.path.append(str(folder))
    yield "signed"
    sys.path.remove(str(folder))
    sys.modules.pop("signed", None)


@pytest.mark.parametrize(
    ("kind", "name", "arguments", "words"),
    [
        ("roles", "one", {}, ["takes (first)", "(exchange, model) -> note or Update"]),
        ("roles", "number", {}, ["is a int, neither a class nor a function"]),
        ("roles", "Silent", {}, ["without __call__", "__call__(self, exchange, model)"]),
        ("roles", "Short", {}, ["takes (exchange)", "__call__(self, exchange, model)"]),
        ("roles", "Whole", {}, ["needs the argument 'folder'", "beside `use`"]),
        ("roles", "limited", {}, ["needs the argument 'limit'"]),
        ("roles", "limited", {"lmit": 1}, ["no argument 'lmit'", "did you mean 'limit'?"]),
        ("roles", "limited", {"limit": 1, "aftr": "user"}, ["did you mean 'after'?"]),
        ("roles", "two", {"limit": 1}, ["no argument 'limit'", "it has none"]),
        ("judges", "one", {}, ["judge", "(comparison, model) -> margin or None"]),
        ("judges", "Whole", {"folder": "x", "lest": 2}, ["did you mean 'least'?"]),
        ("judges", "Whole", {"leest": 2}, ["no argument 'leest'"]),
        ("judges", "Whole", {}, ["needs the argument 'folder'", "under `options`"]),
        ("expansions", "two", None, ["takes (first, second)", "(candidates, verdicts, rng)"]),
        ("expansions", "Whole", None, ["is a class", "name a function"]),
        ("validators", "two", None, ["(description) -> reason or None"]),
        ("exporters", "one", None, ["(tree, skipped) -> rows"]),
        ("exporters", "streamed", None, ["is async", "without await"]),
        ("metrics", "three", None, ["(row, tree) -> number or None"]),
        ("metrics", "late", None, ["is async", "without await"]),
        ("metrics", "drips", None, ["yields", "signed.py", "(number or None)"]),
        ("validators", "drips", None, ["yields", "(reason or None)"]),
        ("judges", "drips", {}, ["yields", "(margin or None)"]),
        ("roles", "Drips", {}, ["yields", "(note or Update)"]),
        ("roles", "dripping", {}, ["yields", "(note or Update)"]),
        ("roles", "streamed", {}, ["yields", "(note or Update)"]),
    ],
)
def test_a_wrong_signature_names_what_is_expected_and_what_was_found(
    own: str, kind: Kind, name: str, arguments: dict[str, Any] | None, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        load_plugin(kind, f"{own}:{name}", arguments)
    for word in (f"'{own}:{name}'", *words):
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("rewards", "plain_reward", ["(prompts, completions, **columns)"]),
        ("rewards", "two", ["takes (first, second)"]),
        ("scripts", "one", ["in place of a model", "(messages, arguments)"]),
        ("scripts", "Whole", ["is a class"]),
        ("scripts", "drips", ["yields", "(the reply)"]),
        ("scripts", "streamed", ["yields", "(the reply)"]),
        ("rewards", "drips", ["yields", "a number for each"]),
    ],
)
def test_so_it_is_with_what_is_no_entry_point(
    own: str, kind: str, name: str, words: list[str]
) -> None:
    target = getattr(sys.modules.get(own) or __import__(own), name)
    with pytest.raises(ConfigError) as error:
        check_call(kind, name, target)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("kind", "name", "arguments"),
    [
        ("roles", "two", {}),
        ("roles", "anything", {"whatever": 1}),
        ("roles", "Whole", {"folder": "x", "least": 2}),
        ("roles", "Whole", None),
        ("judges", "late", {}),
        ("judges", "instance", {}),
        ("judges", "limited", {"limit": 1}),
        ("expansions", "three", None),
        ("expansions", "drips", None),
        ("exporters", "drips", None),
        ("expansions", "anything", None),
        ("validators", "one", None),
        ("metrics", "two", None),
        ("rewards", "reward", None),
        ("scripts", "late", None),
    ],
)
def test_what_can_be_called_is_let_through(
    own: str, kind: str, name: str, arguments: dict[str, Any] | None
) -> None:
    module: ModuleType = sys.modules.get(own) or __import__(own)
    check_call(kind, name, getattr(module, name), arguments)
    check_call("metrics", "max", max)  # says nothing of what it takes


def test_the_line_is_that_of_the_users_code(own: str) -> None:
    module = __import__(own)
    assert defined_in(module.one).endswith(
        f"signed.py:{OWN[: OWN.index('def one')].count(chr(10)) + 1}"
    )
    assert defined_in(module.instance) == defined_in(module.Whole)


def test_what_was_typed_into_a_console_has_no_address() -> None:
    names: dict[str, Any] = {}
    exec(compile("\nanswer = lambda a: 'hi'", "<stdin>", "exec"), names)
    assert defined_in(names["answer"]) == "<stdin>:2"
    assert defined_in(max) == "builtins.max"


def test_nothing_is_written_for_a_plug_in_that_cannot_be_called(
    own: str, tmp_path: Path, aloe: RunAloe, personas_file: Path
) -> None:
    out = tmp_path / "run"
    simulate = ("simulate", "--personas", personas_file, "--out", out)
    ran = aloe(*simulate, "--model", f"scripted:{own}:one")
    assert ran.is_one_line_about("takes (first)", "(messages, arguments) -> the reply")
    ran = aloe(*simulate, "--model", SCRIPTED, "--expansion", f"{own}:one")
    assert ran.is_one_line_about("(candidates, verdicts, rng) -> ids to continue")
    settings = tmp_path / "rules.toml"
    settings.write_text(f'[personas]\nvalidators = ["{own}:two"]\n')
    ran = aloe("personas", "grow", "--compose", "--count", 1, "--out", out, "--config", settings)
    assert ran.is_one_line_about("(description) -> reason or None")
    assert not out.exists()
