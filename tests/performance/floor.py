"""The floor that `make bench-simulate` measures against: the same calls and nothing around them.

The agents' own prompts go out through bare asyncio and aiohttp: no LangGraph, no LangChain, no log,
no files. At the load server the judge asks in one order only, here and in what is measured against
it.
"""

import asyncio
import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, cast

import aiohttp

from aloe.agents.assistant import AssistantAgent
from aloe.agents.disclosing import Act, schedule_fact
from aloe.agents.inducer import Inducer, read_disclosures
from aloe.agents.judge import Comparison, PreferenceJudge, margin_of
from aloe.agents.marker import MarkerByAuthor
from aloe.agents.player import UserByPersona
from aloe.agents.prompt import FOLDER, shipped
from aloe.agents.roles import RoleModel
from aloe.agents.transcript import as_text
from aloe.agents.user import UserAgent
from aloe.calls.log import CallLog
from aloe.config import Config
from aloe.graphs.context import make_context, open_models
from aloe.graphs.expansion import Siblings, choose_frontier
from aloe.graphs.plan import PlannedTree
from aloe.models.local import embedded_server
from aloe.models.open import Message
from aloe.schema import (
    AssistantNode,
    Disclosure,
    Node,
    Persona,
    UserNode,
    derive_seed,
    sentences,
)

Nodes = list[Node]

ONE_ORDER = "tests.performance.floor:one_order"
"""The judge of the comparison, as settings name it."""


async def one_order(asked: Comparison, model: RoleModel) -> float | None:
    """Judge two replies in the order in which they come; see `aloe.agents.roles`."""
    assert model.model is not None
    judge = PreferenceJudge(model=model.model, calls=model.calls, min_margin=0.0)
    vote = await judge._vote(judge.questions[0], asked, "first-second")
    return margin_of([vote], [1.0]) if vote.logprobs else None


one_order.symmetric = True  # type: ignore[attr-defined]  # so that it is asked in one order only
one_order.prompt = (FOLDER / "judge.md").read_text(encoding="utf-8")  # type: ignore[attr-defined]


