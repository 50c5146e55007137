"""GGUF files of the model hub, named as llama.cpp names them: `OWNER/NAME`, `OWNER/NAME:QUANT`.

What is in the hub's cache is taken from there, without a question to anybody; otherwise the file is
downloaded into it, and held against the size and the checksum that the hub states. A name means the
same file whatever else is cached: where several there could be meant, the hub is asked, and where
it cannot be asked, the person is.
"""

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from aloe.console import say, stderr
from aloe.errors import ConfigError, ModelError
from aloe.secrets import one_line

if TYPE_CHECKING:
    from huggingface_hub import HfApi

DEFAULT_QUANT = "Q4_K_M"
"""What is taken where none is named, as llama.cpp does."""

TIMEOUT = 20.0
"""Seconds that the hub has to answer."""

_NAME = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?::(?P<quant>[\w.-]+))?")
_QUANT = re.compile(r"[-._]((?:I?Q\d\w*|F16|F32|BF16|MXFP4\w*))(?=[-.]|$)", re.IGNORECASE)
_PART = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")
_CHUNK = 1 << 20


class _OfflineError(ModelError):
    """The hub cannot be reached, or may not be."""


class HubFile(NamedTuple):
    """A GGUF file of a repository, as the hub describes it."""

    name: str
    size: int
    """Bytes."""
    sha256: str | None
    """None if the hub states none, as for files outside its large-file storage."""
    revision: str


def is_hub_name(name: str) -> bool:
    """Whether `name` has the form of a repository, with or without a quantization."""
    whole = _NAME.fullmatch(name)
    return bool(whole) and not name.lower().endswith(".gguf") and not name.startswith((".", "~"))


def find_cached(name: str) -> Path | None:
    """Return the file that `name` names if it is in the hub's cache and no other can be meant."""
    repo, quant = _split(name)
    there = _find_all_cached(repo)
    fitting = _fitting(list(there), quant or DEFAULT_QUANT)
    return there[fitting[0]] if len(fitting) == 1 else None


def find_revision(name: str) -> Path | None:
    """Return the file in the hub's cache that says which revision of a repository is meant.

    That is the one from which transformers reads `OWNER/NAME`. The hub's client is not imported for
    it: it would read then whether it may go online, and the loader has not said yet.
    """
    constants = sys.modules.get("huggingface_hub.constants")
    read = os.environ.get
    home = Path(read("HF_HOME") or Path(read("XDG_CACHE_HOME") or "~/.cache", "huggingface"))
    named = read("HF_HUB_CACHE") or read("HUGGINGFACE_HUB_CACHE") or str(home / "hub")
    cache = getattr(constants, "HF_HUB_CACHE", named)
    folder = Path(os.path.expandvars(cache)).expanduser() / f"models--{name.replace('/', '--')}"
    return found if (found := folder / "refs" / "main").is_file() else None


