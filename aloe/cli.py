"""The command `aloe`: names, what each is for, and the module that is imported when it is called.

Each command reads one artifact and writes the next. It belongs to the package that does its work;
this file mounts it by name, so that `--help` is instant and nothing below imports what is above.
Errors become one line and exit code 2 here.
"""

import os
import sys
from errno import EACCES, ENAMETOOLONG
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

import aloe
from aloe.console import open_closed_streams, say_error, want_tracebacks
from aloe.errors import BUDGET_SPENT, EXIT_CODE, AloeError, BudgetError
from aloe.options import refuse_empty
from aloe.telemetry import silence_langsmith


class Command(NamedTuple):
    """Where a command, or a group of them, stands."""

    target: str
    """`MODULE:NAME` of a function or a `typer.Typer`."""
    help: str
    """The first line of its own help."""
    hidden: bool = False


COMMANDS = {
    "personas": Command(
        "aloe.graphs.commands.personas:app", "Grow, check, split and share pools of persona users."
    ),
    "simulate": Command(
        "aloe.graphs.commands.simulate:simulate",
        "Simulate conversation trees between persona users and assistants.",
    ),
    "batches": Command(
        "aloe.graphs.commands.batches:batches",
        "Show the batches that a run waits for, or cancel them at the server.",
    ),
    "chat": Command(
        "aloe.graphs.commands.chat:chat",
        "Talk to a model, or to two side by side, and say which reply is better.",
    ),
    "rejudge": Command(
        "aloe.benchmark.commands.rejudge:rejudge",
        "Judge stored trees again with another judge, and show which labels flip.",
    ),
    "relabel": Command(
        "aloe.memory.commands.relabel:relabel",
        "Label stored trees by what came of each reply, and compare that with the judge's labels.",
    ),
    "judge": Command(
        "aloe.benchmark.commands.judge:app", "Find out how far a judge can be trusted."
    ),
    "export": Command(
        "aloe.training.commands.export:export",
        "Turn trees into rows that TRL or another trainer loads directly.",
    ),
    "trace": Command(
        "aloe.memory.commands.trace:trace",
        "List the trees of a run, draw one of them, or show one message with all its calls.",
    ),
    "report": Command(
        "aloe.memory.commands.report:report",
        "Write one HTML page with the figures, curves and trees of a run.",
    ),
    "view": Command(
        "aloe.benchmark.commands.view:view",
        "Serve runs on this machine: a list, the report of each, and two side by side.",
    ),
    "label": Command(
        "aloe.benchmark.commands.label:label",
        "Say which of two replies is better, without seeing who wrote them or what the judge said.",
    ),
    "init": Command("aloe.commands.init:init", "Write starter settings into a folder."),
    "config": Command("aloe.agents.commands.config:app", "Check settings before they are used."),
    "trust": Command(
        "aloe.commands.trust:trust",
        "Let the settings of a run folder that came from elsewhere import code and use keys.",
    ),
    "example": Command(
        "aloe.benchmark.commands.example:example",
        "Copy a recorded run: conversation trees, and a benchmark before and after training.",
    ),
    "doctor": Command(
        "aloe.graphs.commands.doctor:doctor",
        "Check the installation, the settings, and that each model's answers are usable.",
    ),
    "schema": Command(
        "aloe.commands.schema:schema", "Print the JSON Schema of one line of a file."
    ),
    "trees": Command(
        "aloe.memory.commands.trees:app", "Merge, prune or import conversation trees."
    ),
    "graph": Command(
        "aloe.graphs.commands.graph:graph",
        "Draw a LangGraph state machine from its own code, as Mermaid text or with boxes.",
    ),
    "train": Command("aloe.training.commands.train:app", "Train a model on trees or rows."),
    "bench": Command(
        "aloe.benchmark.commands.bench:app",
        "Measure how well a model adapts during a conversation.",
    ),
    "roles": Command("aloe.agents.commands.roles:app", "See the agents, and add custom roles."),
    "users": Command(
        "aloe.benchmark.commands.users:app", "Find out how far simulated users can be trusted."
    ),
    "experiment": Command(
        "aloe.benchmark.commands.experiment:experiment",
        "Grow trees, train on them, and measure whether the models adapt to users they never met.",
    ),
    "experiment-trees": Command(
        "aloe.benchmark.commands.experiment:experiment_trees",
        "Grow trees with rules as user, inducer, rewriter and judge; a stage of `aloe experiment`.",
        hidden=True,
    ),
}
PANELS = {
    "Start": "init example doctor chat config trust",
    "Personas and trees": "personas simulate batches trees relabel rejudge",
    "Train": "export train experiment",
    "Measure": "bench judge users label",
    "Look": "trace report view",
    "Extend": "roles graph schema",
}
"""The commands as `aloe --help` groups them."""
SETTINGS = {"help_option_names": ["-h", "--help"]}


