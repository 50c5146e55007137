"""The ways that are compared do the same work."""

from dataclasses import replace
from pathlib import Path

from builders import persona_lines

from tests.performance.simulate import Trial, load_server, measure, page


def test_floor_and_program_play_the_same_conversations(tmp_path: Path) -> None:
    personas = tmp_path / "personas.jsonl"
    personas.write_text(persona_lines(), encoding="utf-8")
    with load_server(0.0) as url:
        task = Trial(
            variant="floor",
            model=f"openai:m@{url}",
            trees=6,
            turns=3,
            in_flight=6,
            personas=str(personas),
        )
        floor, aloe = measure(task), measure(replace(task, variant="aloe"))
        other = measure(replace(task, trees=5))
    assert (floor.calls, floor.read, floor.wrote) == (aloe.calls, aloe.read, aloe.wrote)
    assert floor.calls == 6 * 3 * 5
    assert floor.digest == aloe.digest != other.digest
    assert floor.disk == 0 < aloe.disk


def test_the_page_has_a_part_for_each_measurement() -> None:
    made = page({"Four ways": "a table", "Many trees": "another"})
    assert made.startswith("# What a simulation costs")
    assert made.endswith("## Four ways\n\na table\n\n## Many trees\n\nanother\n")
