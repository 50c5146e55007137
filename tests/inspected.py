"""Run in Inspect's environment: the task with a scripted model; ends with the figures as JSON.

Arguments: file of cases, folder for logs, `play` or `fail`.
"""

import json
import sys

import offline  # noqa: F401
from inspect_ai import eval as run
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from aloe.agents.scripted import reply
from aloe.benchmark import inspect_task
from aloe.benchmark.inspect_task import aloe, open_player

S = "scripted:aloe.agents.scripted:reply"
KINDS = {"user": HumanMessage, "assistant": AIMessage, "system": SystemMessage}

sampling = []


def opened(config, **given):
    sampling.append([config.temperature, config.max_tokens])
    return open_player(config, **given)


inspect_task.open_player = opened


def said(messages, tools, choice, config):
    if sys.argv[3] == "fail":
        raise ValueError("the provider is broken")
    text = reply([KINDS[each.role](each.text) for each in messages], {"seed": config.seed})
    output = ModelOutput.from_content("mockllm", text)
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output


(log,) = run(
    aloe(suite=sys.argv[1], user=S, judge=S, seeds=2),
    model=get_model("mockllm/model", custom_outputs=said),
    log_dir=sys.argv[2],
    display="none",
)
assert log.status == "success", log.error
metrics = [score.metrics for score in log.results.scores]
print(
    json.dumps(
        {
            "figures": {name: each.value for one in metrics for name, each in one.items()},
            "sampling": sampling,
            "messages": [len(sample.messages) for sample in log.samples],
            "values": [sample.scores["alignment"].value for sample in log.samples],
            "said": [sample.scores["alignment"].explanation for sample in log.samples],
        }
    )
)
