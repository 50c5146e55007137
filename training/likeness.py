"""Whether transformers and llama.cpp read a GGUF file as the same model.

A model trained on a GGUF file is served by llama.cpp, which reads more of such files than
transformers does. So before the first step both score one conversation, and their log-probabilities
may differ only by as much as rounding explains. That is measured on the same model: llama.cpp
rounds the input of a layer (to 8 bits if weights are quantised, else to 16), and transformers does
the same here once, to see the effect. Both must also split text into the same tokens, and prompts
must be the same: llama.cpp fills in the template by itself, and puts a token before the text where
the file says so (`add_bos_token`).

On SmolLM2-135M in 8 bits, with prompts of 24, 64 and 200 tokens, served and read log-probabilities
differed by 0.07, 0.19 and 0.06 nats on average, and rounding by 0.10, 0.15 and 0.07. Positions
scaled by YaRN (factor 4) that one of them did not know made it 0.36, 1.01 and 0.37.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import Any

import torch

from aloe.errors import ModelError
from aloe.models.gguf_header import read_tensor_types
from aloe.models.local import EmbeddedServer, ask, start_server, weights_path

Tensor = Any

PLACES = 8
"""Tokens of the conversation whose successors are compared."""
CHOICES = 10
"""Candidates for each successor."""
MARGIN = 3.0
"""Times the difference that rounding makes."""
FLOOR = 0.02
"""In nats: what kernels may differ by where rounding makes next to none."""

_TALK = (
    {"role": "user", "content": "Which birds sing at night, and why? I'd like 2 or 3 of them."},
    {
        "role": "assistant",
        "content": "Nightingales do, from April to June: it's to win a mate.\n\n- Owls call, too "
        "(tawny owls above all).\n- Near rivers you may hear 1,200 reed warblers, naïve as they "
        "are...",
    },
    {"role": "user", "content": "And in the mountains?"},
)


def check_likeness(model: Any, tokenizer: Any, base: str) -> None:
    """Make sure that `model`, read from the GGUF file of `base`, is what llama.cpp serves.

    Raises:
        ModelError: llama.cpp cannot load the file, cuts text differently, makes another prompt of
            the same conversation, or its log-probabilities differ by more than rounding.
    """
    server = start_server(weights_path(base), name=base, slots=1, context=512)
    text = tokenizer.apply_chat_template(list(_TALK), tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    _check_tokens(server, tokenizer, text, ids, base)
    _check_prompt(server, tokenizer, ids, base)
    ends = [len(ids) * part // PLACES for part in range(1, PLACES + 1)]
    served = [ask_served(server, ids[:end], tokenizer) for end in ends]
    del server

    def scores() -> list[float]:
        with torch.inference_mode():
            logits = model(torch.tensor([ids], device=model.device)).logits[0]
        found = logits.float().log_softmax(-1).cpu()
        return [
            found[end - 1, i].item() for end, part in zip(ends, served, strict=True) for i in part
        ]

    here = scores()
    with _rounding(model, coarse=_is_quantised(base) or model.dtype != torch.float32):
        rounded = scores()
    apart = _mean_difference(here, [value for part in served for value in part.values()])
    explained = _mean_difference(here, rounded)
    if not apart <= MARGIN * explained + FLOOR:
        raise ModelError(
            f"{base}: log-probabilities of transformers and of llama.cpp differ by {apart:.3f} "
            f"nats on one prompt, and rounding explains {explained:.3f}; the model served would "
            "not be the one trained, so name the checkpoint folder it was made from"
        )


def ask_served(server: EmbeddedServer, ids: Sequence[int], tokenizer: Any) -> dict[int, float]:
    """Return the log-probabilities of the likeliest tokens after `ids`, as llama.cpp has them."""
    # It tells of no token that is part of a character, so it is made to write a letter; the
    # log-probabilities are those before that.
    letter = tokenizer("e", add_special_tokens=False)["input_ids"][-1]
    wish = {"prompt": list(ids), "n_predict": 1, "n_probs": CHOICES, "temperature": 0}
    answer = ask(server, "/completion", {**wish, "logit_bias": [[letter, 1000.0]]})
    options = answer["completion_probabilities"][0]["top_logprobs"]
    return {option["id"]: option["logprob"] for option in options}


def _check_tokens(
    server: EmbeddedServer, tokenizer: Any, text: str, ids: Sequence[int], base: str
) -> None:
    theirs = ask(server, "/tokenize", {"content": text, "parse_special": True})["tokens"]
    if theirs == list(ids):
        return
    ours, others, at = _apart(tokenizer, ids, theirs)
    raise ModelError(
        f"{base}: transformers and llama.cpp cut text into different tokens ({ours!r} and "
        f"{others!r} from token {at}); name the checkpoint folder that the file was made from"
    )


def _check_prompt(server: EmbeddedServer, tokenizer: Any, ids: Sequence[int], base: str) -> None:
    rendered = ask(server, "/apply-template", {"messages": list(_TALK)})["prompt"]
    wish = {"content": rendered, "add_special": True, "parse_special": True}
    if (theirs := ask(server, "/tokenize", wish)["tokens"]) == list(ids):
        return
    ours, others, at = _apart(tokenizer, ids, theirs)
    raise ModelError(
        f"{base}: llama.cpp makes {len(theirs)} tokens of a conversation of which transformers "
        f"makes {len(ids)} ({others!r} and {ours!r} from token {at}), so its prompts would not be "
        "those trained on; name the checkpoint folder that the file was made from, and serve with "
        "hf:"
    )


def _apart(tokenizer: Any, one: Sequence[int], two: Sequence[int]) -> tuple[str, str, int]:
    """Return what two rows of tokens say where they part, and where that is."""
    at = next((i for i, (a, b) in enumerate(zip(two, one, strict=False)) if a != b), len(one))
    said = [str(tokenizer.decode(part[max(0, at - 1) : at + 3])) for part in (one, two)]
    return said[0], said[1], at


def _is_quantised(base: str) -> bool:
    import gguf

    whole = {gguf.GGMLQuantizationType[kind] for kind in ("F32", "F16", "BF16", "F64")}
    return not whole.issuperset(read_tensor_types(weights_path(base)).values())


@contextmanager
def _rounding(model: Any, *, coarse: bool) -> Iterator[None]:
    """Round what enters each linear layer, as llama.cpp does."""

    def rounded(_layer: Any, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        first = given[0]
        return (_in_eight_bits(first) if coarse else first.half().to(first.dtype), *given[1:])

    layers = [each for each in model.modules() if isinstance(each, torch.nn.Linear)]
    hooks = [layer.register_forward_pre_hook(rounded) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _in_eight_bits(value: Tensor) -> Tensor:
    """Return numbers rounded to 8 bits, 32 neighbours of a row sharing a scale."""
    width = value.shape[-1]
    blocks = torch.nn.functional.pad(value, (0, -width % 32)).unflatten(-1, (-1, 32))
    scale = blocks.abs().amax(-1, keepdim=True).clamp_min(1e-20) / 127
    return ((blocks / scale).round() * scale).flatten(-2)[..., :width]


def _mean_difference(one: Sequence[float], two: Sequence[float]) -> float:
    return fmean(abs(a - b) for a, b in zip(one, two, strict=True))
