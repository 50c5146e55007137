import json

import pytest
from builders import PERSONAS, assistant, config, grow, user
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aloe.schema import (
    Fact,
    Persona,
    Tree,
    Verdict,
    Vote,
    derive_seed,
    digest,
    json_schema,
    sentences,
)


def test_digest_depends_on_content_and_not_on_key_order() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest("a", "b") != digest("ab") != digest("a b")
    assert digest("ü") == "25430e7ac849b692"  # ids in files of earlier runs must stay valid


def test_derived_seed_fits_what_servers_accept() -> None:
    assert all(0 <= derive_seed("x", i) < 2**31 for i in range(500))
    assert derive_seed("x", 1) != derive_seed("x", 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ("One.", "Two!", "Three?")),
        ("No full stop", ("No full stop",)),
        ("Line one\n\n- line two\n", ("Line one", "- line two")),
        ('He said "no." I left.', ('He said "no.', "I left.")),
        ("It cost 3.50 euros.", ("It cost 3.50 euros.",)),
        ("  ", ()),
    ],
)
def test_sentences(text: str, expected: tuple[str, ...]) -> None:
    assert sentences(text) == expected


@given(st.text())
def test_sentences_are_verbatim_spans(text: str) -> None:
    for sentence in sentences(text):
        assert sentence
        assert sentence in text


def test_a_persona_line_needs_only_the_two_texts() -> None:
    persona = Persona.model_validate_json('{"profile": "I am 40. I sew.", "personality": "Calm."}')
    assert persona.id == digest("I am 40. I sew.", "Calm.")
    assert [(f.kind, f.text) for f in persona.facts] == [
        ("fact", "I am 40."),
        ("fact", "I sew."),
        ("trait", "Calm."),
    ]
    assert persona.facts[0] == Fact.of("fact", "I am 40.")


def test_records_are_strict_and_frozen() -> None:
    with pytest.raises(ValidationError):
        Persona.of("a", "b", mood="good")
    with pytest.raises(ValidationError):
        PERSONAS[0].profile = "other"


def test_a_node_id_names_the_whole_conversation_up_to_it() -> None:
    opening = user("Hello")
    reply = assistant("Hi", opening)
    assert reply.id == assistant("Hi", user("Hello")).id
    assert reply.id != assistant("Hi", user("Hello!")).id
    assert reply.id != assistant("Hi", opening, agent="other").id
    assert user("Hello", reply.id).id != opening.id


@pytest.mark.parametrize(
    ("outcome", "preferred", "rejected"),
    [("first", "f", "s"), ("second", "s", "f"), ("tie", None, None), ("abstain", None, None)],
)
def test_preferred_and_rejected_follow_from_the_outcome(
    outcome: str, preferred: str | None, rejected: str | None
) -> None:
    verdict = Verdict.model_validate(
        {"node": "n", "first": "f", "second": "s", "votes": [], "outcome": outcome}
    )
    assert (verdict.preferred, verdict.rejected) == (preferred, rejected)


def test_walking_a_tree() -> None:
    tree = grow(config(turns=2, expansion="both"))
    (opening,) = tree.children(None)
    continued = [user for reply in tree.children(opening.id) for user in tree.children(reply.id)]
    assert len(continued) == 2
    for node in continued:
        assert [each.id for each in tree.path(node.id)] == [opening.id, node.parent, node.id]
        assert tree.revealed(node.id)[: len(tree.revealed(opening.id))] == tree.revealed(opening.id)
        assert [v.node for v in tree.verdicts_on(node.id)] == [node.id]


def test_a_tree_survives_the_disk() -> None:
    tree = grow(config(turns=2))
    assert Tree.model_validate_json(tree.model_dump_json()) == tree
    with pytest.raises(ValidationError):
        Tree.model_validate({**json.loads(tree.model_dump_json()), "weather": "good"})


def test_the_published_schema_names_what_a_line_holds() -> None:
    schema = json_schema("tree")
    line = json.loads(grow(config(turns=1)).model_dump_json())
    assert set(schema["properties"]) - {"disclosure"} == set(line)  # left out where it is None
    fields = {"id", "schema_version", "persona", "seed", "models", "nodes", "verdicts", "mood"}
    assert fields == set(line)
    for node in line["nodes"]:
        name = "UserNode" if node["role"] == "user" else "AssistantNode"
        assert {"id", "parent", "role", "content", "turn"} <= set(node)
        known = set(schema["$defs"][name]["properties"])
        left_out = {"notes", "told", "asked", "played", "former"}  # where empty
        assert known - left_out == set(node) - left_out
    assert set(json_schema("persona")["properties"]) == set(Persona.model_fields)


def test_votes_of_earlier_runs_are_read_and_stay_as_they_are() -> None:
    raw = {"judge": "j", "criterion": None, "order": "first-second", "raw": "A",
           "logprobs": [-0.1, -2.5], "choice": "first"}  # fmt: skip
    vote = Vote.model_validate(raw)
    assert (vote.mass, vote.tie, vote.unlisted) == (None, None, ())
    assert vote.model_dump(mode="json") == raw
    new = {**raw, "mass": 0.98, "tie": -7.0, "unlisted": ["B"]}
    assert Vote.model_validate(new).model_dump(mode="json") == new


def test_a_changed_copy_finds_its_own_nodes() -> None:
    tree = grow(config(turns=1))
    opening = tree.nodes[0]
    assert tree.by_id[opening.id] is tree.children(None)[0]
    other = opening.model_copy(update={"id": "other"})
    changed = tree.model_copy(update={"nodes": (other,)})
    assert changed.by_id == {"other": other}
    assert changed.children(None) == [other]
    assert tree.by_id[opening.id] is opening
