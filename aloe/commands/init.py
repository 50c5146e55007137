"""`aloe init`: settings, examples and configs of accelerate to start from.

What is written are copies of what the program ships and tests, so they work as they are.
"""

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from string import Template
from typing import Annotated, NamedTuple

import typer
from rich.text import Text

from aloe.console import finish, show, stderr
from aloe.errors import ConfigError, StoreError
from aloe.options import Json

PACKAGE = Path(__file__).parent.parent
SETTINGS = "aloe.toml"
EXAMPLES = {
    "safety_critic.py": "example of a role: rates how risky each reply is",
    "three_party.py": "example of a role: a second person, who joins the talk",
    "reward_judge.py": "example of a judge: a reward model",
}
ACCELERATE = {
    "ddp.yaml": "for `accelerate launch`: several GPUs, the model on each",
    "fsdp.yaml": "the same, the model spread over them",
    "deepspeed.yaml": "the same, with DeepSpeed",
}
"""What is written, with what it is for."""


class Server(StrEnum):
    """Whose models are used."""

    openai = "openai"
    vllm = "vllm"
    ollama = "ollama"
    local = "local"


class Choice(NamedTuple):
    """What stands in the settings for a server."""

    label: str
    model: str
    concurrency: int
    about: str
    more: str = ""
    """Further sections."""
    user: str = ""
    """Model of the users, as TOML; empty: the same."""
    simulation: str = ""
    """Further lines about the simulation."""
    min_margin: float = 0.05
    min_mass: float = 0.5


CHOICES = {
    Server.openai: Choice(
        "OpenAI, or another API",
        "openai:gpt-4o-mini",
        16,
        "# The key is read from the environment: export OPENAI_API_KEY=...\n"
        '# Another API: "openai:NAME@https://HOST/v1", its key in the variable of api_key_env.',
        '\n[prices."gpt-4o-mini"]     # US dollars per million tokens; look yours up\n'
        "input = 0.15\noutput = 0.60\n",
    ),
    Server.vllm: Choice(
        "a vLLM server of your own",
        "openai:Qwen/Qwen3-8B@http://127.0.0.1:8000/v1",
        64,
        "# Start the server first: vllm serve Qwen/Qwen3-8B --reasoning-parser qwen3\n"
        '# Models that think cost time: { model = "...", reasoning = "off" } switches it off.',
    ),
    Server.ollama: Choice(
        "Ollama on this machine",
        "openai:llama3.2:3b@http://127.0.0.1:11434/v1",
        4,
        "# Get the model first: ollama pull llama3.2:3b\n"
        "# Raise OLLAMA_NUM_PARALLEL together with simulation.concurrency.",
    ),
    Server.local: Choice(
        "the embedded model: no key, no server",
        "local:smollm2-135m",
        2,
        "# So small a model shows how it works and no more. A better one in this process:\n"
        '# "local:Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M" (downloaded once)\n'
        '# or "local:FILE.gguf".',
        user='{ model = "local:smollm2-135m", frequency_penalty = 0.4, max_tokens = 48 }',
        simulation="user_window = 0   # the user rereads only the last reply\n",
        min_margin=0.02,
        min_mass=0.1,
    ),
}


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder to fill.")] = Path(),
    server: Annotated[
        Server | None, typer.Option("--for", help="Provider of the models; asked on a terminal.")
    ] = None,
    examples: Annotated[
        bool, typer.Option("--examples", help="Also three examples of roles and judges.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write starter settings into a folder.

    aloe.toml, and configs of accelerate for several GPUs. Existing files are left alone.

    Example: `aloe init my-project --for vllm`
    """
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file; name a folder")
    server = server or _ask_for_server()
    files = _make_files(CHOICES[server], EXAMPLES if examples else ())
    there = [name for name in files if (folder / name).exists()]
    written = [name for name in files if name not in there]
    _write(folder, {name: files[name] for name in written})
    where = "" if folder == Path() else f"{folder}/"
    width = max(map(len, written), default=0)
    about = _describe_files(CHOICES[server])
    for name in written:
        line = f"wrote {where}{name:<{width}}  {about[name]}"
        show(Text(line), as_json=as_json, lines=True, cut=False)
    if there:
        show(Text(f"left as they are: {', '.join(where + n for n in there)}"), as_json=as_json)
    following = _name_commands(folder)
    show(Text("next:\n" + "\n".join(f"  {line}" for line in following)), as_json=as_json)
    finish({"written": written, "left": there, "next": following}, as_json=as_json)


def _ask_for_server() -> Server:
    """Let a person choose on a terminal.

    Raises:
        ConfigError: nobody is there to choose.
    """
    names = ", ".join(Server)
    if not (sys.stdin.isatty() and stderr().is_terminal):
        raise ConfigError(f"name the provider of your models: --for {'|'.join(Server)}")
    for number, (name, choice) in enumerate(CHOICES.items(), 1):
        stderr().print(Text(f"  {number}  {name:<7} {choice.label}"))
    while True:
        said = typer.prompt("Whose models", default="local", err=True).strip().lower()
        if said.isdigit() and 1 <= int(said) <= len(CHOICES):
            return list(CHOICES)[int(said) - 1]
        if said in CHOICES:
            return Server(said)
        stderr().print(Text(f"one of {names}, or its number"))


def _describe_files(choice: Choice) -> dict[str, str]:
    """Return what each file is for, by name."""
    configs = {f"accelerate/{name}": about for name, about in ACCELERATE.items()}
    return {SETTINGS: f"settings: every role is {choice.model}", **EXAMPLES, **configs}


def _make_files(choice: Choice, examples: Iterable[str]) -> dict[str, str]:
    """Return what is written, by name."""
    model = f'"{choice.model}"'
    template = (PACKAGE / "templates" / "settings.toml").read_text(encoding="utf-8")
    settings = Template(template).substitute(
        model=model,
        user=choice.user or model,
        concurrency=choice.concurrency,
        about=choice.about,
        more=choice.more,
        simulation=choice.simulation,
        min_margin=choice.min_margin,
        min_mass=choice.min_mass,
    )
    sources = {name: PACKAGE / "examples" / name for name in examples}
    sources |= {f"accelerate/{name}": PACKAGE / "training/configs" / name for name in ACCELERATE}
    copies = {name: path.read_text(encoding="utf-8") for name, path in sources.items()}
    return {SETTINGS: settings, **copies}


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write files that are not there.

    Raises:
        StoreError: one cannot be written.
    """
    from aloe.files.writing import replace_text

    for name, text in files.items():
        replace_text(folder / name, text)


def _name_commands(folder: Path) -> list[str]:
    """Return the next three commands."""
    enter = "" if folder == Path() else f"cd {folder} && "
    return [
        f"{enter}aloe config check {SETTINGS}",
        "aloe personas export --count 10 --out personas.jsonl",
        f"aloe simulate --config {SETTINGS} --personas personas.jsonl --out runs/first",
    ]