class LazyGroup(TyperGroup):
    """A group whose commands are imported when they are called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put the command itself in the place of its name and line."""
        if args and args[0] in COMMANDS:
            self.commands[args[0]] = load(args[0])
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="aloe",
    cls=LazyGroup,
    help="Simulate users with preferences of their own, train models on the trees, measure them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings=SETTINGS,
)
_panels = {name: panel for panel, names in PANELS.items() for name in names.split()}
for _name in dict.fromkeys([*_panels, *COMMANDS]):
    _command = COMMANDS[_name]
    _panel = _panels.get(_name)
    app.command(_name, help=_command.help, hidden=_command.hidden, rich_help_panel=_panel)(
        lambda: None
    )


def load(name: str) -> Any:
    """Import a command of `COMMANDS` and return it as Click's, with its flags or subcommands."""
    module, _, attribute = COMMANDS[name].target.partition(":")
    target = getattr(import_module(module), attribute)
    parent = typer.Typer(
        pretty_exceptions_enable=False, rich_markup_mode="markdown", context_settings=SETTINGS
    )
    if isinstance(target, typer.Typer):
        parent.add_typer(target, name=name)
    else:
        parent.command(name, hidden=COMMANDS[name].hidden)(target)
    return _with_traceback(get_group(parent).commands[name])


def _with_traceback(command: Any) -> Any:
    """Give a command, or every one of a group, the flag `--traceback`."""
    for each in getattr(command, "commands", {}).values():
        _with_traceback(each)
    if not hasattr(command, "commands"):
        command.params += _shared_flags()
    return command


def _shared_flags() -> list[Any]:
    """Return the flags that every command has, as Click's."""
    bearer = typer.Typer(add_completion=False)

    @bearer.command()
    def bear(
        traceback: bool = typer.Option(
            False,
            "--traceback",
            help="Show the traceback if your own code fails.",
            expose_value=False,
            callback=want_tracebacks,
        ),
    ) -> None: ...

    return [each for each in get_command(bearer).params if each.name == "traceback"]


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    if version:
        typer.echo(aloe.__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; the entry point of the `aloe` script."""
    open_closed_streams()
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "false")
    silence_langsmith()
    want_tracebacks(False)
    try:
        refuse_empty(sys.argv[1:])
        app()
    except AloeError as error:
        from aloe.tracebacks import traceback_of

        say_error(str(error), traceback_of(error))
        sys.exit(BUDGET_SPENT if isinstance(error, BudgetError) else EXIT_CODE)
    except Exception as error:
        from aloe.shortage import find_shortage

        if shortage := find_shortage(error):
            said = f"there is too little memory ({shortage}); what was finished is kept"
        elif not (said := _explain_path(error)):
            raise
        say_error(said)
        sys.exit(EXIT_CODE)


def _explain_path(error: Exception) -> str:
    """Return what is wrong with a path; empty if that is not it.

    Asking whether a file is there raises for a name too long or a folder that is closed to us.
    """
    if not isinstance(error, OSError) or error.errno not in (ENAMETOOLONG, EACCES):
        return ""
    reason = f"cannot be used ({error.strerror}); name another path"
    return f"{error.filename} {reason}" if error.filename else ""


if __name__ == "__main__":
    main()