def _find_all_cached(repo: str) -> dict[str, Path]:
    """Return the files of a repository in the hub's cache by name, the newest first."""
    from huggingface_hub.constants import HF_HUB_CACHE

    home = Path(HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}" / "snapshots"
    found = [path for path in home.glob("*/**/*.gguf") if path.is_file() and _is_model(path.name)]
    found.sort(key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
    there: dict[str, Path] = {}
    for path in found:
        there.setdefault("/".join(path.relative_to(home).parts[1:]), path)
    return there


def fetch_gguf(name: str) -> Path:
    """Return the file that `name` names, downloaded if it is not in the cache.

    Raises:
        ConfigError: the hub has no such repository or quantization, or its file is in parts.
        ModelError: the hub cannot be reached, and the cache does not settle what is meant, or what
            came is not what the hub states.
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    return find_cached(name) or _fetch(name, HF_HUB_CACHE)


@cache
def _fetch(name: str, _cache: str) -> Path:
    """Ask the hub what `name` means, once in a process, and return that file."""
    repo, quant = _split(name)
    there = _find_all_cached(repo)
    from huggingface_hub import HfApi

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
    try:
        with _explained(name, repo):
            file = _find_file(api, name, repo, quant)
    except _OfflineError:
        whole = [each for each in there if not _PART.search(each)]
        if others := _fitting(whole, quant or DEFAULT_QUANT) or ([] if quant else whole):
            raise _OfflineError(
                f"local:{name}: the hub cannot be asked which file that is; its cache has "
                f"{', '.join(others[:3])}: name one, as in local:{there[others[0]]}"
            ) from None
        raise
    if file.name in there:
        return there[file.name]
    with _explained(name, repo):
        path = _download(api, repo, file)
    _check(name, path, file)
    return path


def _split(name: str) -> tuple[str, str | None]:
    found = _NAME.fullmatch(name)
    assert found
    return found["repo"], found["quant"]


def _find_file(api: "HfApi", name: str, repo: str, quant: str | None) -> HubFile:
    """Return the file of a repository that has the quantization asked for."""
    info = api.model_info(repo, files_metadata=True, timeout=TIMEOUT)
    files = {each.rfilename: each for each in info.siblings or () if _is_model(each.rfilename)}
    if not files:
        raise ConfigError(
            f"local:{name}: {repo} holds no GGUF file; look for one whose name ends in -GGUF"
        )
    chosen = _choose(list(files), quant or DEFAULT_QUANT)
    chosen = chosen or (None if quant else _any_whole(list(files)))
    if chosen is None:
        raise ConfigError(f"local:{name}: {_missing(repo, quant, list(files))}")
    found: Any = files[chosen]
    checksum = found.lfs.sha256 if found.lfs else None
    return HubFile(chosen, found.size or 0, checksum, info.sha or "main")


def _is_model(file: str) -> bool:
    base = file.rpartition("/")[2].lower()
    return base.endswith(".gguf") and not base.startswith(("mmproj", "imatrix"))


def _choose(files: Sequence[str], quant: str) -> str | None:
    """Return the whole file of a quantization, None if there is none."""
    return next(iter(_fitting(files, quant)), None)


def _fitting(files: Sequence[str], quant: str) -> list[str]:
    """Return the whole files of a quantization, the shortest name first."""
    whole = [each for each in files if not _PART.search(each)]
    return sorted((each for each in whole if quant_of(each) == quant.upper()), key=len)


def _any_whole(files: Sequence[str]) -> str | None:
    return next((each for each in files if not _PART.search(each)), None)


def quant_of(file: str) -> str:
    """Return the quantization in the name of a file, in capitals; empty if it names none."""
    stem = _PART.sub(".gguf", file.rpartition("/")[2])[: -len(".gguf")]
    found = _QUANT.findall(stem)
    return found[-1].upper() if found else ""


def _missing(repo: str, quant: str | None, files: Sequence[str]) -> str:
    """Return why no file can be taken."""
    whole = sorted({quant_of(each) for each in files if not _PART.search(each)} - {""})
    there = f"there are {', '.join(whole)}" if whole else "there is none in one file"
    parted = {quant_of(each) for each in files if _PART.search(each)}
    if quant and quant.upper() in parted:
        return f"{quant} of {repo} is split into parts, which are not put together here; {there}"
    return f"{repo} has no {quant or 'whole file'}; {there}"


def _download(api: "HfApi", repo: str, file: HubFile) -> Path:
    say(f"downloading {file.name} of {repo}, {format_size(file.size)}, into the hub's cache")
    choose_bars()
    return Path(api.hf_hub_download(repo, file.name, revision=file.revision))


def choose_bars() -> None:
    """Let the hub's client show its progress on a terminal, and nowhere else."""
    from huggingface_hub import utils

    bars: Any = utils
    (bars.enable_progress_bars if stderr().is_terminal else bars.disable_progress_bars)()


def format_size(count: int) -> str:
    """Return a number of bytes as people read it."""
    if count < 1e6:
        return f"{count / 1e3:,.1f} kB"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def _check(name: str, path: Path, file: HubFile) -> None:
    """Make sure that a file is what the hub states; one that is not is taken away again.

    Raises:
        ModelError: it is not.
    """
    problem = ""
    if file.size and path.stat().st_size != file.size:
        problem = f"{path.stat().st_size} bytes came of {file.size}"
    elif file.sha256 and _hash(path) != file.sha256:
        problem = "its checksum is not the one that the hub states"
    if problem:
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise ModelError(f"local:{name}: {file.name} is broken ({problem}); try again")


def _hash(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as data:
        while chunk := data.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


@contextmanager
def _explained(name: str, repo: str) -> Iterator[None]:
    """Turn what the hub's client raises into one of our errors."""
    from huggingface_hub import errors

    try:
        yield
    except (ConfigError, ModelError):
        raise
    except errors.GatedRepoError:
        raise ModelError(
            f"local:{name}: {repo} asks for your consent; give it on the hub and set HF_TOKEN"
        ) from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise ConfigError(
            f"local:{name} is no file here, and the hub has no {repo} (or it is private: set "
            "HF_TOKEN)"
        ) from None
    except errors.OfflineModeIsEnabled:
        raise _OfflineError(
            f"local:{name} is not in the hub's cache, and HF_HUB_OFFLINE forbids to download it"
        ) from None
    except Exception as error:
        raise _OfflineError(
            f"local:{name} is not in the hub's cache, and the hub cannot be reached: "
            f"{explain_unreachable(error)}"
        ) from None


_UNCONNECTED = {"ConnectError", "ConnectTimeout", "ConnectionError", "gaierror"}
"""Exceptions by which a client says that it found or reached no server; each has its own."""


def explain_unreachable(error: BaseException) -> str:
    """Return why a request to the hub failed, in a few words."""
    from huggingface_hub import constants

    from aloe.models.http_answer import causes

    names = {kind.__name__ for each in causes(error) for kind in type(each).__mro__}
    if names & _UNCONNECTED:
        server = urlsplit(os.environ.get("HF_ENDPOINT") or constants.ENDPOINT)
        return f"no connection to {server.hostname or server.geturl()}"
    return one_line(error)
