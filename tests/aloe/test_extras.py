"""Every package that errors name is brought by the extra that they name."""

import re
import tomllib
from pathlib import Path

import pytest

from aloe.errors import ConfigError
from aloe.extras import EXTRAS, needs, require

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))


@pytest.mark.parametrize("package", EXTRAS)
def test_an_extra_holds_the_package(package: str) -> None:
    held = PROJECT["project"]["optional-dependencies"][EXTRAS[package]]
    assert package in {re.split(r"[\[<>=]", each)[0] for each in held}
    assert needs("x", package) == f"x needs {package}: pip install 'aloe-align[{EXTRAS[package]}]'"


def test_the_first_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"torch"}
    monkeypatch.setattr("aloe.extras.find_spec", lambda name: name in found or None)
    require("x", "torch")
    with pytest.raises(ConfigError, match=r"^x needs trl: pip install 'aloe-align\[train\]'$"):
        require("x", "torch", "trl", "peft")
