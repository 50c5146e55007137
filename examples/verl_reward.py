"""The reward of `examples/verl_grpo.sh`: the share of the user's wishes that a reply keeps.

verl calls it with what `aloe export --format verl-grpo` wrote: the wishes as JSON in
`ground_truth`, persona and what was said by then in `extra_info`. Thoughts and control tokens do
not count.

Held against verl's documentation and the source of what calls it. Untried in a training.
"""

import json
from typing import Any

from aloe.memory.verifiable.scoring import measure_satisfaction
from aloe.models.markup import message_in


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: dict[str, Any] | None = None
) -> float:
    wishes = json.loads(ground_truth)
    if not wishes:
        raise ValueError(f"a row of {data_source} has no wishes that a program can check")
    return measure_satisfaction(wishes, message_in(solution_str))
