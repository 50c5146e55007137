"""Whether the embedder can tell people apart, on the languages and layouts that import takes."""

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest
from bags import BagOfWords
from command import RunAloe
from people_of_the_world import PEOPLE, persona_table

from aloe.config import PersonasConfig
from aloe.memory.descriptions import read_seeds
from aloe.memory.embedder import MiniLmEmbedder, Vectors, unit
from aloe.memory.personas import SHIPPED, read_personas
from aloe.memory.pool.blur import SAMPLE, find_blur, replace_blurred, words_alone
from aloe.memory.pool.importer import import_personas
from aloe.memory.verifiable.generation import generate_all
from aloe.schema import Persona

THRESHOLD = PersonasConfig().threshold
PREAMBLE = "In the following, this person is described by annotators who were free to write. " * 20


@pytest.fixture(scope="module")
def minilm() -> MiniLmEmbedder:
    return MiniLmEmbedder()


@pytest.mark.parametrize("kind", ["profile", "personality"])
def test_the_texts_of_the_calibration_are_told_apart(minilm: MiniLmEmbedder, kind: str) -> None:
    pool = random.Random(0).sample([getattr(p, kind) for p in read_personas(SHIPPED)], 60)
    for texts in (pool, [seed.text for seed in read_seeds(None)[kind]]):
        assert find_blur(kind, texts, minilm.embed(texts), THRESHOLD) is None


@pytest.mark.parametrize(
    ("language", "alike", "blurred"),
    [("en", 0, False), ("de", 0, False), ("es", 0, False), ("ja", 1, False), ("hi", 14, True),
     ("ko", 10, True)],
)  # fmt: skip
def test_six_strangers_of_a_language(
    minilm: MiniLmEmbedder, language: str, alike: int, blurred: bool
) -> None:
    """The figures are those of docs/personas.md."""
    vectors = minilm.embed(PEOPLE[language])
    pairs = (vectors @ vectors.T)[np.triu_indices(6, 1)]
    assert int((pairs >= THRESHOLD).sum()) == alike
    found = find_blur("profile", PEOPLE[language], vectors, THRESHOLD)
    assert (found is not None) == blurred


def test_wishes_and_their_opposites_are_not_told_apart(minilm: MiniLmEmbedder) -> None:
    people = generate_all(60, wishes=2, about=None, seed=0, sign="--")
    texts = [each.personality for each in people]
    assert find_blur("personality", texts, minilm.embed(texts), THRESHOLD)


@pytest.mark.parametrize(
    "texts",
    [
        [persona_table(n) for n in range(40)],
        [PREAMBLE + each for each in PEOPLE["en"]],
        ["\n".join(f"field {n}: {v}" for n in range(60)) + f"\nname: {v}" for v in "abcdefgh"],
    ],
    ids=["tables", "one long beginning", "long tables"],
)
def test_strangers_in_one_layout(minilm: MiniLmEmbedder, texts: list[str]) -> None:
    found = find_blur("profile", texts, minilm.embed(texts), THRESHOLD)
    assert found is not None
    assert found.median > THRESHOLD


def test_an_import_in_such_a_layout_keeps_everybody_and_says_so(
    tmp_path: Path, aloe: RunAloe
) -> None:
    file, out = tmp_path / "people.csv", tmp_path / "pool.jsonl"
    tables = [persona_table(n) for n in range(20)]
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows(
            [["life"], *([each] for each in (*tables, tables[3].upper() + "."))]
        )
    ran = aloe("personas", "import", file, "--column", "life", "--out", out, "--json")
    assert (ran.result["added"], ran.result["refused"]) == (20, 1)
    assert ran.result["near"][0]["similarity"] == 1.0
    assert ran.result["blurred"][0]["kind"] == "profile"
    shown = " ".join(ran.err.split())
    assert "the embedder cannot tell these profiles apart: " in shown
    assert "so only copies word for word were refused; calibrate another threshold" in shown
    again = aloe("personas", "import", file, "--column", "life", "--out", out, "--json")
    assert (again.result["added"], again.result["personas"]) == (0, 20)
    checked = aloe("personas", "check", out, "--json")
    assert checked.result["pairs"] == []
    assert [each["kind"] for each in checked.result["blurred"]] == ["profile"]
    split = ("personas", "split", out, "--shares", "60,20,20", "--json", "--out")
    ran = aloe(*split, tmp_path / "split")
    assert (ran.code, ran.result["validation"], ran.result["test"]) == (0, 4, 4), ran.err
    assert "so only copies word for word are kept on one side" in " ".join(ran.err.split())
    assert aloe(*split, tmp_path / "own", "--threshold", THRESHOLD).is_one_line_about("--threshold")


def test_copies_of_a_few_people_are_still_refused(tmp_path: Path) -> None:
    """Two of everybody, or many copies of one among others, leave the strangers unlike."""
    lives = ["I keep bees in Crete", "I mend clocks in Osaka", "I study law near Lagos"]
    lives += ["I dive off Hue", "I bake rye for Leeds", "I farm shrimp with goats"]
    file, config = tmp_path / "people.jsonl", PersonasConfig(embedder="scripted:bags:BagOfWords")
    for name, rows in {
        "twice": [life + end for life in lives for end in (".", ". Yes indeed.")],
        "one": [*lives, *(lives[0] + end for end in (" Yes.", " Indeed."))],
    }.items():
        file.write_text("".join(json.dumps({"persona": row}) + "\n" for row in rows))
        found = import_personas([file], tmp_path / f"{name}.jsonl", config, {})
        assert (found.added, len(found.near), found.blurred) == (6, len(rows) - 6, [])


def test_the_sample_decides_and_not_the_size() -> None:
    """A share of pairs that would cost most of a large file is found in any."""
    for pairs, blurred in ((0.001, False), (0.02, True)):
        found = find_blur("profile", [str(n) for n in range(1000)], _alike(1000, pairs), 0.71)
        assert (found is not None) == blurred
    assert find_blur("profile", ["same"] * 500, np.ones((500, 1), np.float32), 0.71) is None
    assert SAMPLE < 1000


def _alike(count: int, share: float) -> Vectors:
    """Return rows in groups of one direction, so that this share of pairs is alike."""
    chance = np.random.default_rng(0)
    directions = unit(chance.standard_normal((round(1 / share), 384)))
    return np.asarray(directions[chance.integers(len(directions), size=count)])


def test_only_the_kind_that_is_blurred_is_compared_by_words() -> None:
    people = [Persona.of(f"I have {n} goats.", "I hum.") for n in range(8)]
    people.append(Persona.of("i have 3 goats", "I whisper."))
    vectors = {k: BagOfWords().embed([getattr(p, k) for p in people])
               for k in ("profile", "personality")}  # fmt: skip
    blur = find_blur("profile", [p.profile for p in people], vectors["profile"], 0.71)
    assert blur
    found = replace_blurred([blur], people, vectors)  # type: ignore[arg-type]
    assert found["personality"] is vectors["personality"]
    near = np.argwhere(np.triu(found["profile"] @ found["profile"].T > 0.71, 1))
    assert near.tolist() == [[3, 8]]


def test_words_alone() -> None:
    assert words_alone("I bake -- in  Leeds!") == words_alone("i bake in leeds")
    assert words_alone("मैं दर्जी हूँ।") == words_alone("मैं दर्जी हूँ")
    assert words_alone("मैं दर्जी हूँ") != words_alone("मैं दर्ज हूँ")
    assert words_alone("I am 30.") != words_alone("I am 31.")