class Floor:
    """Plays trees; see the module's docstring.

    Args:
        config: settings of the comparison; all agents have one model.
        session: where requests go out.
    """

    def __init__(self, config: Config, session: aiohttp.ClientSession) -> None:
        self.calls = self.read = self.cached = self.wrote = 0
        self._config, self._session = config, session
        made = make_context(config, open_models(config), CallLog())
        self._user = cast(UserAgent, cast(UserByPersona, made.user).model)
        self._inducer = cast(Inducer, cast(MarkerByAuthor, made.inducer).model)
        self._assistants = cast(tuple[AssistantAgent, ...], made.assistants)
        self._judge = shipped("judge")
        provider, _, rest = config.models.user.model.partition(":")
        name, _, url = rest.partition("@")
        headers = {}
        if provider == "local":
            server = embedded_server(name)
            url, headers = server.base_url, {"Authorization": f"Bearer {server.api_key}"}
        self._name, self._url, self._headers = name, f"{url}/chat/completions", headers

    async def post(self, role: str, messages: Sequence[Message], **arguments: Any) -> Any:
        """Send one request; return its first choice."""
        model = self._config.models.by_role()[role]
        fields = ("temperature", "top_p", "max_tokens")
        sampling = {f: getattr(model, f) for f in fields if getattr(model, f) is not None}
        body = {
            "model": self._name,
            "messages": [{"role": role, "content": text} for role, text in messages],
            **sampling,
            **arguments,
        }
        request = self._session.post(self._url, json=body, headers=self._headers)
        async with request as response:
            answer = await response.json()
        self._count(answer["usage"])
        return answer["choices"][0]

    def _count(self, usage: dict[str, Any]) -> None:
        self.calls += 1
        self.read += usage["prompt_tokens"]
        self.cached += (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        self.wrote += usage["completion_tokens"]

    async def converse(self, each: PlannedTree) -> str:
        """Play one tree; return the digest of its nodes."""
        path: Nodes = []
        nodes: Nodes = []
        revealed: list[Disclosure] = []
        for turn in range(1, self._config.simulation.turns + 1):
            parent = path[-1].id if path else None
            seed = derive_seed("user", each.tree, parent, 0)
            act = Act(told=schedule_fact(each.persona, each.tree, turn))
            asked = self._user._messages(each.persona, each.tree, path, act, None)
            said = (await self.post("user", asked, seed=seed))["message"]["content"]
            user = UserNode.of(parent, said, tree=each.tree, turn=turn)
            revealed += await self._induce(each.tree, user)
            candidates = await asyncio.gather(
                *(self._reply(agent, each.tree, path, user, revealed) for agent in self._assistants)
            )
            await self._compare(each.persona, each.tree, path, user, candidates)
            nodes += [user, *candidates]
            level = [Siblings(user=user.id, candidates=list(candidates), verdicts=[])]
            chosen = choose_frontier(self._config.simulation, each.tree, turn, level, len(nodes))
            path += [user, next(c for c in candidates if c.id == chosen[0])]
        return digest_of(nodes)

    async def _induce(self, tree: str, user: UserNode) -> list[Disclosure]:
        said = sentences(user.content)
        numbered = "\n".join(f"{i}. {text}" for i, text in enumerate(said, 1))
        shape = {"name": "answer", "schema": self._inducer.schema(said)}
        choice = await self.post(
            "inducer",
            self._inducer.prompt.render(sentences=numbered),
            seed=derive_seed("inducer", tree, user.id),
            response_format={"type": "json_schema", "json_schema": shape},
        )
        return [*(read_disclosures(choice["message"]["content"], said) or ())]

    async def _reply(
        self,
        agent: AssistantAgent,
        tree: str,
        path: Nodes,
        user: UserNode,
        revealed: Sequence[Disclosure],
    ) -> AssistantNode:
        hint = " ".join(d.quote for d in revealed) if agent.hinted and revealed else None
        seed = derive_seed(agent.name, tree, user.id, 0)
        choice = await self.post(agent.name, agent._messages(path, user, hint), seed=seed)
        text = choice["message"]["content"]
        return AssistantNode.of(user.id, text, agent=agent.name, turn=user.turn, hint=hint)

    async def _compare(
        self,
        persona: Persona,
        tree: str,
        path: Nodes,
        user: UserNode,
        candidates: Sequence[AssistantNode],
    ) -> None:
        first, second = candidates
        one = self._config.judge.use == ONE_ORDER
        for order, a, b in (("first-second", first, second), ("second-first", second, first)):
            if one and order != "first-second":
                return
            messages = self._judge.render(
                persona=persona.text,
                history=as_text(path),
                message=user.content,
                a=a.content,
                b=b.content,
            )
            seed = derive_seed("judge", tree, first.id, second.id, order)
            wishes = {"logprobs": True, "top_logprobs": 20, "max_tokens": 1}
            await self.post("judge", messages, seed=seed, **wishes)


async def run_floor(config: Config, todo: Sequence[PlannedTree]) -> tuple[Floor, str]:
    """Play all trees at once; return what was counted, and the digest of all."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        floor = Floor(config, session)
        digests = await asyncio.gather(*(floor.converse(each) for each in todo))
    by_tree = {each.tree: digest for each, digest in zip(todo, digests, strict=True)}
    return floor, combined(by_tree)


def digest_of(nodes: Sequence[Node]) -> str:
    """Return a hash of what was said, and by whom."""
    said = [(node.role, node.content) for node in nodes]
    return sha256(json.dumps(said).encode()).hexdigest()


def combined(by_tree: dict[str, str]) -> str:
    """Return one short hash for the digests of all trees."""
    return sha256(json.dumps(sorted(by_tree.items())).encode()).hexdigest()[:12]
