"""Conversation trees as token sequences, in every shape that packing must survive."""

import random
from itertools import pairwise

from aloe.training.packing import EncodedReply

VOCABULARY = 380


def words(rng: random.Random, low: int = 3, high: int = 9) -> tuple[int, ...]:
    return tuple(rng.randrange(3, VOCABULARY) for _ in range(rng.randint(low, high)))


def caterpillar(turns: int, seed: int = 0) -> list[tuple[EncodedReply, EncodedReply]]:
    """One reply of two goes on: a pair a turn."""
    return grown(turns, candidates=2, continued=1, seed=seed)


def grown(
    turns: int, *, candidates: int, continued: int, seed: int = 0
) -> list[tuple[EncodedReply, EncodedReply]]:
    """`candidates` replies a turn, `continued` of them carried on; all neighbouring pairs."""
    rng = random.Random(seed)
    pairs = []
    histories = [words(rng)]
    for _ in range(turns):
        after = []
        for history in histories:
            prompt = history + words(rng)
            replies = [prompt + words(rng) for _ in range(candidates)]
            answers = [EncodedReply(ids=reply, start=len(prompt)) for reply in replies]
            pairs += list(pairwise(answers))
            after += replies[:continued]
        histories = after
    rng.shuffle(pairs)
    return pairs


SHAPES = {
    "caterpillar": caterpillar(4),
    "both expanded": grown(3, candidates=2, continued=2),
    "four siblings, two carried on": grown(2, candidates=4, continued=2),
    "three trees in a row": caterpillar(2, 1) + grown(2, candidates=3, continued=1, seed=2)
    + caterpillar(3, 3),
    "one pair": caterpillar(1),
}  # fmt: skip
