"""Small tokenizers of the SentencePiece kind, trained in a moment: blanks are part of words."""

import json
import string
from functools import cache
from typing import Any

import tiny

SPECIAL = ("<unk>", "<s>", "</s>")
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]

CORPUS = [*tiny.CORPUS, *["Birds and Bread", "Bread, with rye.", "Any time, I like to help."] * 4]

METASPACE = {"type": "Metaspace", "replacement": "▁", "split": False}
LEGACY = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    ],
}
DECODER = {
    "type": "Sequence",
    "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ],
}

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "BPE, legacy": ("BPE", {"normalizer": LEGACY, "pre_tokenizer": None}),
    "BPE, first": ("BPE", {"pre_tokenizer": {**METASPACE, "prepend_scheme": "first"}}),
    "BPE, always": ("BPE", {"pre_tokenizer": {**METASPACE, "prepend_scheme": "always"}}),
    "Unigram, first": ("Unigram", {"pre_tokenizer": {**METASPACE, "prepend_scheme": "first"}}),
    "Unigram, always": ("Unigram", {"pre_tokenizer": {**METASPACE, "prepend_scheme": "always"}}),
}
"""By name: the model, and how a blank gets before the first word of a text, or of each piece
between two marks."""


@cache
def _trained(model: str) -> str:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    settings = {
        "vocab_size": 640,
        "special_tokens": [*SPECIAL, *BYTES],
        "initial_alphabet": list(string.ascii_letters + string.punctuation + "▁"),
        "show_progress": False,
    }
    raw = Tokenizer(getattr(models, model)())
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = (
        trainers.BpeTrainer(**settings)
        if model == "BPE"
        else trainers.UnigramTrainer(**settings, unk_token="<unk>")
    )
    raw.train_from_iterator(CORPUS, trainer)
    made: str = raw.to_str()
    return made


def tokenizer(kind: str, template: str, marks: tuple[Any, ...] = ()) -> Any:
    """Return a tokenizer of one of `KINDS`, with marks of its own beside `<s>` and `</s>`."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    model, changes = KINDS[kind]
    raw = json.loads(_trained(model))
    raw["added_tokens"] = [each for each in raw["added_tokens"] if each["content"] in SPECIAL]
    raw["model"] |= {"byte_fallback": True}
    if model == "BPE":
        raw["model"] |= {"unk_token": "<unk>", "fuse_unk": True}
    made = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps({**raw, "decoder": DECODER, **changes})),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<unk>",
        additional_special_tokens=list(marks),
    )
    made.chat_template = template
    return made
