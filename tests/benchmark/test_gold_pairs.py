import json
import re
from collections import Counter
from pathlib import Path

import pytest

from aloe.benchmark.agreement import cohen_kappa
from aloe.benchmark.gold_pairs import SHIPPED, GoldPair, gold_hash, pick_pairs, read_gold
from aloe.errors import InputError
from aloe.memory.descriptions import read_seeds
from aloe.schema import digest, sentences

PAIRS = read_gold()
BY_ID = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.id)


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def test_there_are_enough_of_every_kind() -> None:
    kinds = Counter(pair.kind for pair in PAIRS)
    assert sum(kinds.values()) >= 200
    assert min(kinds.values()) >= 8


def test_ids_are_content_hashes_and_nothing_is_there_twice() -> None:
    for pair in PAIRS:
        persona = pair.persona
        parts = (pair.kind, persona.profile, persona.personality, list(pair.history))
        assert pair.id == digest(*parts, pair.message, pair.better, pair.worse)
    assert len({pair.id for pair in PAIRS}) == len(PAIRS)
    asked = [(pair.persona, pair.history, pair.message) for pair in PAIRS]
    assert len(set(asked)) == len(asked)


def test_personas_are_the_seeds_and_evidence_is_theirs_word_for_word() -> None:
    seeds = {kind: {each.text for each in found} for kind, found in read_seeds(None).items()}
    for pair in PAIRS:
        assert pair.persona.profile in seeds["profile"]
        assert pair.persona.personality in seeds["personality"]
        said = sentences(pair.persona.profile) + sentences(pair.persona.personality)
        assert pair.evidence in said, pair.id
    for of in ("profile", "personality"):
        uses = Counter(getattr(pair.persona, of) for pair in PAIRS)
        assert len(uses) >= 25
        assert max(uses.values()) <= len(PAIRS) / 10


def test_mirrored_pairs_are_couples_with_labels_turned_round() -> None:
    groups: dict[str, list[GoldPair]] = {}
    for pair in PAIRS:
        if pair.mirror:
            groups.setdefault(pair.mirror, []).append(pair)
    assert len(groups) >= 80
    for a, b in groups.values():
        assert (a.message, a.better, a.worse) == (b.message, b.worse, b.better)
        assert (a.persona, a.history) != (b.persona, b.history)
        if a.kind in ("told", "mind_reading"):
            assert a.persona == b.persona
            assert {a.kind, b.kind} == {"told", "mind_reading"}


def test_neither_length_nor_place_gives_the_answer_away() -> None:
    longer = sum(len(pair.better) > len(pair.worse) for pair in PAIRS)
    first = sum(pair.better_is_first for pair in PAIRS)
    assert 0.45 <= longer / len(PAIRS) <= 0.55
    assert 0.42 <= first / len(PAIRS) <= 0.58


@BY_ID
def test_every_pair_can_be_read_by_a_person(pair: GoldPair) -> None:
    assert pair.why.endswith(".")
    assert pair.better != pair.worse
    assert len(pair.history) in (0, 2)
    for text in (pair.message, pair.better, pair.worse, *pair.history):
        assert text == text.strip()
        assert 3 <= len(text) <= 700 or text in ("2.",)


def test_replies_are_no_copies_across_messages() -> None:
    replies: dict[str, str] = {}
    for pair in PAIRS:
        for text in (pair.better, pair.worse):
            assert replies.setdefault(text, pair.message) == pair.message
    # Long sentences of one couple do not come back in another one.
    seen: dict[str, str] = {}
    for text, message in replies.items():
        for sentence in sentences(text):
            if len(sentence.split()) >= 8:
                assert seen.setdefault(sentence, message) == message, sentence


def by_kind(*kinds: str) -> list[GoldPair]:
    return [pair for pair in PAIRS if pair.kind in kinds]


