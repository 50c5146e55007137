"""Other projects' conversations as trees; the files are our own, in the documented shape."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from command import RunAloe

from aloe.errors import ConfigError, InputError
from aloe.memory.formats.known import FORMATS, REASONING, SYSTEM, import_trees, tell
from aloe.memory.formats.prism import KEYS
from aloe.memory.merge import merge
from aloe.memory.run_folder import read_trees
from aloe.schema import AssistantNode, Tree
from aloe.training.export import ROWS, Format
from aloe.verdict import is_human

GOLDEN = Path(__file__).parents[2] / "golden" / "formats"
TALKS, UTTERANCES, SURVEY = (GOLDEN / f"prism_{part}.jsonl" for part in KEYS)
FILES = {
    "prism": [TALKS],
    "ultrafeedback": [GOLDEN / "ultrafeedback.jsonl", GOLDEN / "ultrafeedback_original.jsonl"],
    "sharegpt": [GOLDEN / "sharegpt.json"],
    "messages": [GOLDEN / "messages.jsonl"],
    "wildchat": [GOLDEN / "wildchat.jsonl"],
    "simulatorarena": [GOLDEN / "simulatorarena.json"],
}


def records(file: Path) -> list[Any]:
    text = file.read_text()
    found: list[Any] = json.loads(text) if file.suffix == ".json" else []
    return found or [json.loads(line) for line in text.splitlines()]


def write(folder: Path, *rows: Any) -> Path:
    file = folder / "given.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def rows(trees: list[Tree], kind: Format) -> list[Any]:
    return [row for tree in trees for row in ROWS[kind](tree, Counter())]


@pytest.mark.parametrize("name", FILES)
def test_the_format_is_told_from_the_fields(name: str, tmp_path: Path) -> None:
    assert tell(FILES[name]) == name
    found = import_trees(FILES[name])
    assert found.format == name
    assert found.trees == import_trees(FILES[name], name).trees
    given = sum(len(records(file)) for file in FILES[name])
    assert len(found.trees) == given
    assert [tree.persona.text.strip() for tree in found.trees] == [""] * given
    assert len({tree.persona.id for tree in found.trees}) == given
    assert len(merge([*found.trees, *found.trees])) == given


def test_every_pair_of_prism_is_a_verdict_of_the_person_who_scored_it() -> None:
    found = import_trees([TALKS])
    tree, other = found.trees
    first = [v for v in tree.verdicts if tree.by_id[v.node].turn == 1]
    replies = {n.id: n for n in tree.nodes if isinstance(n, AssistantNode)}
    said = {
        (frozenset(replies[each].agent for each in (v.first, v.second)), v.outcome == "tie")
        for v in first
    }
    # the empty reply is there and not compared; the two at 71 are a tie
    names = ("luminous-supreme-control", "claude-2", "command-light")
    assert said == {
        (frozenset(names[:2]), False),
        (frozenset(names[1:]), False),
        (frozenset(names[::2]), True),
    }
    assert Counter(r.faults for r in replies.values()) == {(): 5, ("empty",): 1}
    assert all(replies[v.rejected].agent == "claude-2" for v in first if v.rejected)
    assert {v.votes[0].judge for v in tree.verdicts} == {"human:user0"}
    assert {v.votes[0].judge for v in other.verdicts} == {"human:user1"}
    assert all(is_human(vote.judge) for v in tree.verdicts for vote in v.votes)
    assert first[0].votes[0].raw == "71 against 12"
    # the talk goes on below the chosen reply
    (below,) = (n for n in tree.nodes if n.role == "user" and n.turn == 2)
    assert replies[below.parent or ""].agent == names[0]
    assert len(rows(found.trees, "dpo")) == 4
    assert len(rows(found.trees, "sft")) == 2


def test_utterances_say_the_same_and_the_survey_says_who_people_are(tmp_path: Path) -> None:
    talks = import_trees([TALKS]).trees
    by_id = {tree.id: tree for tree in import_trees([UTTERANCES]).trees}
    assert [by_id[tree.id] for tree in talks] == talks
    assert import_trees([TALKS, UTTERANCES]).trees == talks
    known = import_trees([SURVEY, TALKS]).trees
    assert [(t.persona.profile, t.persona.personality) for t in known] == [
        ("I value honesty. I have two sons.", "Be brief. Never preach."),
        ("I like rain.", ""),
    ]
    assert [t.id for t in known] == [t.id for t in talks]
    assert [t.persona.id for t in known] == [t.persona.id for t in talks]
    changed = records(UTTERANCES)
    changed[0]["score"] = 3
    with pytest.raises(InputError, match=r"given.jsonl:1: conversation c2 differs from that of"):
        import_trees([TALKS, write(tmp_path, *changed)])


def test_scores_of_ultrafeedback() -> None:
    trees = import_trees(FILES["ultrafeedback"]).trees
    assert [len(tree.verdicts) for tree in trees] == [1, 1, 1, 3]
    assert [tree.verdicts[0].outcome == "tie" for tree in trees] == [False, True, False, False]
    (pair,) = (row for row in rows(trees, "dpo") if len(row["prompt"]) == 3)
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("A robin.", "No.")
    assert {v.votes[0].judge for tree in trees for v in tree.verdicts} == {"imported"}
    best = [row["completion"][0]["content"] for row in rows(trees[3:], "sft")]
    assert best == ["Green."]


def test_what_trees_have_no_place_for_is_counted() -> None:
    assert import_trees(FILES["messages"]).left_out == {SYSTEM: 1}
    assert import_trees(FILES["sharegpt"]).left_out == {SYSTEM: 1}
    tree, parts = import_trees(FILES["messages"]).trees
    assert [node.content for node in tree.nodes][-1] == "Maths."
    assert parts.nodes[0].content == "Is this\none message?"
    (people,) = import_trees(FILES["wildchat"]).trees
    assert [node.agent for node in people.nodes] == ["human", "gpt-4-0314"]
    (people,) = import_trees(FILES["simulatorarena"]).trees
    assert [node.agent for node in people.nodes] == ["human", "gpt-4o"] * 2


@pytest.mark.parametrize("broken", records(GOLDEN / "broken.jsonl"), ids=lambda row: row["what"])
def test_errors_name_file_line_field_and_what_is_expected(
    broken: dict[str, Any], tmp_path: Path
) -> None:
    name, record, said = (broken[key] for key in ("format", "record", "said"))
    good = records(FILES[name][0])[0]
    file = write(tmp_path, good, record)
    with pytest.raises(InputError) as error:
        import_trees([file])
    assert str(error.value).startswith(f"{file}:2: ")
    assert said in str(error.value)
    if name != "prism":
        kept = import_trees([file], skip_bad=True)
        assert (kept.format, len(kept.trees), len(kept.bad)) == (name, 1, 1)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"conversations": [{"from": "human", "value": " "}]}, "message 1 of 'conversations': "),
        (
            {"user_queries": ["Hi", ""], "ai_responses": ["Ho"], "model": "x"},
            "item 2 of 'user_queries' is empty",
        ),
    ],
)
def test_a_user_says_something(record: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"given.jsonl:1: {said}"):
        import_trees([write(tmp_path, record)])


def test_a_system_message_in_a_field_of_its_own_is_counted(tmp_path: Path) -> None:
    pair = {"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "A rose."}
    pirate, formal = {"system": "Be a pirate."}, {"system": "Be formal."}
    found = import_trees([write(tmp_path, pair, {**pair, **pirate}, {**pair, **formal})])
    assert (found.left_out, len(found.trees)) == ({SYSTEM: 2}, 3)
    talk = [{"role": "user", "content": "Name a tree."}]
    both = [{"role": "system", "content": "Be formal."}, *talk]
    talks = [{"messages": talk}, {"messages": talk, **formal}, {"messages": both, **formal}]
    found = import_trees([write(tmp_path, *talks)])
    assert (found.left_out, len(found.trees)) == ({SYSTEM: 2}, 2)
    replies = [
        {"model": name, "response": name, "overall_score": 1, "custom_system_prompt": f"Be {name}."}
        for name in "abc"
    ]
    scored = [
        {"instruction": "Name a tree.", "completions": each} for each in (replies[:2], replies[1:])
    ]
    found = import_trees([write(tmp_path, *scored)])
    assert (found.left_out, [len(tree.verdicts) for tree in found.trees]) == ({SYSTEM: 2}, [1, 1])


TALK = [{"role": "user", "content": "Name a tree."}, {"role": "assistant", "content": "An oak."}]
BLOCKS = [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]


@pytest.mark.parametrize("name", ["system", "system_prompt"])
def test_records_that_differ_in_their_system_message_stay_apart(name: str, tmp_path: Path) -> None:
    """Also where it stands in parts, as Anthropic's does."""
    told = ["Be brief.\nBe kind.", BLOCKS, BLOCKS[:1], "Be formal."]
    for held in (
        {"messages": TALK},
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]},
        {"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "A rose."},
    ):
        given = write(tmp_path, held, *({**held, name: each} for each in told))
        found = import_trees([given])
        assert (found.left_out, len(found.trees)) == ({SYSTEM: 4}, 4)
        assert (found.records, found.repeated) == (5, 1)
        both = {**held, "system": "Be brief.", "system_prompt": "Be brief."}
        assert import_trees([write(tmp_path, both)]).left_out == {SYSTEM: 1}
        assert not import_trees([write(tmp_path, {**held, name: []})]).left_out
        for odd in (3, {"text": "Be brief."}, [{"type": "image"}], [3]):
            with pytest.raises(
                InputError, match=f"given.jsonl:1: '{name}' (is no text|has a part)"
            ):
                import_trees([write(tmp_path, {**held, name: odd})])


