"""What a run was made with beside its settings: prompts, models, own code, the judge's passport.

All are files whose content may change under the same name, so the run folder keeps their hashes
(of the passport, the whole of it), and nobody goes on with a run by others.
"""

from collections.abc import Mapping
from pathlib import Path

from aloe.errors import ConfigError, InputError
from aloe.files.json_objects import load_json
from aloe.files.writing import replace_text
from aloe.passport import Calibration, Passport, read_passport

CASES, SCORES = "cases.jsonl", "scores.jsonl"
"""What only a benchmark has beside its trees; its controls have no cases."""


def holds_benchmark(path: Path) -> bool:
    """Whether a folder is a benchmark's or one of its controls'."""
    return any((path / name).is_file() for name in (CASES, SCORES))


class RunInputs:
    """The part of a run folder that says what its trees were made with.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trees = path / "trees.jsonl"
        self.prompts = path / "prompts.json"
        self.models = path / "models.json"
        self.passport = path / "passport.json"

    def check_prompts(self, prompts: Mapping[str, str]) -> None:
        """Make sure that the run in the folder, if there is one, was made with these prompts.

        Raises:
            ConfigError: it was made with others.
            InputError: what is written about them is broken.
        """
        if changed := find_changed(self.read_prompts(), prompts):
            raise ConfigError(
                f"{self.path} holds a run with other prompts ({', '.join(changed[:3])}); "
                "name another folder, or use its prompts"
            )

    def check_passport(self, passport: Passport | None, remedy: str = "") -> None:
        """Make sure that all confidences of the run come from one calibration, or there are none.

        Args:
            passport: the one that further verdicts go by; None: they have no confidence.
            remedy: what to do if they differ, unless trees are to be added to these.

        Raises:
            ConfigError: the verdicts in the folder go by another.
            InputError: the folder's passport is broken.
        """
        if not self.trees.exists():
            return
        there = self.calibration()
        if there == (passport and passport.calibration):
            return
        if there is None:
            what = "judged without a passport, so only new ones would have confidences"
            use = "leave judge.passport out (`aloe rejudge` gives confidences to all of them)"
        else:
            of = "another audit of the judge" if passport else f"{self.passport}"
            what = f"with confidences of {of}"
            use = f"name {self.passport} as judge.passport"
        remedy = remedy or f"name another folder, or {use}"
        raise ConfigError(f"{self.path} holds trees {what}; {remedy}")

    def calibration(self) -> Calibration | None:
        """Return what the confidences of the run go by; None if it has none.

        Raises:
            InputError: the folder's passport is broken.
        """
        return read_passport(self.passport).calibration if self.passport.exists() else None

    def keep_passport(self, passport: Passport | None) -> None:
        """Keep the judge's passport beside the trees; None: no confidence of theirs goes by any.

        Raises:
            StoreError: it cannot be written.
        """
        if passport:
            replace_text(self.passport, passport.json_text())
        else:
            self.passport.unlink(missing_ok=True)

    def read_prompts(self) -> dict[str, str]:
        """Return the content hash of every prompt, by name; empty where none is written down.

        Raises:
            InputError: what is written about them is broken.
        """
        return read_hashes(self.prompts, "prompts")

    def check_models(self, models: Mapping[str, str], remedy: str = "name another folder") -> None:
        """Make sure that the run in the folder was made with the models that are here now.

        Args:
            models: hash of the files of each, by model string (`aloe.models.weights`).
            remedy: what to do if they differ.

        Raises:
            ConfigError: the files of one have changed since.
            InputError: what is written about them is broken.
        """
        if changed := self.find_changed(models):
            raise ConfigError(
                f"{self.path} holds a run with {changed[0]} as it was before its files changed; "
                f"{remedy}"
            )

    def check_code(self, code: Mapping[str, str], remedy: str = "name another folder") -> None:
        """Make sure that the trees in the folder were made with the user's own code as it is now.

        As long as there are none, whoever mends a role that fails may try again.

        Args:
            code: hash of the source of each plug-in, by the name that settings have for it.
            remedy: what to do if they differ.

        Raises:
            ConfigError: some of it has changed since.
            InputError: what is written about it is broken.
        """
        if self.trees.exists():
            self.check_models(code, remedy)

    def read_models(self) -> dict[str, str]:
        """Return the hash of the files of every model that was here, by model string.

        Beside them are those of the user's own code, by the name that settings have for it.

        Folders of earlier versions have none.

        Raises:
            InputError: what is written about them is broken.
        """
        return read_hashes(self.models, "models")

    def find_changed(self, models: Mapping[str, str]) -> list[str]:
        """Return the models whose files are others than those of the run in the folder.

        Raises:
            InputError: what is written about them is broken.
        """
        return find_changed(self.read_models(), models)


def find_changed(held: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the names with another hash now than before; what was not recorded has not changed."""
    return [name for name, found in now.items() if held.get(name, found) != found]


def read_hashes(path: Path, what: str) -> dict[str, str]:
    """Return hashes by name; empty if there is no such file.

    Args:
        path: the file.
        what: whose hashes they are, for the error.

    Raises:
        InputError: the file is broken.
    """
    if not path.exists():
        return {}
    try:
        held = load_json(path)
    except (OSError, ValueError):
        held = None
    if not isinstance(held, dict):
        raise InputError(path, f"is not a list of {what}; delete it to continue")
    return held
