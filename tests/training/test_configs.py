"""The settings that the docs name come with the package."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from aloe.config import load

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["ddp", "deepspeed", "fsdp"])
def test_settings_for_several_gpus_are_found_by_import(name: str) -> None:
    assert f"{name}.yaml" in (DOCS / "training.md").read_text()
    found = files("aloe.training") / "configs" / f"{name}.yaml"
    assert yaml.safe_load(found.read_text())["compute_environment"] == "LOCAL_MACHINE"


def test_examples_that_the_docs_name_are_found_by_import() -> None:
    text = "".join(page.read_text() for page in DOCS.glob("*.md"))
    named = set(re.findall(r"examples/(\S+?\.toml)", text))
    assert "tutorial.toml" in named
    for name in named:
        load(Path(str(files("aloe.examples") / name)))
