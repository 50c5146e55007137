from pathlib import Path

import numpy as np
import pytest

from aloe.config import PersonasConfig
from aloe.errors import InputError
from aloe.memory.axes import KINDS
from aloe.memory.embedder import MiniLmEmbedder
from aloe.memory.pool.calibration import (
    MAX_REFUSED,
    LabelledPair,
    calibrate,
    count_errors,
    measure_similarities,
    read_pairs,
)


def test_the_default_threshold_is_the_calibrated_one() -> None:
    pairs = read_pairs()
    similar = measure_similarities(pairs, MiniLmEmbedder())
    assert calibrate(pairs, similar) == pytest.approx(PersonasConfig().threshold)
    profile, personality = (
        count_errors(PersonasConfig().threshold, kind, pairs, similar) for kind in KINDS
    )
    assert (profile.missed, profile.refused) == (0, 0)
    assert personality.missed <= 5
    assert personality.refused / personality.different <= 0.10


def test_both_errors_are_counted() -> None:
    pairs = [
        LabelledPair(kind="profile", label=label, first="a", second="b")
        for label in ("same", "same", "different", "different")
    ]
    similar = np.array([0.9, 0.5, 0.6, 0.1], dtype=np.float32)
    found = count_errors(0.55, "profile", pairs, similar)
    assert (found.missed, found.same, found.refused, found.different) == (1, 2, 1, 2)


def test_the_lowest_threshold_that_refuses_few_enough_is_taken() -> None:
    pairs = [
        LabelledPair(kind="profile", label="different", first="a", second="b") for _ in range(100)
    ]
    similar = np.linspace(0, 0.99, 100).astype(np.float32)
    assert np.mean(similar >= calibrate(pairs, similar)) <= MAX_REFUSED
    assert calibrate(pairs, similar) == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            '{"kind": "profile", "label": "maybe", "first": "a", "second": "b"}',
            r":1: is not a label",
        ),
        ("[1]", r"row 1: is not a label"),
        ('{"kind": "profile", "label": "same", "first": "a", "second": "b"}', "both labels"),
        ("", "no pairs"),
    ],
)
def test_broken_pairs_are_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match=said):
        read_pairs(path)