def test_records_that_say_nothing_new_are_counted(tmp_path: Path, aloe: RunAloe) -> None:
    pair = {"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "A rose."}
    found = import_trees([write(tmp_path, pair, pair, {**pair, "rejected": "A tulip."}, pair)])
    assert (len(found.trees), found.records, found.repeated) == (1, 4, 2)
    unscored = {"instruction": "Hi", "completions": [{"model": m, "response": m} for m in "ab"]}
    scored = {
        **unscored, "completions": [{**c, "overall_score": 1} for c in unscored["completions"]]
    }  # fmt: skip
    found = import_trees([write(tmp_path, unscored, scored, scored, unscored)])
    assert (len(found.trees), found.records, found.repeated) == (1, 4, 2)
    file, out = write(tmp_path, *[{"messages": TALK}] * 3, {"messages": []}), tmp_path / "t.jsonl"
    ran = aloe("trees", "import", file, "--out", out, "--skip-bad", "--json")
    assert (ran.result["trees"], ran.result["records"], ran.result["repeated"]) == (1, 4, 2)
    assert "saying nothing new: 2 of 4 records" in ran.err


@pytest.mark.parametrize("kind", ["thinking", "redacted_thinking", "reasoning"])
def test_parts_that_are_thoughts_are_left_out_and_counted(kind: str, tmp_path: Path) -> None:
    thought = {"type": kind, "thinking": "Hm.", "data": "x", "text": "Hm."}
    for parts, text in (
        ([thought, {"type": "text", "text": "An oak."}], "An oak."),
        ([thought], ""),
    ):
        given = [TALK[0], {"role": "assistant", "content": parts}]
        found = import_trees([write(tmp_path, {"messages": given})])
        assert found.left_out == {REASONING: 1}
        assert [node.content for node in found.trees[0].nodes] == ["Name a tree.", text]


@pytest.mark.parametrize(
    ("form", "field", "by", "name"),
    [("messages", "messages", "role", "content"), ("sharegpt", "conversations", "from", "value")],
)
def test_a_reply_of_nothing_is_an_empty_one(
    form: str, field: str, by: str, name: str, tmp_path: Path
) -> None:
    asked, reply = {by: "user", name: "Hi"}, {by: "assistant", name: None}
    (tree,) = import_trees([write(tmp_path, {field: [asked, reply]})]).trees
    assert [(node.content, node.faults) for node in tree.nodes][1:] == [("", ("empty",))]
    for broken in ([{by: "user", name: None}, reply], [asked, {by: "assistant"}]):
        with pytest.raises(InputError, match=f"'{name}' is missing"):
            import_trees([write(tmp_path, {field: broken})], form)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (((3, 3), (5, 3)), "prefers one of two replies between which .*:1 has a tie"),
        (((5, 3), (3, 3)), "has a tie between two replies of which .*:1 prefers one"),
    ],
)
def test_a_tie_is_no_preference(scores: Any, said: str, tmp_path: Path) -> None:
    pair = {"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "A rose."}
    given = [{**pair, "score_chosen": one, "score_rejected": other} for one, other in scores]
    with pytest.raises(InputError, match=rf"given\.jsonl:2: turn 1: {said}"):
        import_trees([write(tmp_path, *given)])


@pytest.mark.parametrize(
    "more",
    [{"tool_calls": [{"id": "x"}]}, {"function_call": {"name": "w"}}, {"images": ["a.png"]}],
)
def test_a_message_is_text_alone(more: dict[str, Any], tmp_path: Path) -> None:
    asked = {"role": "user", "content": "Is it raining?"}
    reply = {"role": "assistant", "content": "Let me look.", "refusal": None, "turn": 1}
    thought = {**reply, "tool_calls": [], "reasoning": "Hm.", "reasoning_content": "Hm."}
    rows = [{"messages": [asked, each]} for each in (thought, {**reply, **more})]
    with pytest.raises(InputError, match=r"given.jsonl:2: message 2 .*; trees hold text only"):
        import_trees([write(tmp_path, *rows)])
    pair = {"prompt": "Is it raining?", "chosen": [{**thought, **more}], "rejected": "No."}
    found = import_trees([write(tmp_path, rows[0], pair)], "messages", skip_bad=True)
    assert (found.left_out, len(found.bad)) == ({REASONING: 1}, 1)
    with pytest.raises(InputError, match="trees hold text only"):
        import_trees([write(tmp_path, pair)])


def test_a_pair_that_contradicts_one_before(tmp_path: Path) -> None:
    pair = {"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "A rose."}
    turned = {**pair, "chosen": pair["rejected"], "rejected": pair["chosen"]}
    more = {**pair, "rejected": "A tulip."}
    file = write(tmp_path, pair, turned, more)
    with pytest.raises(InputError, match=r"given.jsonl:2: turn 1: prefers the reply that .*:1"):
        import_trees([file])
    kept = import_trees([file], skip_bad=True)
    assert (len(kept.bad), [len(tree.verdicts) for tree in kept.trees]) == (1, [2])


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("turn", 3, "conversation c2: 'turn' is 3 where 0 is expected"),
        ("score", None, "turn 0: reply 1: 'score' is missing; a number is expected"),
        ("if_chosen", "yes", "turn 0: 'if_chosen' is 'yes'; true or false"),
        ("model_name", 4, "'model_name' is no text but a number"),
        ("content", "EMPTY STRING", "turn 0: 'content' of the user is empty"),
    ],
)
def test_a_broken_talk_of_prism(field: str, value: Any, said: str, tmp_path: Path) -> None:
    given = records(TALKS)
    for message in given[1]["conversation_history"]:
        message[field] = value
    file = write(tmp_path, *given)
    with pytest.raises(InputError) as error:
        import_trees([file])
    assert str(error.value).startswith(f"{file}:2: ")
    assert said in str(error.value)
    assert len(import_trees([file], skip_bad=True).trees) == 1
    cut = tmp_path / "cut.jsonl"  # no talk with a hole, whatever may be set aside
    cut.write_text(UTTERANCES.read_text()[:-20])
    with pytest.raises(InputError, match=r"cut.jsonl:8"):
        import_trees([cut], "prism", skip_bad=True)


