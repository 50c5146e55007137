"""`aloe relabel` on stored trees, and what it refuses."""

import json
from pathlib import Path

import pytest
from branching import compared, follow, tree_of
from builders import assistant, persona_lines, user
from command import RunAloe

from aloe.memory import relabelling
from aloe.memory.api import relabel
from aloe.memory.label_agreement import LabelAgreement
from aloe.memory.relabelling import read_levels
from aloe.memory.run_folder import RunFolder, read_trees
from aloe.schema import Persona, Tree

NO_LISTS = Persona.of("I sell tea.", "I want no lists.", preferences={"lists": "prose"})
LIST = "- a\n- b"


def asked_and_answered(name: str = "t", asking: str = "Why?") -> Tree:
    """Return a tree in which a question loses to an answer, and a better talk follows it."""
    opening = user("I sell tea. What now?")
    answer, question = (assistant(text, opening, agent=text) for text in (f"Do:\n{LIST}", asking))
    rows = []
    for reply, texts in ((answer, (LIST, LIST)), (question, ("Fine.", "Good."))):
        said = user(f"Go on after {reply.content[:3]}", reply.id, turn=2)
        rows += [said, *(assistant(text, said, agent=f"a{i}") for i, text in enumerate(texts))]
    verdicts = [compared(answer, question), compared(rows[1], rows[2], "tie"),  # type: ignore[arg-type]
                compared(rows[4], rows[5], "tie")]  # type: ignore[arg-type]  # fmt: skip
    return tree_of([opening, answer, question, *rows], *verdicts, name=name, persona=NO_LISTS)


def stored(folder: Path, *trees: Tree) -> Path:
    folder.mkdir(exist_ok=True)
    lines = "".join(tree.model_dump_json() + "\n" for tree in trees)
    (folder / "trees.jsonl").write_text(lines)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = stored(tmp_path / "run", asked_and_answered("one"), asked_and_answered("two"))
    (folder / "config.toml").write_text("seed = 7\n")
    (folder / "events.jsonl").write_text("")
    return folder


def test_labels_are_written_beside_the_judges_and_told(aloe: RunAloe, run: Path) -> None:
    ran = aloe("relabel", run, "--by", "return", "--horizon", 2, "--z", 0, "--json")
    assert ran.code == 0, ran.err
    assert ran.result == {
        "out": str(run), "comparisons": 6, "decided": 2, "ties": 0,
        "undecided": {"not continued": 4}, "decided_in_both": 2, "same": 0, "turned": 2,
    }  # fmt: skip
    for words in ("horizon 2, discount 0.9, z 0, levels are shares of wishes kept", "Why?",
                  "same reply in 0 of 2", "questions that won"):  # fmt: skip
        assert words in ran.err
    for tree in read_trees(run):
        first, *_ = tree.verdicts
        assert (first.outcome, first.by_return and first.by_return.outcome) == ("first", "second")
        assert first.by_return
        assert first.by_return.returns == pytest.approx((0.0, 1.0))
    once = (run / "trees.jsonl").read_bytes()
    again = aloe("relabel", run, "--horizon", 2, "--z", 0, "--json")
    assert (again.result, (run / "trees.jsonl").read_bytes()) == (ran.result, once)
    assert aloe("relabel", run, "--horizon", 2, "--z", 0).out.count("Why?") == 2


