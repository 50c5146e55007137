"""A classifier that tells simulated users from people, on users whose differences are known."""

import json
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from command import RunAloe
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, cross_val_predict

from aloe.benchmark import user_classifier
from aloe.benchmark.user_card import keep_half, pair_sides
from aloe.benchmark.user_classifier import Auc, gather_messages, measure_auc
from aloe.errors import ConfigError
from aloe.memory.embedder import Vectors, unit
from aloe.memory.formats.conversation import Conversation, ConversationTurn, ScoredReply, unknown
from aloe.schema import Tree, derive_seed

GOLDEN = Path(__file__).parents[1] / "golden" / "formats"
WORDS = ["garden", "kettle", "ladder", "window", "pepper", "bottle", "saddle", "ribbon"]


class LastWords:
    """Gives texts that end in the same word the same vector, and no others."""

    name = "last-words"

    def embed(self, texts: Sequence[str]) -> Vectors:
        drawn = [np.random.default_rng(derive_seed(text.split()[-1])) for text in texts]
        return unit([draw.standard_normal(128) for draw in drawn])


def talk(name: str, said: Iterable[str], who: str | None = None) -> Tree:
    turns = tuple(
        ConversationTurn(message=text, replies=(ScoredReply(text="Well."),)) for text in said
    )
    return Conversation(id=name, exchanges=turns, persona=unknown(who or name)).tree()


def people(
    name: str, count: int, say: Callable[[random.Random], str], messages: int = 3
) -> list[Tree]:
    draws = {f"{name} {number}": random.Random(f"{name} {number}") for number in range(count)}
    return [talk(each, [say(draw) for _ in range(messages)]) for each, draw in draws.items()]


def plainly(draw: random.Random) -> str:
    words = [draw.choice(WORDS) for _ in range(draw.randint(2, 9))]
    return " ".join(words) + draw.choice([".", "?"])


def politely(draw: random.Random) -> str:
    return f"Could you please help, as I am a baker, with the {plainly(draw)}"


def is_chance(found: Auc | None) -> bool:
    assert found
    return found.low <= 0.5 <= found.high and found.high < 0.85


def is_told(found: Auc | None) -> bool:
    assert found
    return 0.95 < found.value <= found.high <= 1 and found.low > 0.85


def test_users_of_one_kind_are_not_told_apart() -> None:
    found = measure_auc(people("a", 30, plainly), people("b", 20, plainly), LastWords())
    assert is_chance(found.whole)
    assert is_chance(found.figures)
    assert found.shared is None
    assert (found.whole.simulated, found.whole.people) == (30, 20)
    assert found == measure_auc(people("a", 30, plainly), people("b", 20, plainly), LastWords())


def test_another_manner_is_told_and_another_topic_by_vectors_alone() -> None:
    theirs = people("b", 20, plainly)
    manner = measure_auc(people("a", 20, politely), theirs, LastWords())
    assert is_told(manner.whole)
    assert is_told(manner.figures)
    topic = measure_auc(
        people("a", 20, lambda draw: plainly(draw) + " letter"),
        people("b", 20, lambda draw: plainly(draw) + " kitchen"),
        LastWords(),
    )
    assert is_told(topic.whole)
    assert is_chance(topic.figures)


def about(name: str, who: str, say: Callable[[random.Random], str], talks: int) -> list[Tree]:
    """Return conversations of somebody who always comes to the same point."""
    draw = random.Random(f"{name} {who}")
    said = [f"{say(draw)} {who}" for _ in range(4)]
    step = len(said) // talks
    return [
        talk(f"{name} {who} {at}", said[at : at + step], who) for at in range(0, len(said), step)
    ]


@pytest.mark.parametrize("talks", [1, 4], ids=["one conversation each", "one message each"])
def test_nothing_that_one_user_says_helps_to_tell_another_message(talks: int) -> None:
    mine = [each for n in range(20) for each in about("x", f"mine{n}", plainly, talks)]
    yours = [each for n in range(20) for each in about("x", f"yours{n}", plainly, talks)]
    seen = gather_messages(pair_sides(mine, yours), LastWords())
    leaking = cross_val_predict(
        LogisticRegression(),
        seen.vectors,
        seen.simulated,
        cv=KFold(5, shuffle=True, random_state=0),
        method="decision_function",
    )
    assert roc_auc_score(seen.simulated, leaking) > 0.95
    assert is_chance(measure_auc(mine, yours, LastWords()).whole)


