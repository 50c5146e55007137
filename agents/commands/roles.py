"""`aloe roles`: which agents there are, what they are told, and how to begin a custom one."""

import keyword
import re
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from aloe.console import finish, show, show_text
from aloe.errors import ConfigError, StoreError
from aloe.options import ConfigFile, Json, refuse_unread
from aloe.views.folding import Table

if TYPE_CHECKING:
    from aloe.agents.prompt import Prompt
    from aloe.config import Config, Size

app = typer.Typer(
    help="See the agents, and add custom roles.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

SHIPPED = {
    "user": ("writes the user's messages", ("user",)),
    "inducer": ("marks what a message reveals", ("inducer",)),
    "assistants": ("write the candidate replies", ("assistant", "hint")),
    "judge": ("compares two replies", ("judge",)),
    "writer": ("invents personas", ("writer_profile", "writer_personality")),
}
"""What the agents that come with the program do, and their main prompts."""


@app.command("list")
def list_(config: ConfigFile = None, as_json: Json = False) -> None:
    """List the agents, the roles of --config and what installed packages offer.

    Example: `aloe roles list --config my.toml`
    """
    from aloe import config as settings
    from aloe.agents.registry import find_roles
    from aloe.plugins import KINDS, entry_points

    resolved = settings.load(config)
    roles = find_roles(resolved)
    offered = {kind: {p.name: p.value for p in entry_points(kind)} for kind in KINDS}
    table = Table(box=None, header_style="bold")
    for column in ("role", "place", "what it is", "prompts"):
        table.add_column(column, overflow="fold")
    for name, (what, prompts) in SHIPPED.items():
        table.add_row(name, "", what, _named(prompts, resolved))
    for role in roles:
        found = role.found
        prompts = (found.name,) if found.prompt else ()
        table.add_row(
            found.name, role.place, found.about.splitlines()[0], _named(prompts, resolved)
        )
    parts: list[RenderableType] = [table]
    for kind, points in offered.items():
        for name, value in points.items():
            parts.append(Text(f"installed: {name} ({value}) in aloe.{kind}"))
    show(Group(*parts), as_json=as_json)
    custom = {role.found.name: {"place": role.place, "use": role.found.use} for role in roles}
    finish({"shipped": list(SHIPPED), "roles": custom, "installed": offered}, as_json=as_json)


def _named(prompts: tuple[str, ...], config: "Config") -> str:
    """Return prompt names, each with the file that replaces it."""
    files = {name: f" ({config.prompts[name]})" for name in prompts if name in config.prompts}
    return ", ".join(name + files.get(name, "") for name in prompts)


@app.command("show")
def show_(
    name: Annotated[
        str, typer.Argument(help="A role of --config, a shipped prompt, or MODULE:NAME.")
    ],
    prompt: Annotated[
        bool, typer.Option("--prompt", help="Print only the text of its prompt.")
    ] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show what a role does, where it runs and what its model is told.

    To change a prompt, write it to a file, edit that, and name it under [prompts] in your settings.

    Example: `aloe roles show judge --prompt > my_judge.md`
    """
    if prompt:
        refuse_unread({"--json": as_json}, "beside --prompt")
    about, told = _about(name, config)
    if prompt:
        if told is None:
            raise ConfigError(f"'{name}' has no prompt")
        show_text(_text(told))
        return
    table = Table(box=None, show_header=False)
    for key, value in about.items():
        table.add_row(Text(key, "bold"), Text(str(value)))
    parts: list[RenderableType] = [table]
    if told:
        parts += [Text(f"\n{told.path} ({told.sha})", "dim"), Text(_text(told).rstrip())]
    show(Group(*parts), as_json=as_json)
    text = {"prompt": _text(told), "sha": told.sha} if told else {}
    finish({**about, **text}, as_json=as_json)


def _about(name: str, config: Path | None) -> "tuple[dict[str, Any], Prompt | None]":
    """Return what is known of `name`, and its prompt."""
    from aloe import config as settings
    from aloe.agents.prompt import chosen, shipped_names
    from aloe.agents.registry import find, find_judge, find_roles
    from aloe.plugins import entry_points

    resolved = settings.load(config)
    if name == "judge" and (judge := find_judge(resolved)):
        own: dict[str, Any] = {"role": name, "use": judge.use}
        own |= {"arguments": judge.arguments} if judge.arguments else {}
        return {**own, "about": judge.about}, judge.prompt
    for role in find_roles(resolved):
        if role.found.name == name:
            facts: dict[str, Any] = {"role": name, "place": role.place, "use": role.found.use}
            if given := resolved.roles[name].arguments:
                facts["arguments"] = given
            return {**facts, "about": role.found.about}, role.found.prompt
    names = shipped_names()
    if name in names:
        used = {each: what for what, prompts in SHIPPED.values() for each in prompts}
        about: dict[str, Any] = {"prompt of": used[name]} if name in used else {}
        size: Size = "small" if resolved.prompt_size == "small" else "full"
        return {"prompt": name, **about}, chosen(name, resolved.prompts, size)
    if ":" in name or name in [point.name for point in entry_points("roles")]:
        found = find("roles", name.rpartition(":")[2], name, None, {})
        return {"use": name, "about": found.about}, found.prompt
    known = ", ".join([*resolved.roles, *names])
    raise ConfigError(f"there is no '{name}'; there are {known}, or MODULE:NAME")


def _text(prompt: "Prompt") -> str:
    return "\n\n".join(f"## {role}\n{text}" for role, text in prompt.messages) + "\n"


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and underscores.")],
    as_json: Json = False,
) -> None:
    """Create a custom role: NAME.py and a passing test_NAME.py in this folder.

    Example: `aloe roles new safety`
    """
    from aloe.agents.prompt import FOLDER
    from aloe.files.writing import replace_text

    _check_new_name(name)
    files = {f"{name}.py": "role.py.txt", f"test_{name}.py": "test_role.py.txt"}
    if there := next((file for file in files if Path(file).exists()), None):
        raise StoreError(f"{there} is there already; take another name")
    _check_module_name(name)
    kind = "".join(part.capitalize() for part in name.split("_"))
    for file, template in files.items():
        text = (FOLDER.parent / "scaffold" / template).read_text(encoding="utf-8")
        replace_text(Path(file), Template(text).substitute(name=name, kind=kind))
    written = " and ".join(files)
    lines = f'[roles.{name}]\nuse = "{name}:{kind}"\nleast = 1'
    what_next = (
        f"wrote {written}; try them (needs pytest): python -m pytest test_{name}.py\n"
        f"to use the role, add to your settings:\n\n{lines}"
    )
    show(Text(what_next), as_json=as_json, lines=True, cut=False)
    finish({"files": list(files), "use": f"{name}:{kind}"}, as_json=as_json)


def _check_new_name(name: str) -> None:
    """Make sure that settings would take a role of that name."""
    from aloe import config as settings
    from aloe.agents.registry import check_role_names

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name.startswith("test_"):
        raise ConfigError(f"'{name}' is not a role name: use lower-case letters, digits and _")
    settings.load(None, {f"roles.{name}.use": f"{name}:Role"}, source="roles new")
    check_role_names([name])


def _check_module_name(name: str) -> None:
    """Make sure that the file of a new role can be imported."""
    from importlib.util import find_spec

    if keyword.iskeyword(name):
        raise ConfigError(f"'{name}' is a Python keyword; choose another name")
    if find_spec(name):
        raise ConfigError(f"Python already has a module '{name}'; choose another name")
