"""Run in Inspect's environment: the task with a scripted model; ends with the figures as JSON.

Arguments: file of cases, folder for logs, `play`, `fail` or the name of a limit of Inspect's,
which is 1; with `fail`, Inspect's settings say how to sample, and the judge is given as a list, as
Inspect gives several.
"""

import json
import sys
import time

import offline  # noqa: F401
from inspect_ai import eval as run
from inspect_ai.model import GenerateConfig, ModelOutput, ModelUsage, get_model
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from aloe.agents.scripted import reply
from aloe.benchmark import inspect_task
from aloe.benchmark.inspect_task import aloe, open_player

S = "scripted:aloe.agents.scripted:reply"
KINDS = {"user": HumanMessage, "assistant": AIMessage, "system": SystemMessage}

sampling = []
sampled = set()


def opened(config, **given):
    sampling.append([config.temperature, config.max_tokens])
    return open_player(config, **given)


inspect_task.open_player = opened


def said(messages, tools, choice, config):
    sampled.add((config.temperature, config.max_tokens))
    if sys.argv[3] == "fail":
        raise ValueError("the provider is broken")
    if sys.argv[3] == "time_limit":
        time.sleep(1)
    text = reply([KINDS[each.role](each.text) for each in messages], {"seed": config.seed})
    output = ModelOutput.from_content("mockllm", text)
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output


own = {"max_tokens": 50} if sys.argv[3] == "fail" else {}
given = {"temperature": 0.1} if sys.argv[3] == "fail" else {}
if sys.argv[3].endswith("_limit"):
    given = {sys.argv[3]: 1}
(log,) = run(
    aloe(suite=sys.argv[1], user=S, judge=[S] if sys.argv[3] == "fail" else S, seeds=2),
    model=get_model("mockllm/model", config=GenerateConfig(**own), custom_outputs=said),
    log_dir=sys.argv[2],
    display="none",
    **given,
)
assert log.status == "success", log.error
metrics = [score.metrics for score in log.results.scores]
print(
    json.dumps(
        {
            "figures": {name: each.value for one in metrics for name, each in one.items()},
            "sampling": sampling,
            "sampled": sorted(sampled),
            "messages": [len(sample.messages) for sample in log.samples],
            "values": [sample.scores["alignment"].value for sample in log.samples],
            "said": [sample.scores["alignment"].explanation for sample in log.samples],
        }
    )
)