@pytest.mark.parametrize(
    ("scores", "raw"),
    [
        ((9, 9, 5), ["9 against 5"]),
        ((9, 1, 5), []),
        ((1, 9, 5), []),
        ((9, None, 5), []),
    ],
)
def test_a_reply_with_two_scores_is_compared_with_none(
    scores: tuple[int | None, ...], raw: list[str], tmp_path: Path
) -> None:
    said = zip(("Yes.", "Yes.", "No."), ("m", "m", "n"), scores, strict=True)
    given = [{"response": r, "model": m, "overall_score": score} for r, m, score in said]
    row = {"instruction": "Is it?", "completions": given}
    (tree,) = import_trees([write(tmp_path, row)]).trees
    assert [node.content for node in tree.nodes] == ["Is it?", "Yes.", "No."]
    assert [verdict.votes[0].raw for verdict in tree.verdicts] == raw
    talk = records(TALKS)[1]
    history = [each for each in talk["conversation_history"] if each["turn"] == 0]
    again = {**history[1], "if_chosen": False, "score": history[1]["score"] + 1}
    rated = [import_trees([write(tmp_path, {**talk, "conversation_history": each})]).trees[0]
             for each in (history, [*history, again])]  # fmt: skip
    assert rated[0].nodes == rated[1].nodes
    assert [len(each.verdicts) for each in rated] == [1, 0]


