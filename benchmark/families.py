"""Which models should not judge which: a judge prefers its own words and its family's.

A model rates text higher if it finds it likely (Panickssery et al. 2024, arXiv 2404.13076), and a
judge that also plays the user knows what it wanted to hear. Neither can be corrected afterwards, so
there is a warning before anything is spent, and again beside the results.
"""

import re

from aloe.config import Config
from aloe.files.paths import expand_home, is_there
from aloe.models.model_string import ModelString


def family(model: str) -> str | None:
    """Return the family in a model string, such as `gpt`; None for folders and scripts.

    It is the first word of the name, which is how makers name their families.
    """
    parts = ModelString.parse(model)
    scripted = parts.provider in ("scripted", "community", "langchain")
    if scripted or is_there(expand_home(parts.name)):
        return None
    found = re.match(r"[a-z]+", parts.name.rpartition("/")[2].lower())
    return found[0] if found else None


def warn_about_judges(config: Config) -> list[str]:
    """Return what is wrong with who judges whom, one sentence each; empty if nothing is."""
    asked = (config.models.user, config.benchmark.candidate, *config.models.judges().values())
    names = [str(ModelString.parse(each.model, each.options)) for each in asked]
    user, candidate, *judges = names
    found = []
    for judge in judges:
        if judge == user:
            found.append(f"{judge} judges and plays the user: it knows what it wanted to hear")
        if judge == candidate:
            found.append(f"{judge} judges itself and may prefer its own words")
        elif family(judge) and family(judge) == family(candidate):
            found.append(f"{judge} judges a model of its own family ({family(judge)})")
    if len({family(judge) or judge for judge in judges}) < 2:
        found.append("all judges are of one family: a bias that they share would go unnoticed")
    return found
