"""Run where verifiers is installed: our users as its environment; ends with the results as JSON.

Arguments: files of cases without and with a history, folder for results.
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

CASES, PAST, RESULTS = sys.argv[1:]
S = "scripted:aloe.agents.scripted:reply"
REPLIES = ("Yes.", "Why? Because it is so.", "It's a small thing. Do you want more?")


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


async def play(chat, **given):
    """Hold every dialogue once."""
    env = load_environment(suite=CASES, user=S, **given)
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