@pytest.mark.parametrize("field", ["self_description", "system_string"])
def test_a_person_is_described_in_one_way(field: str, tmp_path: Path) -> None:
    first, *_ = records(SURVEY)
    same, other = {**first, "age": "unknown"}, {**first, field: "I am a pilot."}
    assert import_trees([TALKS, write(tmp_path, first, same)]).trees
    for order in ((first, same, other), (other, same)):
        said = rf"given.jsonl:{len(order)}: '{field}' of user0 differs from that of .*:1; leave"
        with pytest.raises(InputError, match=said):
            import_trees([TALKS, write(tmp_path, *order)])


def test_talks_that_are_there_twice_are_counted_as_repeated(tmp_path: Path) -> None:
    one, other = records(TALKS)
    found = import_trees([write(tmp_path, one, one, other)])
    assert (len(found.trees), found.records, found.repeated) == (2, 3, 1)
    both = import_trees([TALKS, UTTERANCES])
    assert (both.records, both.repeated) == (2, 0), "the other file says the same"


def test_a_talk_of_prism_goes_on_with_one_reply(tmp_path: Path) -> None:
    talk = records(TALKS)[1]
    for message in talk["conversation_history"]:
        if message["role"] == "model":
            message["if_chosen"] = True
    with pytest.raises(InputError, match=r"given.jsonl:1: turn 0: several replies have 'if_chose"):
        import_trees([write(tmp_path, talk)])


