import subprocess
import sys
from pathlib import Path

import pytest
from bags import BagOfWords
from pools import CONFIG

from aloe.errors import StoreError
from aloe.memory.pool.open import open_pool


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "personas.jsonl"


def test_the_second_process_is_told_who_writes(path: Path) -> None:
    holder = (
        "import sys; from pathlib import Path; from aloe.memory.pool.files import PoolFiles\n"
        "with PoolFiles(Path(sys.argv[1])).writing(): print('held', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", holder, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with (
        pytest.raises(StoreError, match=f"in use by process {child.pid}"),
        open_pool(path, CONFIG, BagOfWords()),
    ):
        pass
    child.communicate()
    with open_pool(path, CONFIG, BagOfWords()):
        pass
