"""The command `aloe`: where all rooms meet.

Each verb reads one artifact and writes the next. This file only lists the verbs and turns errors
into one line and exit code 2; what a verb does stands in `aloe.commands`.
"""

import importlib.util
import os
import sys
from pathlib import Path

import typer

import aloe
from aloe.commands import (
    bench,
    doctor,
    export,
    graph,
    judge,
    label,
    personas,
    proof,
    rejudge,
    report,
    roles,
    schema,
    simulate,
    trace,
    train,
    trees,
    users,
)
from aloe.console import say
from aloe.errors import BUDGET_SPENT, EXIT_CODE, AloeError, BudgetError, ConfigError
from aloe.telemetry import silence_langsmith

app = typer.Typer(
    name="aloe",
    help="Grow personas, simulate conversation trees with them, export training data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(personas.app, name="personas")
app.command("simulate")(simulate.simulate)
app.command("rejudge")(rejudge.rejudge)
app.add_typer(judge.app, name="judge")
app.command("export")(export.export)
app.command("trace")(trace.trace)
app.command("report")(report.report)
app.command("label")(label.label)
app.command("doctor")(doctor.doctor)
app.command("schema")(schema.schema)
app.add_typer(trees.app, name="trees")
app.command("graph")(graph.graph)
app.add_typer(train.app, name="train")
app.add_typer(bench.app, name="bench")
app.add_typer(roles.app, name="roles")
app.add_typer(users.app, name="users")
app.command("proof")(proof.proof)
app.command("proof-trees", hidden=True)(proof.proof_trees)


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    if version:
        typer.echo(aloe.__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; the entry point of the `aloe` script."""
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "false")
    silence_langsmith()
    try:
        check_packages()
        app()
    except AloeError as error:
        say(f"aloe: {error}", style="red")
        sys.exit(BUDGET_SPENT if isinstance(error, BudgetError) else EXIT_CODE)


def check_packages() -> None:
    """Make sure that the folders imported by plain names are this project's.

    Raises:
        ConfigError: another installed package shadows one of them.
    """
    home = Path(aloe.__file__).parent.parent
    for room in ("agents", "graphs", "memory", "training", "benchmark"):
        spec = importlib.util.find_spec(room)
        if spec is None or spec.origin is None or Path(spec.origin).parent.parent != home:
            found = spec.origin if spec else "nothing"
            raise ConfigError(
                f"the package '{room}' here is not aloe's (found {found}); "
                "install aloe in a virtual environment of its own"
            )


if __name__ == "__main__":
    main()
