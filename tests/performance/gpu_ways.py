"""Random models of known sizes, and the rows of a step for each way of training on them."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import transformers

from aloe.config import TrainingConfig
from aloe.training.packed_dataset import Batch, Example, make_batch
from aloe.training.packing import EncodedReply, Packed, pack
from aloe.training.start import add_lora
from tests.performance.training import WORDS, encode_pairs
from tests.performance.trie_rows import pack_trie
from tests.tiny import tokenizer

Tensor = Any
Rows = list[dict[str, Any]]

LOOP_TOKENS = 16_384
"""About the tokens of one row of the loop; a step of more has several."""

SHAPES: dict[str, dict[str, Any]] = {
    "toy": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 384},
    "135M": {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
             "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49_152,
             "tie_word_embeddings": True},
    "1B": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
           "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128_256,
           "tie_word_embeddings": True},
    "8B": {"hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
           "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128_256},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measurement."""

    way: str
    method: Any
    shape: str
    turns: int
    message: int
    """Tokens of a message, more or less."""
    trees: int
    """Conversations in an optimizer step."""
    steps: int = 6


def conversation(turns: int, message: int, seed: int) -> Rows:
    """Return the pairs of one conversation, with about as many tokens in each message."""
    rng = random.Random(seed)
    text = tokenizer()

    def said(role: str) -> dict[str, str]:
        size = rng.randint(message * 3 // 4, message * 5 // 4)
        ids = text(" ".join(rng.choices(WORDS, k=size)))["input_ids"][:size]
        return {"role": role, "content": text.decode(ids).strip()}

    history: list[dict[str, str]] = []
    rows = []
    for _ in range(turns):
        history = [*history, said("user")]
        replies = [said("assistant") for _ in range(2)]
        rows.append({"prompt": history, "chosen": replies[:1], "rejected": replies[1:]})
        history = [*history, rng.choice(replies)]
    return rows


def make_model(shape: str, device: str) -> Any:
    """Return random weights of a shape with a new adapter, as training would load them."""
    kind = torch.bfloat16 if device == "cuda" else torch.float32
    config = transformers.LlamaConfig(**SHAPES[shape], max_position_embeddings=131_072)
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(kind)
    try:
        with torch.device(device):
            model = transformers.LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    return add_lora(model.requires_grad_(False), "random", TrainingConfig(), scoring=False)


def pack_apart(answers: Sequence[EncodedReply]) -> Packed:
    """Return answers in one row, nothing shared: every sequence is a tree of its own."""
    parts = [pack([answer]) for answer in answers]
    begins = [0]
    for part in parts:
        begins.append(begins[-1] + len(part["ids"]))
    placed = list(zip(parts, begins, strict=False))
    return Packed(
        ids=torch.cat([part["ids"] for part in parts]),
        depth=torch.cat([part["depth"] for part in parts]),
        end=torch.cat([part["end"] + begin for part, begin in placed]),
        parents=torch.cat([part["parents"] + begin for part, begin in placed]),
        targets=torch.cat([part["targets"] for part in parts]),
        owners=torch.cat([part["owners"] + i for i, part in enumerate(parts)]),
    )


LAYOUTS: dict[str, Callable[[Sequence[EncodedReply]], Mapping[str, object]]] = {
    "loop": pack_apart,
    "trie": pack_trie,
}
"""How a way lays out its rows, if not as our trees."""


def make_rows(cell: Cell, step: Rows) -> list[Batch]:
    """Return the rows of one optimizer step: one of trees or tries, or several of a loop."""
    dpo = cell.method == "dpo"
    answers = [pair if dpo else pair[:1] for pair in encode_pairs(step, tokenizer())]
    if cell.way != "loop":
        parts = [answers]
    else:
        expected = cell.trees * cell.turns * (1 + dpo) * (cell.turns + 1) * cell.message
        count = min(len(answers), -(-expected // LOOP_TOKENS))
        parts = [answers[i::count] for i in range(count)]
    rows = []
    for part in parts:
        row = make_batch([Example(answers=each, tree="t") for each in part])
        if lay := LAYOUTS.get(cell.way):
            row = cast(Batch, {**row, **lay([answer for each in part for answer in each])})
            row["labels"] = row["labels"] if dpo else row["targets"]
        row["reference"] = torch.zeros(len(part) * (1 + dpo))
        rows.append(row)
    return rows


def count_flops(shape: str, rows: Sequence[Packed]) -> float:
    """Return the FLOPs of a step on paper: frozen weights forward and for their input's gradient.

    Attention counts where the mask allows it, and what checkpointing computes again does not.
    """
    sizes = SHAPES[shape]
    hidden, layers = sizes["hidden_size"], sizes["num_hidden_layers"]
    shared = sizes["num_key_value_heads"] / sizes["num_attention_heads"]
    layer = hidden * (hidden * (2 + 2 * shared) + 3 * sizes["intermediate_size"])
    total = 0.0
    for row in rows:
        scored = len(row["parents"].unique())
        total += 4 * (layers * layer * len(row["ids"]) + hidden * sizes["vocab_size"] * scored)
        total += 3 * 4 * layers * hidden * int((row["depth"] + 1).sum())
    return total
