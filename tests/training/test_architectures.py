"""Tree packing among architectures: each is packed right, or refused with the reason.

`pytest tests/training/test_architectures.py --update-snapshots` writes the table of
docs/tree-packing.md.
"""

import random
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from architectures import ARCHITECTURES, VOCABULARY, architecture
from peft import LoraConfig, get_peft_model

from aloe.errors import ConfigError
from aloe.training.activations import keep_less
from aloe.training.adapters import add_in_place
from aloe.training.attention import use_tree_attention
from aloe.training.packing import EncodedReply, pack
from aloe.training.parity import ROUNDING, require_same_scores
from aloe.training.scores import token_log_probabilities

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:The following .*_pattern keys did not match"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False"),
]

PAGE = Path(__file__).parents[2] / "docs" / "tree-packing.md"
OPENS, CLOSES = "<!-- architectures -->\n", "<!-- end of architectures -->\n"
REASONS = {
    r"has no attention with softcap": "its attention caps the scores (`softcap`)",
    r"has no attention with s_aux": "its attention has sinks (`s_aux`)",
    r"has no attention with dropout": "its attention drops some at random",
    r"cannot reach this model's attention": "its layers hand nothing on to attention",
    r"data (-\d+\.\d\d)\d+ nats packed and (-\d+\.\d\d)\d+ alone": r"\1 packed, \2 alone",
}
"""What the line says, and what the table says of it; numbers are ln p of one token."""
SEEN: dict[str, str] = {}


def words(rng: random.Random, size: int) -> tuple[int, ...]:
    return tuple(rng.randrange(3, VOCABULARY) for _ in range(size))


def answers() -> list[EncodedReply]:
    """Return replies of two conversations: two that part, one of them carried on."""
    rng = random.Random(0)
    trunk, other = words(rng, 30), words(rng, 20)
    first, second = trunk + words(rng, 8), trunk + words(rng, 12)
    longest = second + words(rng, 20)
    cuts = ((first, 28), (second, 28), (longest, 45), (other, 12))
    return [EncodedReply(ids=ids, start=start) for ids, start in cuts]


def alone(model: Any) -> Any:
    """Score each answer in a sequence of its own, with nothing of ours."""
    scores = []
    for answer in answers():
        logits = model(torch.tensor([answer.ids]), use_cache=False).logits[0, answer.start - 1 : -1]
        targets = torch.tensor(answer.ids[answer.start :])
        scores.append(logits.log_softmax(-1)[torch.arange(len(targets)), targets])
    return torch.cat(scores)


def gradient(model: Any, scores: Any) -> Any:
    """Return the gradient of a loss in which every token counts differently."""
    model.zero_grad()
    (scores * torch.linspace(-1, 1, len(scores))).sum().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def adapted(name: str) -> Any:
    """Return a model with an adapter that shows on every linear layer, if it can bear that."""
    settings = LoraConfig(
        r=2, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False
    )
    try:
        model = get_peft_model(architecture(name), settings).eval()
        alone(model)
    except (ValueError, AttributeError) as error:
        if re.search("incompatible with Mamba|'tuple' object has no attribute 'dtype'", str(error)):
            return architecture(name)
        raise
    return model


def prepare(model: Any) -> None:
    """Do what the trainer does before its first step."""
    with require_same_scores(model, [pack(answers())], nullcontext):
        use_tree_attention(model)
        add_in_place(model)
        keep_less(model)
    model.eval()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_is_packed_right_or_refused(name: str) -> None:
    model = adapted(name)
    expected = alone(model)
    wanted = gradient(model, expected)
    try:
        prepare(model)
    except ConfigError as error:
        SEEN[name] = f"refused: {reason(error)}"
        return
    found = token_log_probabilities(model, pack(answers()))
    off = (found - expected).abs().max().item()
    assert off < ROUNDING[torch.float32]
    learnt = gradient(model, found)
    assert (learnt - wanted).norm() < 1e-3 * wanted.norm()
    SEEN[name] = "packed"


def reason(error: ConfigError) -> str:
    said = str(error)
    assert "--no-tree-packing" in said
    assert "\n" not in said
    found = [
        match.expand(ours) for theirs, ours in REASONS.items() if (match := re.search(theirs, said))
    ]
    assert len(found) == 1, said
    return found[0]


def test_the_table_says_what_was_seen(request: pytest.FixtureRequest) -> None:
    if len(SEEN) < len(ARCHITECTURES):
        pytest.skip("needs all architectures of this file in one process")
    rows = (f"| {name} | `{ARCHITECTURES[name][0]}` | {SEEN[name]} |\n" for name in ARCHITECTURES)
    table = "| model | `model_type` | tree packing |\n|---|---|---|\n" + "".join(rows)
    before, rest = PAGE.read_text(encoding="utf-8").split(OPENS)
    written, after = rest.split(CLOSES)
    if request.config.getoption("--update-snapshots"):
        PAGE.write_text(before + OPENS + table + CLOSES + after, encoding="utf-8")
        written = table
    assert written == table