def test_another_folder_is_a_whole_run(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    before, out = (run / "trees.jsonl").read_bytes(), tmp_path / "labelled"
    (run / "labels.jsonl").write_text("{}\n")
    for _ in "ab":
        ran = aloe("relabel", run, "--horizon", 2, "--out", out, "--json")
        assert ran.code == 0, ran.err
        assert (out / "config.toml").read_text() == "seed = 7\n"
        assert (out / "labels.jsonl").read_text() == "{}\n", "what people said of these pairs"
        assert [tree.nodes for tree in read_trees(out)] == [tree.nodes for tree in read_trees(run)]
        assert all(v.by_return for tree in read_trees(out) for v in tree.verdicts)
    assert (run / "trees.jsonl").read_bytes() == before
    other = stored(tmp_path / "other", asked_and_answered("three"))
    theirs = (other / "trees.jsonl").read_bytes()
    assert aloe("relabel", run, "--horizon", 2, "--out", other).is_one_line_about("other things")
    assert (other / "trees.jsonl").read_bytes() == theirs
    file = tmp_path / "week.jsonl"
    assert aloe("relabel", run, "--horizon", 2, "--out", file).code == 0
    assert file.read_bytes() == (out / "trees.jsonl").read_bytes()


def test_questions_that_bring_nothing_cost_what_was_said(aloe: RunAloe, tmp_path: Path) -> None:
    tree = asked_and_answered().model_copy(update={"disclosure": "reticent"})
    run = stored(tmp_path / "run", tree)
    given = ("relabel", run, "--horizon", 2, "--z", 0)
    for cost, returns in ((0, (0.0, 1.0)), (0.4, (0.0, 1 - 0.4 / 1.9))):
        ran = aloe(*given, "--question-cost", cost)
        assert ran.code == 0, ran.err
        assert ("question cost 0.4" in ran.out) == bool(cost)
        label = next(read_trees(run)).verdicts[0].by_return
        assert label
        assert label.returns == pytest.approx(returns)
        (again,) = relabel([tree], horizon=2, z=0, question_cost=cost)
        assert again.verdicts[0].by_return == label


def test_nothing_but_labels_by_return_is_written_over(
    aloe: RunAloe, run: Path, tmp_path: Path
) -> None:
    turned = [
        tree.model_copy(
            update={
                "verdicts": tuple(v.model_copy(update={"outcome": "tie"}) for v in tree.verdicts)
            }
        )
        for tree in read_trees(run)
    ]
    judged = stored(tmp_path / "rejudged", *turned)
    (judged / "config.toml").write_text("seed = 7\n")
    other = stored(tmp_path / "other", asked_and_answered("three")) / "trees.jsonl"
    files = [judged / "trees.jsonl", other]
    before = [file.read_bytes() for file in files]
    for out in (judged, *files):
        ran = aloe("relabel", run, "--horizon", 2, "--out", out)
        assert ran.is_one_line_about("other things than these trees")
    assert [file.read_bytes() for file in files] == before
    copy = stored(tmp_path / "copy", *read_trees(run))
    (copy / "config.toml").write_text("seed = 7\n")
    with RunFolder(copy).locked():
        ran = aloe("relabel", run, "--horizon", 2, "--out", copy / "trees.jsonl")
        assert ran.is_one_line_about("in use")


def test_a_tree_in_which_nothing_was_said_has_no_comparisons(aloe: RunAloe, run: Path) -> None:
    silent = asked_and_answered("silent").model_copy(update={"nodes": (), "verdicts": ()})
    stored(run, silent, asked_and_answered("one"))
    assert aloe("relabel", run, "--horizon", 2, "--json").result["comparisons"] == 3


def test_a_folder_in_use_is_left_alone(aloe: RunAloe, run: Path) -> None:
    before = (run / "trees.jsonl").read_bytes()
    with RunFolder(run).locked():
        for named in (run, run / "trees.jsonl"):
            assert aloe("relabel", named, "--horizon", 2).is_one_line_about("in use")
    assert (run / "trees.jsonl").read_bytes() == before


def test_a_stopped_command_has_changed_nothing(
    aloe: RunAloe, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = relabelling.label_returns, [1]

    def stop(*given: object) -> Tree:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return real(*given)  # type: ignore[arg-type]

    before = (run / "trees.jsonl").read_bytes()
    monkeypatch.setattr(relabelling, "label_returns", stop)
    for out in (None, tmp_path / "new"):
        left[:] = [1]
        assert aloe("relabel", run, "--horizon", 2, *(("--out", out) if out else ())).code != 0
        assert not left
    assert (run / "trees.jsonl").read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["run"]
    assert sorted(file.name for file in run.iterdir() if file.name != ".lock") == [
        "config.toml", "events.jsonl", "trees.jsonl",
    ]  # fmt: skip


REFUSED = {
    "longer": (("--horizon", 3), ("horizon: 3 turns", "which have 2 turns", "--extend")),
    "zero": (("--horizon", 0), ("horizon: 0", "at least 1")),
    "discount": (("--horizon", 2, "--discount", 1.5), ("discount: 1.5",)),
    "z": (("--horizon", 2, "--z", -1), ("z: -1",)),
    "cost": (("--horizon", 2, "--question-cost", -1), ("question_cost: -1",)),
    "nobody answers": (
        ("--horizon", 2, "--question-cost", 0.1),
        ("question_cost: 0.1", "answer none", "--disclosure"),
    ),
    "by": (("--horizon", 2, "--by", "luck"), ("--by: 'luck'",)),
    "levels": (("--horizon", 2, "--levels", "{}/none.jsonl"), ("none.jsonl",)),
    "no number": (("--horizon", 2, "--levels", "{}/text.jsonl"), ("text.jsonl:2", "'level'")),
    "two levels": (
        ("--horizon", 2, "--levels", "{}/twice.jsonl"),
        ("twice.jsonl:3", "another level"),
    ),
    "huge": (("--horizon", 2, "--levels", "{}/huge.jsonl"), ("huge.jsonl:2", "'level'")),
    "infinite": (
        ("--horizon", 2, "--levels", "{}/infinite.jsonl"),
        ("infinite.jsonl:1", "'level'"),
    ),
    "no node": (("--horizon", 2, "--levels", "{}/list.jsonl"), ("list.jsonl:1", "'node'")),
    "others'": (
        ("--horizon", 2, "--levels", "{}/other.jsonl"),
        ("belong to no reply",),
    ),
}


@pytest.mark.parametrize("problem", REFUSED)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    aloe: RunAloe, run: Path, tmp_path: Path, problem: str
) -> None:
    good = '{"node": "x", "level": 3}\n'
    (tmp_path / "text.jsonl").write_text(good + '{"node": "y", "level": "high"}\n')
    (tmp_path / "twice.jsonl").write_text(good + good + good.replace("3", "4"))
    (tmp_path / "huge.jsonl").write_text(good + good.replace("3", "3" * 400))
    (tmp_path / "infinite.jsonl").write_text(good.replace("3", "3e400"))
    (tmp_path / "list.jsonl").write_text("[1, 2]\n[3]\n")
    (tmp_path / "other.jsonl").write_text(good)
    flags, words = REFUSED[problem]
    before, there = (run / "trees.jsonl").read_bytes(), set(tmp_path.iterdir())
    given = [str(flag).format(tmp_path) for flag in flags]
    for out in ((), ("--out", tmp_path / "new")):
        assert aloe("relabel", run, *given, *out).is_one_line_about(*words)
    assert (run / "trees.jsonl").read_bytes() == before
    assert set(tmp_path.iterdir()) == there


@pytest.mark.parametrize(
    ("levels", "read"),
    [
        (("9007199254740993",), 2.0**53),
        (("9007199254740993", "9007199254740993", "9007199254740992.0"), 2.0**53),
        (("1", "1.0"), 1.0),
    ],
)
def test_a_level_is_the_number_that_is_worked_with(
    levels: tuple[str, ...], read: float, tmp_path: Path
) -> None:
    file = tmp_path / "levels.jsonl"
    file.write_text("".join(f'{{"node": "x", "level": {level}}}\n' for level in levels))
    assert read_levels(file) == {"x": read}


def test_trees_without_continued_siblings_are_refused(aloe: RunAloe, tmp_path: Path) -> None:
    tree = asked_and_answered()
    question = tree.nodes[2].id
    kept = [n for n in tree.nodes if question not in {each.id for each in tree.path(n.id)[:-1]}]
    verdicts = [v for v in tree.verdicts if v.node in {n.id for n in kept}]
    run = stored(tmp_path / "run", tree_of(kept, *verdicts, persona=NO_LISTS))
    ran = aloe("relabel", run, "--horizon", 2)
    assert ran.is_one_line_about("2 not continued", "--rollouts")
    assert aloe("relabel", run, "--horizon", 2, "--discount", 0).code == 0
    bare = stored(tmp_path / "bare", tree_of(kept[:2], persona=NO_LISTS))
    assert aloe("relabel", bare, "--horizon", 1).is_one_line_about("no comparisons")
    assert aloe("relabel", tmp_path / "none").is_one_line_about("none: does not exist")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/mine.txt").write_text("")
    assert aloe("relabel", tmp_path / "notes").is_one_line_about("no trees here")
    ran = aloe("relabel", run, "--discount", 0, "--out", tmp_path / "notes")
    assert ran.is_one_line_about("other things")
    assert [file.name for file in (tmp_path / "notes").iterdir()] == ["mine.txt"]


def test_given_levels_stand_in_where_no_program_can_check(aloe: RunAloe, tmp_path: Path) -> None:
    opening = user("Hello")
    pair = [assistant(text, opening, agent=text) for text in "ab"]
    after, known = follow(pair[0], "And?", 1.0, 2.0)
    asked, more = follow(pair[1], "Yes.", 5.0, 4.0)
    run = stored(tmp_path / "run", tree_of([opening, *pair, *after, *asked], compared(*pair)))
    levels = {pair[0].id: 4.0, pair[1].id: 3.0, **known, **more}
    file = tmp_path / "levels.jsonl"
    file.write_text("".join(json.dumps({"node": n, "level": v}) + "\n" for n, v in levels.items()))
    ran = aloe("relabel", run, "--horizon", 2, "--discount", 1, "--levels", file, "--json")
    assert ran.result["decided"] == ran.result["turned"] == 1
    assert "levels are given ratings" in ran.err
    (tree,) = read_trees(run)
    assert tree.verdicts[0].by_return
    assert tree.verdicts[0].by_return.returns == pytest.approx((2.75, 3.75))
    (same,) = relabel([tree], horizon=2, discount=1.0, levels=levels)
    assert same == tree


@pytest.mark.parametrize("level", ["9" * 400, "1e999", "NaN"])
def test_a_level_is_a_finite_number(aloe: RunAloe, tmp_path: Path, level: str) -> None:
    opening = user("Hello")
    pair = [assistant(text, opening, agent=text) for text in "ab"]
    run = stored(tmp_path / "run", tree_of([opening, *pair], compared(*pair)))
    file = tmp_path / "levels.jsonl"
    file.write_text(f'{{"node": "{pair[0].id}", "level": {level}}}\n')
    ran = aloe("relabel", run, "--levels", file)
    assert ran.is_one_line_about("levels.jsonl:1: has no 'level'")


def test_simulated_trees_can_be_relabelled_and_resumed(aloe: RunAloe, tmp_path: Path) -> None:
    (tmp_path / "personas.jsonl").write_text(persona_lines())
    simulate = (
        *("simulate", "--personas", tmp_path / "personas.jsonl", "--trees", 2, "--turns", 2),
        *("--model", "scripted:aloe.agents.scripted:reply", "--expansion", "both"),
        *("--out", tmp_path / "run", "--quiet", "--json"),
    )
    assert aloe(*simulate).code == 0
    ran = aloe("relabel", tmp_path / "run", "--horizon", 2, "--z", 0, "--json")
    assert ran.code == 0, ran.err
    assert "levels are shares of siblings beaten" in ran.err
    labelled = (tmp_path / "run/trees.jsonl").read_bytes()
    assert aloe(*simulate).result["trees"] == 2
    assert (tmp_path / "run/trees.jsonl").read_bytes() == labelled


@pytest.mark.parametrize(
    ("reply", "question"),
    [
        ("Fine. Shall I go on? I can.", "Shall I go on?"),
        ("**Which one?** And why?", "And why?"),
        ("Tell me how you sleep.", "Tell me how you sleep."),
        ("What now? Sell more tea.", None),
        ("You ask: what  NOW? Sell more. How many?", "How many?"),
        ('Sell more. Ask them: "Why not?"', None),
        ("# What to sell?\nTea.", None),
        ("Sell more tea.", None),
    ],
)
def test_a_question_that_won_is_one_that_wants_an_answer(
    aloe: RunAloe, tmp_path: Path, reply: str, question: str | None
) -> None:
    run = stored(tmp_path / "run", asked_and_answered(asking=reply))
    ran = aloe("relabel", run, "--horizon", 2, "--z", 0)
    assert ran.code == 0, ran.err
    assert ("questions that won" in ran.out) == bool(question)
    assert not question or f"+1.00 {question} instead of" in " ".join(ran.out.split())


def test_of_a_long_question_the_end_is_shown(aloe: RunAloe, tmp_path: Path) -> None:
    long = f"{'It is good. ' * 20}Do you {'really ' * 20}want to sell it?"
    run = stored(tmp_path / "run", asked_and_answered(asking=long))
    shown = " ".join(aloe("relabel", run, "--horizon", 2, "--z", 0).out.split())
    assert "+1.00 ... really really" in shown
    assert "really want to sell it?" in shown
    assert "It is good." not in shown


def test_few_examples_are_kept_the_clearest_first() -> None:
    found = LabelAgreement()
    for number in range(9):
        (tree,) = relabel([asked_and_answered(f"t{number}")], horizon=2, z=0.0)
        found.add(tree)
    assert len(found.questions) == 5
    assert {(each.asked, each.judged) for each in found.questions} == {("Why?", "lost")}
    assert found.questions[0].difference == pytest.approx(1.0)
