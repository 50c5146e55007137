"""Checks, on the actual model and data, that packed trees are scored like single answers.

No list of suitable models could be complete: recurrent state, convolutions, positions that depend
on the longest text, capped attention, scaled layers can all interfere. So before the first step a
conversation from the data is scored twice: one answer at a time by the model as loaded, and packed,
with all of training's changes to the model in place and adapters that have an effect. A difference
that rounding does not explain is refused, with both numbers.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, pairwise
from typing import Any, cast

import torch

from aloe.errors import AloeError, ConfigError
from aloe.secrets import one_line
from aloe.training.adapters import show_adapters
from aloe.training.packing import EncodedReply, Packed, common_prefix, pack, unpack
from aloe.training.scores import model_dtype, token_log_probabilities

Tensor = Any

ROUNDING = {torch.float32: 1e-4, torch.float16: 0.05, torch.bfloat16: 0.4}
"""Nats by which the ln p of a token may differ. Seen on SmolLM2-135M: packing changes up to 1e-5,
0.026 and 0.14, and another kernel of plain attention 0.021 in fp16 and 0.24 in bf16."""
_NOISE = 3.0
"""Times that what rounding is seen to change in this very model may be exceeded; half precision."""
_MOST = 1.0
"""Nats that are never taken for rounding."""
_SHORT = 16
"""Tokens on which a whole step is tried."""
_PLAIN = "train with --no-tree-packing"


@contextmanager
def require_same_scores(
    model: Any, rows: Sequence[Packed], computing: Callable[[], AbstractContextManager[Any]]
) -> Iterator[None]:
    """Prepare `model` for packed rows inside, and make sure that its scores stay the same.

    Args:
        model: as it was loaded, adapters included.
        rows: what it will be trained on; the deepest of them gives the sample.
        computing: opens the context that training computes in, such as autocast.

    Raises:
        ConfigError: it cannot score the data, or not when they are packed, or it scores them
            otherwise then; names both numbers.
    """
    device = next(model.parameters()).device
    answers = _sample(rows)
    packed, short = (_moved(pack(each), device) for each in (answers, _cut(answers)))
    training = model.training
    with torch.random.fork_rng([device] if device.type == "cuda" else []), computing():
        with show_adapters(model.eval()):
            with _refused("the model cannot score the data"), torch.no_grad():
                expected = torch.cat([_alone(model, answer, answer.ids) for answer in answers])
                allowed = _rounding(model, answers, expected)
            with _refused(f"tree packing does not work with this model; {_PLAIN}"):
                yield
                with torch.no_grad():
                    found = token_log_probabilities(model, packed).cpu()
        _compare(found, expected, allowed)
        with _refused(f"tree packing does not work with this model; {_PLAIN}"):
            token_log_probabilities(model.train(), short).sum().backward()
    model.zero_grad(set_to_none=True)
    model.train(training)


def _sample(rows: Sequence[Packed]) -> list[EncodedReply]:
    """Return the longest conversation, two short ones that part, two apart, and the shortest."""
    deep = max(rows, key=_depth)
    forked = [row for row in rows if ((row["depth"].diff() <= 0) & (row["depth"][1:] > 0)).any()]
    apart = [row for row in rows if (row["depth"][1:] == 0).any()]
    answers = [each for row in (deep, *forked[:1], *apart[:1]) for each in unpack(row)]
    pairs = list(pairwise(sorted(answers, key=lambda answer: answer.ids)))
    shortest = [
        min((pair for pair in pairs if part(*pair)), key=lambda p: sum(map(_length, p)), default=())
        for part in (_fork, _share_nothing)
    ]
    chosen = (max(answers, key=_length), *chain(*shortest), min(answers, key=_length))
    return list({answer.ids: answer for answer in chosen}.values())


def _depth(row: Packed) -> int:
    return int(row["depth"].max())


def _length(answer: EncodedReply) -> int:
    return len(answer.ids)


def _fork(one: EncodedReply, two: EncodedReply) -> bool:
    return 0 < common_prefix(one.ids, two.ids) < min(len(one.ids), len(two.ids))


def _share_nothing(one: EncodedReply, two: EncodedReply) -> bool:
    return one.ids[0] != two.ids[0]


def _cut(answers: Sequence[EncodedReply]) -> list[EncodedReply]:
    """Return the beginnings of answers, all of it scored."""
    return [EncodedReply(ids=answer.ids[:_SHORT], start=1) for answer in answers]


def _moved(packed: Packed, device: Any) -> Packed:
    tensors = cast("dict[str, Tensor]", packed)
    return cast("Packed", {name: tensor.to(device) for name, tensor in tensors.items()})


def _alone(model: Any, answer: EncodedReply, ids: Sequence[int]) -> Tensor:
    """Return ln p of the scored tokens of `answer`, with which `ids` begin."""
    behind = len(ids) - len(answer.ids)
    asked = {"logits_to_keep": behind + answer.length + 1} if _keeps_logits(model) else {}
    given = torch.tensor([ids], device=next(model.parameters()).device)
    logits = model(input_ids=given, use_cache=False, **asked).logits[0]
    logits = logits[-behind - answer.length - 1 :][: answer.length].float()
    targets = given[0, answer.start : len(answer.ids), None]
    return (logits.gather(1, targets)[:, 0] - logits.logsumexp(-1)).cpu()


def _keeps_logits(model: Any) -> bool:
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(base.forward).parameters


def _rounding(model: Any, answers: Sequence[EncodedReply], expected: Tensor) -> float:
    """Return by how many nats rounding may change the ln p of a token.

    In half precision it depends on the model, and is seen when a few tokens follow, which are
    computed along with the others and change nothing of them.
    """
    device = next(model.parameters()).device.type
    autocast = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if autocast else model_dtype(model)
    if dtype is torch.float32:
        return ROUNDING[dtype]
    again = torch.cat([_alone(model, answer, answer.ids + answer.ids[:3]) for answer in answers])
    seen = (again - expected).abs().max().item()
    return float(min(max(ROUNDING.get(dtype, 0.0), _NOISE * seen), _MOST))


def _compare(found: Tensor, expected: Tensor, allowed: float) -> None:
    off = (found - expected).abs().nan_to_num(nan=torch.inf)
    worst = int(off.argmax())
    if off[worst] > allowed:
        raise ConfigError(
            "tree packing would train this model wrongly: it scores a token of the data "
            f"{found[worst].item():.4f} nats packed and {expected[worst].item():.4f} alone; "
            f"rounding explains {allowed:.4f} of that; {_PLAIN}"
        )


@contextmanager
def _refused(problem: str) -> Iterator[None]:
    """Turn whatever somebody's model raises into one line."""
    try:
        yield
    except (AloeError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise ConfigError(f"{problem} ({one_line(error)})") from None
