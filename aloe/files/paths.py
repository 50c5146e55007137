"""Texts that people typed, taken as paths: any text may come, so probing one never fails."""

from pathlib import Path


def expand_home(text: str) -> Path:
    """Return a path with its `~` or `~user` replaced; as in a shell, it stays for nobody's home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def is_there(path: Path) -> bool:
    """Whether a file or folder is there; not what is too long for a name, or out of reach."""
    try:
        return path.exists()
    except OSError:
        return False
