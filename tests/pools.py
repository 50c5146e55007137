"""People for a pool, and a way to let them in."""

from aloe.config import PersonasConfig
from aloe.memory.axes import KINDS
from aloe.memory.pool.gate import PersonaPool
from aloe.schema import Persona

CONFIG = PersonasConfig(threshold=0.8)

ANNA = Persona.of("I am 30. I keep bees in Crete.", "I want short replies.")
BERT = Persona.of("I am 61. I repair clocks in Osaka.", "I like jokes about cheese.")
CARO = Persona.of("I study law and live in Lagos.", "I hate lists of any length.")


def admit(pool: PersonaPool, *personas: Persona) -> None:
    for persona in personas:
        for kind in KINDS:
            (fate,) = pool.gate(kind, [getattr(persona, kind)])
            assert fate.accepted
    pool.admit(personas)