def test_a_shape_that_cannot_be_told(tmp_path: Path) -> None:
    both = {**records(GOLDEN / "sharegpt.json")[0], **records(GOLDEN / "messages.jsonl")[0]}
    file = write(tmp_path, both)
    with pytest.raises(
        InputError, match=r"could be sharegpt or messages: .* id, conversations, mess"
    ):
        import_trees([file])
    assert len(import_trees([file], "sharegpt").trees) == 1
    file = write(tmp_path, {"text": "a", "label": 1})
    with pytest.raises(InputError, match=r"has the shape of no format .* text, label; choose with"):
        import_trees([file])
    file = write(tmp_path, records(TALKS)[0], records(GOLDEN / "wildchat.jsonl")[0])
    with pytest.raises(InputError, match="holds records of prism and wildchat among"):
        import_trees([file])
    with pytest.raises(InputError, match=r"is messages and .* is prism; import them one by one"):
        import_trees([TALKS, GOLDEN / "messages.jsonl"])
    with pytest.raises(ConfigError, match="'llama' is none of prism"):
        import_trees([TALKS], "llama")


@pytest.mark.parametrize("name", FILES)
def test_the_trees_go_where_trees_go(name: str, aloe: RunAloe, tmp_path: Path) -> None:
    out, merged = tmp_path / "trees.jsonl", tmp_path / "merged.jsonl"
    ran = aloe("trees", "import", *FILES[name], "--out", out, "--json")
    assert ran.code == 0, ran.err
    assert (ran.result["format"], ran.result["bad"]) == (name, [])
    trees = list(read_trees(out))
    for command in (
        ("trace", tmp_path),
        ("trace", tmp_path, "--tree", trees[0].id),
        ("report", tmp_path, "--out", tmp_path / "report.html"),
        ("trees", "merge", out, tmp_path, "--out", merged),
    ):
        ran = aloe(*command)
        assert ran.code == 0, ran.err
    assert list(read_trees(merged)) == trees
    ran = aloe("export", out, "--format", "grpo", "--out", tmp_path / "rows.jsonl", "--json")
    assert ran.code == 0, ran.err
    assert FORMATS.keys() == {*FILES, "aloe"}


