"""Run where verifiers is installed: our users as its environment; ends with the results as JSON.

Arguments: files of cases without and with a history, one of cases that a model plays, folder for
results.
"""

import asyncio
import json
import sys
from pathlib import Path

import offline  # noqa: F401
import server
import verifiers.v1 as vf
from verifiers.v1.cli.eval.main import main

from aloe.benchmark.verifiers_environment import load_environment
from aloe.errors import AloeError

CASES, PAST, FREE, RESULTS = sys.argv[1:]
S = "scripted:aloe.agents.scripted:reply"
REPLIES = ("Yes.", "Why? Because it is so.", "It's a small thing. Do you want more?")
USER = ("I row across the lake at dawn. Which oars are best?", "My old boat leaks near its stern.")


def policy(request):
    said = sum(message["role"] == "user" for message in request.body["messages"])
    return server.completion(REPLIES[said - 1])


def summarise(episode):
    (trace,) = episode.traces
    return {
        "ok": episode.ok,
        "errors": [error.message for error in (*episode.errors, *trace.errors)],
        "rewards": {name: each.value for name, each in trace.rewards.items()},
        "metrics": dict(trace.metrics),
        "said": [[m.role, m.content] for b in trace.branches[-1:] for m in b.messages],
    }


def fall_out_of_role(turn):
    """Return a user who takes the model's part from a turn on."""

    def behave(request):
        texts = "\n".join(message["content"] for message in request.body["messages"])
        said = sum(each in texts for each in USER)
        spoiled = "As an AI language model, I do not have feelings."
        return server.completion(spoiled if said + 1 >= turn else USER[said])

    return behave


async def play(chat, suite=CASES, user=S, **given):
    """Hold every dialogue once."""
    env = load_environment(suite=suite, user=user, **given)
    client = vf.EvalClientConfig(base_url=chat.url, api_key_var="NONE")
    context = vf.ModelContext(client=client, model="tiny")
    async with env.serving():
        return [summarise(await env.run_episode(task, context)) for task in env.taskset]


def refused(**given):
    try:
        load_environment(**given)
    except AloeError as error:
        return str(error)


found = {"replies": REPLIES}
with server.serving() as chat, server.serving() as judge:
    chat.behave = policy
    judge.behave = lambda _: server.completion("4")
    asked = f"openai:judge@{judge.url}"
    for name in ("rules", "judge", "return"):
        found[name] = asyncio.run(play(chat, reward=name, judge=asked))
    found["asked"] = len(judge.requests)
    bodies = [each.body for each in judge.requests]
    found["sampling"] = [[body["temperature"], body["max_tokens"]] for body in bodies]
    judge.behave = lambda _: server.completion("I would rather not")
    found["unreadable"] = asyncio.run(play(chat, reward="judge", judge=asked))
    judge.behave = lambda _: server.completion("4")
    with server.serving() as people:
        for turn in (1, 3):
            people.behave = fall_out_of_role(turn)
            user = f"openai:user@{people.url}"
            held = play(chat, FREE, user, reward="judge", judge=asked)
            found[f"spoiled {turn}"] = asyncio.run(held)
    # its own command, with the file that lends the environment its name
    sys.path.append(str(Path(__file__).parent.parent / "examples"))
    flags = f"--env.user {S} --env.taskset.suite {CASES} --client.base-url {chat.url} -m tiny"
    main(["aloe-users", *flags.split(), "--no-push", "--no-rich", "-o", RESULTS, "--run.name", "a"])
    chat.behave = lambda _: server.completion(None)
    found["silent"] = asyncio.run(play(chat, reward="rules"))
    chat.behave = lambda _: server.failure(400)
    found["broken"] = asyncio.run(play(chat, reward="rules"))
found["refused"] = [
    refused(suite="aloe-100", user=S),
    refused(suite="aloe-1000"),
    refused(suite="verifiable", reward="thumbs"),
    refused(suite=PAST),
]
print(json.dumps(found))
