"""Folders to the hub: an exported data set or a trained model, each with its card.

Private unless asked otherwise, and never into a repository that is public already. The token is
taken from the environment only, so that none is ever in settings, logs or shell histories. Sending
is the hub client's: what has arrived is not sent again, so the same command goes on where one was
broken off.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aloe.errors import ConfigError, ModelError
from aloe.models.hub import TIMEOUT, choose_bars, explain_unreachable, is_hub_name
from aloe.models.weights import ADAPTER, ADAPTER_GGUF, MODEL_GGUF
from aloe.secrets import one_line
from aloe.training.release import SPLITS, SUFFIXES

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Kind = Literal["dataset", "model"]

TOKEN = "HF_TOKEN"
"""Variable that the token is taken from."""

RECORD = "training.json"
"""The file by which a model is known as pushed from here."""

KEPT_HERE = (".*", "checkpoints/*", "training_args.bin", "ref/adapter_*")
"""What stays: hidden files, the way back of a training, a pickle that names this machine, and the
adapter that a training compared with (of earlier versions)."""

STALE: dict[Kind, tuple[str, ...]] = {
    "dataset": tuple(f"{split}{suffix}" for split in SPLITS for suffix in SUFFIXES),
    "model": (
        "config.json", "generation_config.json", "model.safetensors", "model-*-of-*.safetensors",
        "model.safetensors.index.json", ADAPTER, "adapter_model.*", ADAPTER_GGUF, MODEL_GGUF,
        "ref/adapter_*", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
        "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "chat_template.*",
        "curves.png", RECORD,
    ),
}  # fmt: skip
"""What an earlier push may have left in the repository: a persona of its test split could be in
the train split now, and an adapter would be put on weights that it was not trained on."""


@dataclass(frozen=True, kw_only=True)
class Push:
    """Where a folder is to go."""

    repo: str
    """As `OWNER/NAME`."""
    kind: Kind
    public: bool = False

    def __post_init__(self) -> None:
        if not is_hub_name(self.repo) or ":" in self.repo:
            raise ConfigError(f"--push-to-hub: '{self.repo}' is not a repository (ORG/NAME)")

    @property
    def visibility(self) -> str:
        """`public` or `private`."""
        return "public" if self.public else "private"


def list_files(folder: Path) -> dict[str, int]:
    """Return what would be sent of a folder: size in bytes by path, in order.

    Raises:
        ConfigError: it has no card, so it is neither an exported data set nor a trained model.
    """
    if not (folder / "README.md").is_file():
        raise ConfigError(f"{folder} has no README.md, so it is not a dataset or model with a card")
    files = sorted(each for each in folder.rglob("*") if each.is_file())
    names = {each.relative_to(folder).as_posix(): each.stat().st_size for each in files}
    return {
        name: size
        for name, size in names.items()
        if not any(fnmatch(name, kept) for kept in KEPT_HERE) and "/." not in name
    }


def check_push(push: Push, environment: Mapping[str, str] = os.environ) -> None:
    """Make sure, before any work is done, that the hub knows who pushes.

    Raises:
        ConfigError: there is no token, or the hub does not take it.
        ModelError: the hub cannot be reached.
    """
    with _explained(push):
        _api(environment).whoami()


def push_folder(folder: Path, push: Push, environment: Mapping[str, str] = os.environ) -> str:
    """Send a folder; return its address.

    Raises:
        ConfigError: there is no token, it may not write there, the repository is public and that
            was not asked for (or private, and it was), or it holds a model that was not pushed
            from here.
        ModelError: the hub cannot be reached, or refuses what is sent.
    """
    files = list(list_files(folder))
    with _explained(push):
        api = _api(environment)
        address = api.create_repo(
            push.repo, repo_type=push.kind, private=not push.public, exist_ok=True
        )
        info: Any = api.repo_info(push.repo, repo_type=push.kind, timeout=TIMEOUT)
        if not (push.public or info.private):
            raise ConfigError(
                f"{push.repo} is public; say --public to push there, or name another repository"
            )
        if push.public and info.private:
            raise ConfigError(
                f"{push.repo} is private and stays so, nothing was sent; make it public in its "
                "settings on the hub first, or leave out --public"
            )
        stale = _find_stale(push, api, files)
        choose_bars()
        api.upload_folder(
            repo_id=push.repo,
            repo_type=push.kind,
            folder_path=folder,
            allow_patterns=files,
            delete_patterns=stale or None,
            commit_message="Upload with aloe",
        )
    return str(address)


def _find_stale(push: Push, api: "HfApi", files: Sequence[str]) -> list[str]:
    """Return what an earlier push left in the repository and `files` would not replace.

    Raises:
        ConfigError: that is a model, and was not pushed from here.
    """
    there = api.list_repo_files(push.repo, repo_type=push.kind)
    stale = [
        name
        for name in there
        if name not in files
        and any(fnmatch(name, each) and name.count("/") == each.count("/")
                for each in STALE[push.kind])
    ]  # fmt: skip
    if stale and push.kind == "model" and RECORD not in there:
        raise ConfigError(
            f"{push.repo} holds {stale[0]}, which is no part of this model and not from "
            "`aloe train`; delete it there, or name another repository"
        )
    return stale


def _api(environment: Mapping[str, str]) -> "HfApi":
    """Return a client with the token of the environment."""
    from huggingface_hub import HfApi, constants

    token = environment.get(TOKEN, "").strip()
    if not token:
        raise ConfigError(f"no token to push with: create one with write access and set {TOKEN}")
    if constants.HF_HUB_OFFLINE:
        raise ModelError(
            "HF_HUB_OFFLINE forbids to push; unset it, or see what would go: --dry-run"
        )
    return HfApi(endpoint=environment.get("HF_ENDPOINT") or None, token=token)


@contextmanager
def _explained(push: Push) -> Iterator[None]:
    """Turn what the hub's client raises into one of our errors."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except (ConfigError, ModelError):
        raise
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status == 401:
            raise ConfigError(f"the hub does not know the token in {TOKEN} (401)") from None
        if status in (403, 404):
            raise ConfigError(
                f"the token in {TOKEN} may not write to {push.repo} ({status}); give it the right "
                "to, or name a repository of your own"
            ) from None
        raise ModelError(
            f"pushing to {push.repo} failed: {one_line(error)}; run it again"
        ) from None
    except ValueError as error:  # a card that the hub does not take
        raise ModelError(f"the hub refuses what goes to {push.repo}: {one_line(error)}") from None
    except Exception as error:  # httpx, hf_xet and the socket each have their own
        raise ModelError(
            f"pushing to {push.repo} failed, the hub cannot be reached: "
            f"{explain_unreachable(error)}"
        ) from None