def test_a_format_that_a_program_can_see_is_as_labelled() -> None:
    emoji = re.compile("[\U0001f300-\U0001faff✨☕❤]")
    for pair in by_kind("emoji"):
        wanted = "emoji" in pair.persona.personality and "I object" not in pair.persona.personality
        assert bool(emoji.search(pair.better)) == wanted, pair.id
        assert bool(emoji.search(pair.worse)) != wanted, pair.id
    for pair in by_kind("question"):
        wanted = "I want a question back" in pair.persona.personality
        assert pair.better.endswith("?") == wanted, pair.id
        assert pair.worse.endswith("?") != wanted, pair.id
    for pair in by_kind("list"):
        listed = re.compile(r"^(- |1\. )")
        wanted = "bullet points too tidy" not in pair.persona.personality
        assert bool(listed.match(pair.better)) == wanted, pair.id
        assert bool(listed.match(pair.worse)) != wanted, pair.id
    for pair in by_kind("length"):
        short = min(pair.better, pair.worse, key=len)
        assert len(short.split()) < 40 < len(max(pair.better, pair.worse, key=len).split())
        likes_short = "long answers" not in pair.evidence and "reasoning" not in pair.evidence
        assert (pair.better == short) == likes_short, pair.id
    for pair in by_kind("wording"):
        if "should" in pair.evidence:
            assert "should" not in pair.better
            assert "should" in pair.worse


def test_parroting_gives_back_more_of_the_users_words_than_the_better_reply() -> None:
    for pair in by_kind("parroting"):
        said = words(" ".join((*pair.history[::2], pair.message)))
        share = [len(words(text) & said) / len(words(text)) for text in (pair.better, pair.worse)]
        assert share[1] > share[0] + 0.15, pair.id


def test_mind_reading_uses_what_only_the_told_history_holds() -> None:
    told = {pair.mirror: pair for pair in by_kind("told")}
    for pair in by_kind("mind_reading"):
        assert pair.mirror
        uses = words(pair.worse) - words(pair.better)
        there = words(" ".join((*told[pair.mirror].history, told[pair.mirror].persona.profile)))
        here = words(" ".join((*pair.history, pair.message)))
        telling = {word for word in uses & there if len(word) > 3}
        assert telling - here, pair.id


def test_some_keeps_couples_together_and_never_changes() -> None:
    drawn = pick_pairs(PAIRS, 60)
    assert 50 <= len(drawn) <= 60
    assert drawn == pick_pairs(list(reversed(PAIRS)), 60) or {p.id for p in drawn} == {
        p.id for p in pick_pairs(list(reversed(PAIRS)), 60)
    }
    mirrors = Counter(pair.mirror for pair in drawn if pair.mirror)
    assert set(mirrors.values()) == {2}
    assert len(pick_pairs(PAIRS, len(PAIRS))) == len(PAIRS)


def test_the_hash_of_a_set_ignores_order_and_sees_every_pair() -> None:
    assert gold_hash(PAIRS) == gold_hash(reversed(PAIRS)) != gold_hash(PAIRS[1:])


def test_a_comparison_holds_the_conversation_as_it_was() -> None:
    pair = next(pair for pair in PAIRS if pair.history)
    found = pair.comparison
    assert [node.content for node in found.path] == list(pair.history)
    assert [node.role for node in found.path] == ["user", "assistant"]
    assert (found.user.content, found.user.turn) == (pair.message, 2)
    assert found.user.parent == found.path[-1].id
    placed = (found.first.content, found.second.content)
    better_first = placed == (pair.better, pair.worse)
    assert better_first == pair.better_is_first
    assert set(placed) == {pair.better, pair.worse}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "beauty"}, "kind"),
        ({"extra": 1}, "extra"),
        ({"history": ["alone"]}, "assistant"),
        ({"message": "Another."}, "is that of line 1; give each"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, change: dict[str, object], words: str) -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()[:2]
    lines.append(json.dumps({**json.loads(lines[0]), **change}))
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match=rf"pairs\.jsonl:3: .*{words}"):
        read_gold(file)


def test_no_pairs_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text("\n")
    with pytest.raises(InputError, match="no gold pairs"):
        read_gold(tmp_path / "p.jsonl")


def test_the_second_reading_agrees_as_the_datasheet_says() -> None:
    lines = (SHIPPED.parent / "second_reading.tsv").read_text().splitlines()[1:]
    chosen = dict(line.split("\t") for line in lines)
    assert list(chosen) == [pair.id for pair in PAIRS]
    labels = [
        (pair.better_is_first, pair.better_is_first == (chosen[pair.id] == "better"))
        for pair in PAIRS
    ]
    assert sum(a == b for a, b in labels) == 223
    kappa = cohen_kappa(labels)
    assert kappa is not None
    assert round(kappa, 2) == 0.99
