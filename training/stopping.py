"""Where a trained model stops: at the token with which its template ends a reply.

That token need not be the tokenizer's end of text (Qwen2.5's base model: ChatML on
`<|endoftext|>`). A model trained on it writes the token, and a server that does not know it
continues to the limit. So it is added to the generation settings and the tokenizer before training:
both are saved with the model, and GRPO samples with them.
"""

from typing import Any

_TALK = (
    {"role": "user", "content": "Hello."},
    {"role": "assistant", "content": "Good day."},
    {"role": "user", "content": "Birds?"},
)


def stop_at(end: int, model: Any, tokenizer: Any) -> None:
    """Make the token `end` one that ends what a model writes; others that did still do.

    The tokenizer's end of text becomes that token unless the template would then write a
    conversation differently.
    """
    settings = getattr(model, "generation_config", None)
    known = find_ends(settings) if settings is not None else []
    if settings is not None and end not in known:
        settings.eos_token_id = [end, *known]
    if tokenizer.eos_token_id is not None and end in (tokenizer.eos_token_id, *known):
        return
    before, written = tokenizer.eos_token, _renders(tokenizer)
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    if _renders(tokenizer) != written:
        tokenizer.eos_token = before


def find_ends(settings: Any) -> list[int]:
    """Return the ids of all tokens that end a reply by a model's generation settings."""
    ends = settings.eos_token_id
    return list(ends) if isinstance(ends, list) else [] if ends is None else [ends]


def _renders(tokenizer: Any) -> list[str]:
    return [
        tokenizer.apply_chat_template(
            list(_TALK[:turns]), tokenize=False, add_generation_prompt=turns != 2
        )
        for turns in (1, 2, 3)
    ]
