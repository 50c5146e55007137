from pathlib import Path

from aloe.memory.pool import report
from aloe.memory.pool.growth import GrowthLog, Outcome, read_growth


def test_the_growth_log_survives_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "growth.jsonl"
    log = GrowthLog(path, window=4)
    fates = [(), ("duplicate",), (), ("too_short", "language"), (), ()]
    log.write(
        [
            Outcome(number=n, kind="profile", axes={}, reasons=why, text="x" if why else None)
            for n, why in enumerate(fates)
        ]
    )
    assert log.acceptance == 3 / 4
    with path.open("a") as file:
        file.write('{"number": 6, "kin')
    again = GrowthLog(path, window=4)
    assert (again.judged, again.accepted, again.next_number) == (6, 4, 6)
    assert again.refusals == {"duplicate": 1, "too_short": 1, "language": 1}
    assert again.acceptance is None
    assert report.measure_saturation(list(read_growth(path)))[-1] == (6, 1.0)
