"""What is made sure of before an export: that notes and the judge are as asked for."""

from collections.abc import Sequence
from pathlib import Path

from aloe.errors import ConfigError
from aloe.passport import read_passport
from aloe.schema import Tree
from aloe.training.export import COLUMNS, OPTIONAL_COLUMNS, Origin


def check_notes(trees: Sequence[Tree], roles: Sequence[str]) -> None:
    """Make sure that somebody noted what is asked for, and that the columns are free.

    Raises:
        ConfigError: nobody did, or a column has another meaning.
    """
    known = sorted({role for tree in trees for node in tree.nodes for role in node.notes})
    columns = (*COLUMNS.values(), *OPTIONAL_COLUMNS.values())
    taken = {*Origin.__dataclass_fields__, *(name for names in columns for name in names)}
    for role in roles:
        if role in taken:
            raise ConfigError(f"--with {role}: rows have a column of that name; rename the role")
        if role not in known:
            there = ", ".join(known) or "none at all"
            raise ConfigError(f"--with {role}: no message has its notes; there are {there}")


def check_judge(run: Path, passport: Path | None, least: float) -> None:
    """Make sure that the judge of `run` is known to be good enough.

    Raises:
        ConfigError: it is not, or there is no passport.
    """
    if passport is None:
        raise ConfigError(
            f"{run}: no run folder with a passport.json, so the judge's accuracy is unknown; "
            "run `aloe judge audit`, set `passport` under [judge], then `aloe rejudge`"
        )
    found = read_passport(passport)
    accuracy = found.accuracy
    if (accuracy.value or 0.0) < least:
        raise ConfigError(
            f"the judge is right on {accuracy.value or 0.0:.0%} of the pairs that it decides, "
            f"{found.against} ({passport}), and {least:.0%} are required; judge again with "
            "another: `aloe rejudge`"
        )