def test_nothing_is_written_where_something_is_broken(aloe: RunAloe, tmp_path: Path) -> None:
    out = tmp_path / "trees.jsonl"
    file = write(tmp_path, records(TALKS)[0], {**records(TALKS)[1], "user_id": None})
    ran = aloe("trees", "import", file, "--out", out)
    assert ran.is_one_line_about("given.jsonl:2", "'user_id' is missing")
    assert not out.exists()
    ran = aloe("trees", "import", file, "--skip-bad", "--out", out)
    assert ran.code == 0
    assert "set aside: " in ran.err
    assert len(list(read_trees(out))) == 1
    assert aloe("trees", "import", out, "--out", out).is_one_line_about("--out is also the input")


def test_one_id_is_one_conversation(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]
    other = [{"role": "user", "content": "Rain?"}, {"role": "assistant", "content": "No."}]
    file = write(tmp_path, {"id": "1", "messages": said}, {"id": "1", "messages": other})
    with pytest.raises(InputError, match=r"given\.jsonl:2: has the id of .*:1, which begins"):
        import_trees([file])
    (tree,) = import_trees([write(tmp_path, *[{"id": "1", "messages": said}] * 2)]).trees
    assert [node.content for node in tree.nodes] == ["Hi", "Yo"]


def test_conversations_that_share_an_id_by_chance_are_not_merged(tmp_path: Path) -> None:
    trees = []
    for asked in ("Name a tree.", "Is it raining?"):
        said = [{"role": "user", "content": asked}, {"role": "assistant", "content": "No."}]
        trees += import_trees([write(tmp_path, {"id": 0, "messages": said})]).trees
    assert trees[0].id == trees[1].id
    with pytest.raises(ConfigError, match=r"begins with 'Name a tree\.' in one .* 'id' of its own"):
        merge(trees)
    assert merge([trees[0], trees[0]]) == trees[:1]


@pytest.mark.parametrize("given", [(), ("--format", "messages")])
@pytest.mark.parametrize("bad", ["{broken", "[1]", '"text"'])
def test_a_bad_record_among_the_first_can_be_set_aside(
    aloe: RunAloe, tmp_path: Path, given: tuple[str, ...], bad: str
) -> None:
    one, two = (json.dumps(row) for row in records(GOLDEN / "messages.jsonl")[:2])
    file, out = tmp_path / "c.jsonl", tmp_path / "trees.jsonl"
    file.write_text(f"{one}\n{bad}\n{two}\n")
    assert aloe("trees", "import", file, "--out", out, *given).code == 2
    ran = aloe("trees", "import", file, "--out", out, "--skip-bad", "--json", *given)
    assert ran.code == 0, ran.err
    assert len(list(read_trees(out))) == 2


def test_two_records_of_one_conversation_have_to_agree(tmp_path: Path) -> None:
    first, second = records(TALKS)[:2]
    other = {**second, "conversation_id": first["conversation_id"]}
    with pytest.raises(InputError, match=r"given\.jsonl:2: conversation .* differs from that of"):
        import_trees([write(tmp_path, first, other)])
    assert len(import_trees([write(tmp_path, first, first)]).trees) == 1
