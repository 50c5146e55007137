"""Which kernels llama.cpp computes with, and what the processor has that they leave unused.

llama.cpp says it in one line, such as `CPU : AVX2 = 1 | FMA = 1 | CUDA : ARCHS = 900 |`.
"""

import re
from collections.abc import Iterable
from pathlib import Path

_BACKEND = re.compile(r"(\w+) : ((?:\w+ = \w+ \| ?)+)")
_OFFLOADED = re.compile(r"offloaded \d+/\d+ layers to GPU")

_NAMES = {
    "avx512f": "AVX512",
    "avx512_vnni": "AVX512_VNNI",
    "avx512_bf16": "AVX512_BF16",
    "avx_vnni": "AVX_VNNI",
    "amx_int8": "AMX_INT8",
}
"""What makes llama.cpp faster, as Linux and as llama.cpp call it."""


def read_kernels(said: Iterable[str]) -> str:
    """Return the kernels and the layers on a GPU that llama.cpp speaks of, empty if it does not."""
    text = "\n".join(said)
    backends: dict[str, list[str]] = {}
    for name, features in _BACKEND.findall(text):
        found = dict(each.split(" = ") for each in features.strip(" |").split(" | "))
        backends[name] = [key for key, value in found.items() if value != "0"]
    parts = [f"{name} kernels {', '.join(features)}" for name, features in backends.items()]
    return "; ".join(parts + _OFFLOADED.findall(text)[-1:])


def unused_features(kernels: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """Return what this processor has for such work and `kernels` do not name.

    Args:
        kernels: as `read_kernels` returns them; if they are unknown, so is what is unused.
        cpuinfo: the file in which Linux lists what the processor has; elsewhere nothing is known.
    """
    try:
        has = set(cpuinfo.read_text(encoding="ascii", errors="ignore").split())
    except OSError:
        return []
    used = set(re.findall(r"\w+", kernels))
    return [name for flag, name in _NAMES.items() if used and flag in has and name not in used]