def test_personas_on_both_sides_are_compared_among_themselves() -> None:
    both = [f"topic{n}" for n in range(12)]
    theirs = [each for who in both for each in about("people", who, plainly, 1)]
    alike = [each for who in both for each in about("users", who, plainly, 1)]
    others = [each for n in range(12) for each in about("users", "kitchen", plainly, 1)]
    others = [
        each.model_copy(update={"persona": unknown(f"o{n}")}) for n, each in enumerate(others)
    ]
    mixed = measure_auc([*alike, *others], theirs, LastWords())
    assert mixed.whole.value > 0.6
    assert mixed.shared
    assert (mixed.shared.simulated, mixed.shared.people) == (12, 12)
    assert is_chance(mixed.shared)
    unlike = [each for who in both for each in about("users", who, politely, 1)]
    assert is_told(measure_auc(unlike, theirs, LastWords()).shared)
    assert measure_auc([*alike[:5], *others], theirs, LastWords()).shared is None


def test_the_area_is_that_of_the_library() -> None:
    draw = np.random.default_rng(1)
    scores, weights = draw.integers(0, 6, 50), draw.integers(0, 4, 50).astype(float)
    simulated = draw.random(50) < 0.4
    wanted = roc_auc_score(simulated, scores, sample_weight=weights)
    assert user_classifier._area(scores, simulated, weights) == pytest.approx(wanted)


def test_a_half_depends_on_who_speaks_alone() -> None:
    trees = people("a", 40, plainly)
    develop, test = ([*keep_half(trees, half)] for half in ("develop", "test"))
    assert len(develop) + len(test) == 40
    assert min(len(develop), len(test)) > 10
    assert not {each.id for each in develop} & {each.id for each in test}
    assert [*keep_half(trees[:7], "develop")] == [each for each in trees[:7] if each in develop]
    again = talk("another", ["Hello."], "a 0")
    assert [*keep_half([again], "test")] == [again] * (trees[0] in test)


def write(file: Path, trees: Iterable[Tree]) -> Path:
    file.write_text("".join(each.model_dump_json() + "\n" for each in trees))
    return file


def chats(file: Path, trees: Iterable[Tree]) -> Path:
    rows = [
        {"id": tree.persona.id, "messages": [{"role": "user", "content": each.content}]}
        for tree in trees
        for each in tree.nodes[:1]
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_the_command(aloe: RunAloe, tmp_path: Path) -> None:
    run = write(tmp_path / "trees.jsonl", people("a", 24, politely))
    others = chats(tmp_path / "people.jsonl", people("b", 24, plainly))
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[personas]\nembedder = "scripted:{__name__}:LastWords"\n')
    ask = ("users", "audit", run, "--against", others, "--auc", "--config", settings)
    halves = [aloe(*ask, "--half", half, "--json") for half in ("develop", "test")]
    assert [ran.code for ran in halves] == [0, 0], halves[0].err
    assert all(ran.result["auc"]["figures"]["value"] > 0.9 for ran in halves)
    assert sum(ran.result["simulated"] for ran in halves) == 24
    assert sum(ran.result["auc"]["whole"]["people"] for ran in halves) == 24
    shown = aloe(*ask).out
    assert "by their figures alone" in shown
    assert "personas on both sides  " not in shown


def test_what_cannot_be_classified_is_one_line(
    aloe: RunAloe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write(tmp_path / "trees.jsonl", people("a", 9, politely))
    one = GOLDEN / "simulatorarena.json"
    ask = ("users", "audit", run, "--against", one)
    assert aloe(*ask, "--auc").is_one_line_about("6 users on each side", "9 simulated", "1 people")
    assert aloe(*ask, "--half", "fresh").is_one_line_about("develop or test", "fresh")
    assert aloe("users", "audit", "--auc").is_one_line_about("name both the run and the people")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert aloe(*ask, "--auc").is_one_line_about("scikit-learn", "pip install 'aloe-align[audit]'")
    assert aloe(*ask).code == 0
    with pytest.raises(ConfigError, match="scikit-learn"):
        measure_auc([], [], LastWords())
