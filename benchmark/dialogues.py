"""From cases to the dialogues to be held.

A dialogue's id depends on case and repetition only. Everything random about the simulated user
follows from the id, so every model and every control meets the same users with the same facts in
the same order, and differences can be paired by case and seed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aloe.agents.candidate import CONDITIONS
from aloe.agents.disclosing import check_users
from aloe.benchmark.case import Case
from aloe.benchmark.scores import Shown
from aloe.config import Condition, Config
from aloe.graphs.dialogue import Dialogue
from aloe.schema import Persona, digest

RECALL = (
    "Before we stop: write down everything I have told you about myself, as I would say it, one "
    'short sentence each, starting with "I" or "My". Nothing else, and nothing I did not say.'
)
"""Asked after the last turn; first person, as the disclosure checker compares such sentences."""


@dataclass(frozen=True, kw_only=True)
class PlannedDialogue:
    """A dialogue that is wanted, and what it is wanted for."""

    case: Case
    stand_ins: tuple[Case, ...]
    """For whose users every reply is rated as well; empty if the suite has nobody suitable."""
    dialogue: Dialogue

    def shown(self, turn: int) -> dict[Shown, tuple[Persona, ...]]:
        """Return the personas for which the reply of `turn` is rated, by `Score.shown`."""
        found: dict[Shown, tuple[Persona, ...]] = {"own": (self.case.persona_at(turn),)}
        if self.stand_ins:
            found["swapped"] = tuple(each.persona_at(turn) for each in self.stand_ins)
        return found


def check_cases(cases: Iterable[Case], config: Config) -> None:
    """Make sure that users who are to answer questions can.

    Raises:
        ConfigError: a persona states nothing, or the embedder cannot match questions.
    """
    for case in cases:
        disclosure = case.disclosure or config.user.disclosure
        check_users([case.persona], disclosure, config.personas.embedder)


def plan(
    cases: Iterable[Case],
    stand_ins: Mapping[str, tuple[Case, ...]],
    seeds: int,
    condition: Condition,
) -> list[PlannedDialogue]:
    """Return the dialogues of all cases, the first repetition of all before the second of any."""
    cases = list(cases)
    return [
        planned
        for seed in range(seeds)
        for case in cases
        if (planned := _planned(case, stand_ins.get(case.id, ()), seed, condition))
    ]


def _planned(
    case: Case, stand_ins: tuple[Case, ...], seed: int, condition: Condition
) -> PlannedDialogue | None:
    """Return one dialogue; None if its condition needs a stand-in and there is none."""
    turns = range(1, case.turns + 1)
    personas = tuple(case.persona_at(turn) for turn in turns)
    told: tuple[Persona, ...] = ()
    if (whose := CONDITIONS[condition].told) == "own":
        told = personas
    elif whose == "swapped":
        if not stand_ins:
            return None
        told = tuple(stand_ins[0].persona_at(turn) for turn in turns)
    dialogue = Dialogue(
        id=digest("dialogue", case.id, seed),
        seed=seed,
        personas=(*personas, personas[-1]),
        told=(*told, told[-1]) if told else (),
        prescribed=_prescribed(case),
        mood=case.mood,
        disclosure=case.disclosure,
        history=tuple((past.role, past.content) for past in case.history),
    )
    return PlannedDialogue(case=case, stand_ins=stand_ins, dialogue=dialogue)


def _prescribed(case: Case) -> dict[int, str]:
    found = {turn: probe.message for turn, probe in case.probes.items()}
    if case.flip and not case.flip.persona.preferences:  # else a rule says it
        found[case.flip.turn] = case.flip.note
    return {**found, **case.messages, case.turns + 1: RECALL}
