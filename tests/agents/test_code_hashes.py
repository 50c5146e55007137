"""Passports of judges of one's own: of the code and the files that were audited."""

import functools
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, config
from command import RunAloe

from aloe.agents.code_hashes import hash_own
from aloe.agents.panel import identity, read_own_passport
from aloe.config import Config
from aloe.errors import ConfigError
from aloe.graphs.simulation import prepare
from aloe.memory.run_folder import RunFolder
from aloe.passport import Passport, read_passport
from aloe.plugins import import_named

JUDGE = """
from tests_helper import THRESHOLD, Base
import json


class Judge(Base):
    symmetric = True

    def __init__(self, folder, words=(), more=None):
        pass


def lazy(asked, model):
    from tests_package.scores import score
    from tests_plain.deep.words import WORDS
    return score(asked.first) - score(asked.second)


instance = Judge("x")
"""
FILES = {
    "tests_judge.py": JUDGE,
    "tests_helper.py": """
THRESHOLD = 3


class Base:
    def __call__(self, asked, model):
        return 1.0
""",
    "tests_package/__init__.py": "",
    "tests_package/scores.py": "from . import weights\n\n\ndef score(reply):\n    return 1.0\n",
    "tests_package/weights.py": "HALF = 0.5\n",
    "tests_plain/deep/words.py": "WORDS = []\n",
    "tests_plain/judge.py": "from .deep import words\n\n\ndef fair(a, b):\n    return 1.0\n",
    "tests_unread.py": "",
    "reward/config.json": "{}",
    "reward/deep/weights.bin": "1",
    "reward/.lock": "",
    "words.txt": "tea",
    "unread.txt": "",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for name in [each for each in sys.modules if each.startswith("tests_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    return tmp_path


OPTIONS = {"folder": "reward", "words": ["words.txt", "."], "more": {"of": "hf:reward", "at": "/"}}


def settings(use: str = "Judge", options: dict[str, Any] | None = None) -> Config:
    given = OPTIONS if options is None and use == "Judge" else options or {}
    judge = {"use": f"tests_judge:{use}", "options": given, "passport": "p.json"}
    return config(trees=1, turns=1).updated({"judge": judge}, source="test")


def audit(aloe: RunAloe, judged: Config) -> None:
    Path("c.toml").write_text(judged.updated({"judge.passport": None}, source="test").toml())
    ran = aloe("judge", "audit", "--config", "c.toml", "--limit", 4, "--own", 0, "--out", "p.json")
    assert ran.code == 0, ran.err


def edit(name: str) -> Callable[[], object]:
    return lambda: Path(name).write_text(f"{FILES.get(name, '')}\n# another\n")


@pytest.mark.parametrize(
    ("use", "change", "changed"),
    [
        ("Judge", edit("tests_judge.py"), "its source"),
        ("Judge", edit("tests_helper.py"), "its source"),
        ("instance", edit("tests_helper.py"), "its source"),
        ("lazy", edit("tests_package/scores.py"), "its source"),
        ("lazy", edit("tests_package/weights.py"), "its source"),
        ("lazy", edit("tests_plain/deep/words.py"), "its source"),
        ("Judge", edit("reward/config.json"), "reward"),
        ("Judge", edit("reward/deep/weights.bin"), "reward"),
        ("Judge", functools.partial(shutil.rmtree, "reward"), "reward"),
        ("Judge", edit("words.txt"), "words.txt"),
        ("Judge", edit("unread.txt"), None),
        ("Judge", edit("tests_unread.py"), None),
        ("Judge", edit("reward/.lock"), None),
        ("lazy", edit("words.txt"), None),
    ],
)
def test_a_passport_is_of_the_code_that_was_audited(
    aloe: RunAloe, use: str, change: Callable[[], object], changed: str | None
) -> None:
    judged = settings(use)
    audit(aloe, judged)
    assert read_own_passport(judged)
    change()
    if changed is None:
        assert read_own_passport(judged)
        return
    told = rf"p\.json is the passport of tests_judge:{use} as it was before {changed} changed; run"
    with pytest.raises(ConfigError, match=told):
        prepare(judged, RunFolder(Path("run")), personas=PERSONAS)
    assert not Path("run").exists()
    Path("c.toml").write_text(judged.toml())
    checked = aloe("config", "check", "c.toml")
    assert checked.is_one_line_about("p.json", f"before {changed} changed", "aloe judge audit")
    audit(aloe, judged)
    assert read_own_passport(judged)


def test_a_passport_of_before_is_refused(aloe: RunAloe) -> None:
    judged = settings()
    audit(aloe, judged)
    passport = read_passport(Path("p.json"))
    assert {*passport.judge.code} == {"tests_judge:Judge", "reward", "words.txt"}
    before = passport.judge.model_copy(update={"code": {}})
    old = passport.model_copy(update={"judge": before}).json_text()
    assert '"code"' not in old
    assert Passport.model_validate_json(old)
    Path("p.json").write_text(old)
    with pytest.raises(ConfigError, match=r"earlier version, which asked tests_judge:Judge in one"):
        read_own_passport(judged)
    assert identity(config()).code == {}


def test_the_same_code_elsewhere_is_the_same(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = identity(settings()).code
    shutil.copytree(here, here / "copy")
    for name in [each for each in sys.modules if each.startswith("tests_")]:
        monkeypatch.delitem(sys.modules, name)
    sys.path.remove(str(here))
    monkeypatch.chdir(here / "copy")
    assert identity(settings()).code == found


def test_code_in_a_folder_without_init_is_followed() -> None:
    def found() -> dict[str, str]:
        judge = import_named("tests_plain.judge:fair", "test")
        return hash_own("tests_plain.judge:fair", judge, {})

    before = found()
    assert before == found()
    edit("tests_plain/deep/words.py")()
    assert before != found()


def test_the_code_of_an_installed_judge_is_its_file() -> None:
    assert {*hash_own("pytest:fixture", pytest.fixture, {})} == {"pytest:fixture"}


def test_what_has_no_file_is_told_apart_by_what_it_does() -> None:
    made: dict[str, Any] = {"__name__": "nowhere"}
    exec("def one(asked, model): return 1\ndef two(asked, model): return 2", made)
    one, two = (hash_own(f"nowhere:{name}", made[name], {}) for name in ("one", "two"))
    assert one["nowhere:one"] != two["nowhere:two"]
    assert hash_own("a:b", made["one"], {"n": 1, "text": "x" * 5000, "odd": "a\0b"}).keys() == {
        "a:b"
    }
