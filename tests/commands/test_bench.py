import json

import pytest
from command import RunAloe

VANILLA = ["62.16", "68.92", "70.27", "74.32", "72.97", "74.32", "75.68", "78.38", "77.03", "79.73"]


def test_metrics_of_a_published_row(aloe: RunAloe) -> None:
    ran = aloe("bench", "metrics", *VANILLA, "--json")
    found = json.loads(ran.out.splitlines()[-1])
    assert ran.code == 0
    assert found["al_mean"] == pytest.approx(73.378)
    assert round(found["n_ir"], 3) == 0.090
    assert round(found["r2"], 3) == 0.855


def test_a_flat_row_has_no_r2(aloe: RunAloe) -> None:
    found = json.loads(aloe("bench", "metrics", "3", "3", "3", "--json").out.splitlines()[-1])
    assert found == {"al_mean": 3.0, "ir": 0.0, "n_ir": 0.0, "r2": None}


def test_one_turn_is_too_short(aloe: RunAloe) -> None:
    assert aloe("bench", "metrics", "3.5").is_one_line_about("2")
    assert aloe("bench", "metrics", "three").code == 2
