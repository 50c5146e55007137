from aloe.memory.verifiable.generation import generate
from aloe.memory.verifiable.scoring import measure_satisfaction


def test_silence_satisfies_nobody() -> None:
    assert measure_satisfaction(generate(0).preferences, "  ") == 0.0
