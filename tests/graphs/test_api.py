"""Simulations from Python: what comes back, what is kept, what is said when something fails."""

import asyncio
import re
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from builders import PERSONAS, SCRIPTED
from langchain_core.messages import AIMessage, BaseMessage

from aloe import draw_personas, graph, simulate, simulate_async
from aloe.agents.scripted import reply
from aloe.errors import CallError, ConfigError, InputError, ModelError
from aloe.graphs.given import Given
from aloe.graphs.plan import plan_trees
from aloe.memory.run_folder import read_trees
from aloe.models.scripted import ScriptedChat
from aloe.schema import Persona

FAILING = """
from aloe.agents.scripted import reply
from aloe.errors import CallError


def answers(messages, arguments):
    if any("bees" in message.text for message in messages):
        raise CallError("context too long")
    return reply(messages, arguments)


def judges(comparison, model):
    return 1


def nothing(messages, arguments):
    raise CallError("context too long")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "notebook_models.py").write_text(FAILING, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def test_a_tree_for_each_persona_and_nothing_left_behind(own: Path) -> None:
    before = sorted(own.iterdir())
    trees = simulate(PERSONAS, model=SCRIPTED, turns=2)
    assert [tree.persona for tree in trees] == PERSONAS
    assert {max(node.turn for node in tree.nodes) for tree in trees} == {2}
    assert sorted(own.iterdir()) == before


def test_it_works_in_a_running_loop_and_can_be_awaited() -> None:
    async def both() -> bool:
        waited = await simulate_async(PERSONAS[:1], model=SCRIPTED, turns=1)
        return waited == simulate(PERSONAS[:1], model=SCRIPTED, turns=1)

    assert asyncio.run(both())


def test_a_run_folder_is_kept_and_taken_up_again(own: Path, personas_file: Path) -> None:
    (own / "my.toml").write_text("[simulation]\ntrees = 2\nturns = 1\n")
    first = simulate(personas_file, model=SCRIPTED, config="my.toml", out="run")
    assert len(first) == 2
    assert list(read_trees(own / "run")) == first
    calls = (own / "run/events.jsonl").read_text().count("\n")
    assert simulate(personas_file, model=SCRIPTED, config="my.toml", out="run") == first
    assert (own / "run/events.jsonl").read_text().count("\n") == calls
    with pytest.raises(ConfigError, match="holds a run with other settings"):
        simulate(personas_file, model=SCRIPTED, config="my.toml", out="run", turns=2)


def test_what_is_set_aside_is_said(own: Path) -> None:
    with pytest.warns(UserWarning, match=r"set aside 1 of 4 trees; .* context too long") as seen:
        trees = simulate(PERSONAS, model="scripted:notebook_models:answers", turns=3)
    assert len(trees) == 3
    assert seen[0].filename == __file__
    with pytest.raises(CallError, match="context too long"):
        simulate(PERSONAS, model="scripted:notebook_models:nothing", turns=1)


def test_what_a_person_got_wrong_is_one_of_our_errors(own: Path) -> None:
    with pytest.raises(ConfigError, match=r"^arguments: turns: "):
        simulate(PERSONAS, model=SCRIPTED, turns=0)
    with pytest.raises(ConfigError, match=r"^arguments: unknown setting 'turn'"):
        simulate(PERSONAS, model=SCRIPTED, turn=2)
    with pytest.raises(InputError, match="nobody"):
        simulate("nobody.jsonl", model=SCRIPTED)
    for begin in (partial(simulate, PERSONAS), graph):
        with pytest.raises(
            ConfigError, match=r"rollouts\.count: rollouts continue .* finished run"
        ):
            begin(model=SCRIPTED, rollouts={"count": 3})
    with pytest.raises(ConfigError, match=r"expansion 'my:own' cannot be found"):
        simulate(PERSONAS, model=SCRIPTED, expansion="my:own")


@pytest.mark.parametrize(
    ("personas", "given", "told"),
    [
        ([], {}, "personas: give at least one"),
        (5, {}, "personas: a list of personas or texts, or a file, not 5"),
        (["I bake.", 7], {}, r"personas\[1\]: a Persona or a text, not 7"),
        (["  "], {}, r"personas\[0\]: is empty"),
        (["I bake."], {"model": 7}, "model: a model string, a chat model .* not 7"),
        (["I bake."], {"settings": {"judge.foo": 1}}, "arguments: unknown setting 'judge.foo'"),
        ("I bake.", {}, "'I bake.' is no file and looks like a text; put it in a list"),
        ("I bake. " * 100, {}, "looks like a text"),
        ({"a": "I bake."}, {}, "personas: a list of personas or texts, or a file, not "),
        ([lambda: 1], {}, r"personas\[0\]: a Persona or a text, not a function$"),
        (["I bake."], {"complains": 1}, r'write settings=\{"user.complains": ...\}'),
        (["I bake."], {"disclosure": "never"}, "user.disclosure is "),
        (["I bake."], {"model": {"user": SCRIPTED}}, "name roles by arguments: user=, induc"),
        (["I bake."], {"user": 7}, "^user: a model string, .* not 7"),
        (
            ["I bake."],
            {"user": SCRIPTED, "settings": {"models": {"user": {"model": "local:x"}}}},
            "user: settings name models.user as well",
        ),
        (["I bake."], {"assistants": {"mine": SCRIPTED}}, "compares at least two; add one"),
        (["I bake."], {"assistants": [SCRIPTED, SCRIPTED]}, r"assistants\[0\]: has no name"),
        (["I bake."], {"assistants": SCRIPTED}, "assistants: models by name"),
        (["I bake."], {"judge": {"use": "x"}}, "did you mean 'judge.use'"),
        (["I bake."], {"expansion": "no"}, "^arguments: expansion: 'no' is none of"),
    ],
)
def test_an_error_names_the_argument(personas: Any, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        simulate(personas, **{"model": SCRIPTED, **given})


def test_one_persona_needs_no_list() -> None:
    assert simulate(PERSONAS[0], model=SCRIPTED, turns=1) == simulate(
        PERSONAS[:1], model=SCRIPTED, turns=1
    )


def hello(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    return "Hello there."


@pytest.mark.parametrize(
    "assistants", [{"hello": hello, "plain": None}, [hello, {"name": "plain"}]]
)
def test_a_function_is_one_of_the_assistants(assistants: Any) -> None:
    (tree,) = simulate(PERSONAS[0], model=SCRIPTED, assistants=assistants, turns=1)
    said = {node.agent: node.content for node in tree.replies}
    assert said.keys() == {"hello", "plain"}
    assert said["hello"] == "Hello there." != said["plain"]
    assert tree.models["user"] == tree.models["plain"] == SCRIPTED


def test_a_role_has_a_model_and_settings_of_its_own() -> None:
    (tree,) = simulate(
        PERSONAS[0], model=SCRIPTED, user={"model": slow, "max_tokens": 7}, judge=slow, turns=1
    )
    models = {name: model.partition("#")[0] for name, model in tree.models.items()}
    assert models["user"] == models["judge"] == "instance:slow"
    assert models["inducer"] == SCRIPTED


@pytest.mark.parametrize("role", ["user", "inducer", "judge"])
@pytest.mark.parametrize("model", [None, SCRIPTED])
def test_a_role_named_by_an_argument_has_the_server_and_key_that_settings_give_it(
    role: str, model: str | None
) -> None:
    mine = {"base_url": "http://127.0.0.1:8000/v1", "api_key_env": "MYKEY", "options": {"n": 1}}
    for settings in (
        {f"models.{role}": mine},
        {"models": {role: {**mine, "temperature": 0.1}}},
        {f"models.{role}.{key}": value for key, value in mine.items()},
    ):
        own = {"model": "openai:NAME", "temperature": 0.4}
        given = Given(PERSONAS, model, changes=settings, roles={role: own})
        found = getattr(given.settings(1).models, role).model_dump()
        assert found.items() >= {**mine, **own}.items()
    elsewhere = {"model": "openai:NAME", "base_url": "http://127.0.0.1:9/v1"}
    given = Given(PERSONAS, model, changes={f"models.{role}": mine}, roles={role: elsewhere})
    found = getattr(given.settings(1).models, role)
    assert (found.base_url, found.api_key_env) == ("http://127.0.0.1:9/v1", None)


def test_users_tell_when_the_argument_says(own: Path) -> None:
    (user,) = draw_personas(1, seed=7)
    (tree,) = simulate(user, model=SCRIPTED, disclosure="reticent", turns=1, out="run")
    assert tree.disclosure == "reticent"
    assert {each.agent for each in tree.users} == {"rule"}


@pytest.mark.parametrize(
    ("role", "given", "told"),
    [
        ("user", {"disclosure": "answering"}, 'rules play every persona .* disclosure="schedule"'),
        ("inducer", {"disclosure": "reticent"}, "rules mark what is told by every persona given"),
        ("judge", {"settings": {"judge.rules": True}}, r'settings=\{"judge.rules": False\}, or'),
    ],
)
def test_a_model_for_which_rules_stand_is_refused_or_warned_of(
    role: str, given: dict[str, Any], told: str
) -> None:
    ruled = draw_personas(2, seed=7)
    with pytest.raises(ConfigError, match=rf"^{role}: is never asked, because .*{told}.* out$"):
        simulate(ruled, model=SCRIPTED, turns=1, **{role: reply}, **given)
    some = [*ruled, PERSONAS[0]]
    with pytest.warns(UserWarning, match=f"^{role}: is asked for 1 of 3 personas: rules") as seen:
        assert len(simulate(some, model=SCRIPTED, turns=1, **{role: reply}, **given)) == 3
    assert seen[0].filename == __file__
    grown = graph(model=SCRIPTED, turns=1, **{role: reply}, **given)
    with pytest.warns(UserWarning, match=f"^{role}: is never asked, because rules .* the persona"):
        asyncio.run(grown.ainvoke({"persona": ruled[0], "seed": 1}))


def test_who_names_a_judge_gets_that_judge(own: Path) -> None:
    panel = f'[models]\npanel = ["{SCRIPTED}"]\n'
    custom = '[judge]\nuse = "notebook_models:judges"\nmin_margin = 3\n'
    files = {"empty.toml": "", "panel.toml": panel, "custom.toml": custom}
    for name, text in files.items():
        (own / name).write_text(text)
        (tree,) = simulate(
            draw_personas(1, seed=7), config=name, assistants={"a": hello, "b": slow},
            judge=judging, user=SCRIPTED, inducer=SCRIPTED, turns=1,
        )  # fmt: skip
        votes = [vote for verdict in tree.verdicts for vote in verdict.votes]
        assert {vote.judge.partition("#")[0] for vote in votes} == {"instance:judging"}
        assert {vote.raw for vote in votes} == {"B"}
    with pytest.raises(ConfigError, match=r"^judge: settings name judge\.use as well; leave one"):
        simulate(PERSONAS[0], judge=judging, settings={"judge.use": "notebook_models:judges"})
    with pytest.raises(ConfigError, match=r"^judge: is never asked, because judge\.use names a"):
        simulate(PERSONAS[0], judge={"temperature": 0.1}, config="custom.toml")
    kept = {"judge.rules": True, "models.panel": [SCRIPTED]}
    settings = Given(PERSONAS, changes=kept, roles={"judge": judging}).settings(1)
    assert settings.judge.rules
    assert len(settings.models.panel) == 1


def judging(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    return "B"


def raising(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    return {}["nothing"]


def test_what_a_function_raises_is_found_by_file_and_line() -> None:
    told = rf"^instance:raising: {re.escape(__file__)}:\d+: KeyError: 'nothing'$"
    with pytest.raises(CallError, match=told) as error:
        simulate(PERSONAS[0], model=raising, turns=1)
    cause = error.value.__cause__
    assert isinstance(cause, KeyError)
    assert [frame.name for frame in error.traceback][1:] == ["simulate", "_told"]
    assert [each.name for each in traceback.extract_tb(cause.__traceback__)] == ["raising"]
    with pytest.raises(ModelError, match="different calls were refused") as stopped:
        simulate(PERSONAS[:3], model=raising, turns=1)
    assert isinstance(stopped.value.__cause__, KeyError)
    with pytest.raises(ConfigError) as wrong:
        simulate(PERSONAS[0], model=SCRIPTED, turn=1)
    assert [frame.name for frame in wrong.traceback][1:] == ["simulate", "run_anywhere"]


TOLD = Persona.of("I bake.", "I like an emoji in every reply.")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"profile": "I keep goats near Lima."}, "the id and facts of other texts"),
        ({"preferences": {"emoji": "none"}}, "preferences: emoji is 'none' there and 'some' in"),
        ({"preferences": {"emoji": "purple"}}, "preferences: "),
        ({"facts": ()}, "the persona has no facts"),
    ],
)
def test_a_persona_that_no_file_may_hold_is_refused(changed: dict[str, Any], told: str) -> None:
    edited = TOLD.model_copy(update=changed)
    with pytest.raises(ConfigError, match=rf"^personas\[1\]: .*{told}"):
        simulate([TOLD, edited], model=SCRIPTED, turns=1)
    growing = graph(model=SCRIPTED, turns=1).ainvoke({"persona": edited, "seed": 1})
    with pytest.raises(ConfigError, match=rf"^persona: .*{told}"):
        asyncio.run(growing)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"prompts": {"asistant": "none.md"}}, "did you mean 'assistant'"),
        ({"models.panel": [SCRIPTED], "judge.use": "notebook_models:judges"}, "does not vote"),
        (
            {"simulation.node_budget": 9, "simulation.budget_keeps": "nobody"},
            "no assistant 'nobody'",
        ),
    ],
)
def test_a_graph_refuses_what_a_simulation_refuses(settings: dict[str, Any], told: str) -> None:
    for build in (graph, lambda **given: simulate(PERSONAS, **given)):
        with pytest.raises(ConfigError, match=told):
            build(model=SCRIPTED, turns=1, settings=settings)


def test_a_text_is_a_persona() -> None:
    (tree,) = simulate(["I mend bicycles. I live in Porto."], model=SCRIPTED, turns=1)
    assert [fact.text for fact in tree.persona.facts] == ["I mend bicycles.", "I live in Porto."]


async def slow(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
    await asyncio.sleep(0.001)
    return reply(messages, arguments)


@pytest.mark.parametrize("model", [slow, reply, ScriptedChat(script=slow)])
def test_a_function_or_a_chat_model_stands_in_for_a_model(model: Any) -> None:
    (tree,) = simulate(PERSONAS[:1], model=model, turns=2)
    (other,) = simulate(PERSONAS[:1], model=SCRIPTED, turns=2)
    assert [node.content for node in tree.nodes] == [node.content for node in other.nodes]


def test_a_function_keeps_its_name_and_its_run_goes_on(own: Path) -> None:
    first = simulate(PERSONAS[:1], model=slow, turns=1, out="run")
    calls = (own / "run/events.jsonl").read_text().count("\n")
    assert simulate(PERSONAS[:1], model=slow, turns=1, out="run") == first
    assert (own / "run/events.jsonl").read_text().count("\n") == calls
    assert first[0].models["user"] == "instance:slow"


def test_a_function_that_gives_no_text_is_told_so() -> None:
    with pytest.raises(CallError, match="returned NoneType; it returns the reply"):
        simulate(PERSONAS[:1], model=lambda messages, arguments: None, turns=1)


def test_progress_is_told_to_a_function(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int]] = []
    simulate(
        PERSONAS[:2],
        model=SCRIPTED,
        turns=1,
        progress=lambda p: seen.append((p.finished, p.wanted)),
    )
    assert seen[-1] == (2, 2)
    assert (0, 2) in seen
    assert capsys.readouterr().err == ""


def test_a_bar_is_shown_where_it_is_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate(PERSONAS[:1], model=SCRIPTED, turns=1, progress=True)
    assert "1/1" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    simulate(PERSONAS[:1], model=SCRIPTED, turns=1)
    assert "1/1" in capsys.readouterr().err
    simulate(PERSONAS[:1], model=SCRIPTED, turns=1, progress=False)
    assert capsys.readouterr().err == ""
    monkeypatch.delitem(sys.modules, "ipykernel")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    simulate(PERSONAS[:1], model=SCRIPTED, turns=1)
    assert "1/1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "settings", [{"simulation.trees": 3}, {"simulation": {"trees": 3, "turns": 1}}]
)
def test_a_number_of_trees_among_the_settings_counts(settings: dict[str, Any]) -> None:
    trees = simulate(PERSONAS[:1], model=SCRIPTED, settings={"simulation.turns": 1, **settings})
    assert len(trees) == len({tree.id for tree in trees}) == 3


def test_a_file_that_says_nothing_of_trees_leaves_one_for_each_persona(own: Path) -> None:
    (own / "my.toml").write_text("[simulation]\nturns = 1\n")
    people = [Persona.of(f"I am {age}.", "I shout.") for age in range(30, 35)]
    assert len(simulate(people, model=SCRIPTED, config="my.toml")) == 5


def test_a_persona_named_twice_gets_two_trees() -> None:
    trees = simulate([*PERSONAS[:1] * 2, PERSONAS[1]], model=SCRIPTED, turns=1)
    assert len({tree.id for tree in trees}) == 3
    again = list(plan_trees(PERSONAS[:1], 2, 0))
    assert {tree.id for tree in trees} >= {each.tree for each in again}
