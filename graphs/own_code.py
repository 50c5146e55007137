"""Hashes of the user's own code that a run is made with: roles, judge, policy, scripted models.

Settings hold its name, which stays the same when a function is edited; trees grown before and after
that would be taken for those of one run.
"""

from collections.abc import Iterable
from typing import Any

from aloe.agents.code_hashes import hash_named, hash_source
from aloe.agents.registry import find_judge, find_roles
from aloe.config import EXPANSION_NAMES, Config, ModelConfig
from aloe.models.model_string import ModelString
from aloe.models.scripted import named_script
from aloe.plugins import lives_here, load_plugin


def hash_code(config: Config) -> dict[str, str]:
    """Return the hashes of all plug-ins that make trees, by the name that settings have for each.

    Raises:
        ConfigError: one cannot be imported.
        ModelError: a file cannot be read.
    """
    targets = {role.found.use: role.found.target for role in find_roles(config)}
    policy = config.simulation.expansion
    if policy not in EXPANSION_NAMES:
        targets[policy] = load_plugin("expansions", policy)
    return {**_hash(targets), **hash_judge(config)}


def hash_judge(config: Config) -> dict[str, str]:
    """Return the hashes of the own judge's code and, by path, of what it is made with, if any.

    Raises:
        ConfigError: it cannot be imported.
        ModelError: a file cannot be read.
    """
    own = find_judge(config)
    return {**_hash({own.use: own.target}), **hash_named(own.arguments)} if own else {}


def hash_scripts(models: Iterable[ModelConfig]) -> dict[str, str]:
    """Return the hashes of the code of scripted models, by model string.

    Raises:
        ConfigError: one cannot be imported.
        ModelError: a file cannot be read.
    """
    found = {ModelString.parse(each.model) for each in models}
    scripts = [each for each in found if each.provider == "scripted" and not lives_here(each.name)]
    named = sorted(each.name for each in scripts)
    hashed = _hash({name: named_script(name) for name in named})
    return {f"scripted:{name}": sha for name, sha in hashed.items()}


def _hash(targets: dict[str, Any]) -> dict[str, str]:
    found = {use: hash_source(use, target) for use, target in targets.items()}
    return {use: sha for use, sha in found.items() if sha}
