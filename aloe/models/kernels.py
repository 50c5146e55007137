"""Which kernels llama.cpp computes with, and what the processor has that they leave unused.

llama.cpp says it in one line, such as `CPU : AVX2 = 1 | FMA = 1 | CUDA : ARCHS = 900 |`.
"""

import re
import subprocess
from pathlib import Path

_BACKEND = re.compile(r"(\w+) : ((?:\w+ = \w+ \| ?)+)")
_DEVICE = re.compile(r"- (?!CPU\b)(\w+) +: (.+?) \(\d+ MiB")
_PATIENCE = 20
"""Seconds for a binary that only starts and says what it is."""

_NAMES = {
    "avx512f": "AVX512",
    "avx512_vnni": "AVX512_VNNI",
    "avx512_bf16": "AVX512_BF16",
    "avx_vnni": "AVX_VNNI",
    "amx_int8": "AMX_INT8",
}
"""What makes llama.cpp faster, as Linux and as llama.cpp call it."""


def find_kernels(binary: Path | None) -> str:
    """Return the kernels of a `llama-server` (None: of the llama.cpp here), empty if unknown.

    A binary says so before it loads a model, at a level of detail that is too much for a run; so it
    is started once more, with a model that is not there.
    """
    if binary is None:
        import xllamacpp

        return read_kernels(xllamacpp.get_system_info())
    command = [str(binary), "--model", "/nonexistent", "--verbosity", "4", "--port", "0"]
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return read_kernels(ran.stdout + ran.stderr)


def read_kernels(text: str) -> str:
    """Return the kernels and the GPUs that llama.cpp speaks of, empty if it does not."""
    backends: dict[str, list[str]] = {}
    for name, features in _BACKEND.findall(text):
        found = dict(each.split(" = ") for each in features.strip(" |").split(" | "))
        backends[name] = [key for key, value in found.items() if value != "0"]
    parts = [f"{name} kernels {', '.join(features)}" for name, features in backends.items()]
    return "; ".join(parts + [f"{name}: {what}" for name, what in _DEVICE.findall(text)])


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
