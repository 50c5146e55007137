"""What tree packing saves on a GPU: steps of DPO and SFT on random weights, done several ways.

Run as: make bench-training-gpu      (all cells, at most eight minutes; needs a GPU)
        python -m tests.performance.training_gpu --device cuda --out results.jsonl

Nothing is downloaded: models are random weights of known shapes, and text is tokenised by the
tests' own tokenizer, so only their sizes are real. `tree` is our trainer; `loop` the same trainer
and kernels on rows in which nothing is shared (one document mask over all sequences, the head on
reply tokens only); `trie` the same trainer on the rows and with the attention that the pinned TRL's
AsyncGRPO shares prefixes by (`trie_rows`); `trl` is the pinned TRL's trainer as it comes. All have
LoRA of rank 16 and, for DPO, the reference's scores given. Steps differ in length, as real ones do:
the first two show what is compiled, and the median of the others is the figure.

Cells come in the order of their importance, and each result is written as soon as it is there.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import gettempdir
from typing import Any

import torch
import transformers

from aloe.config import TrainingConfig
from aloe.training.adapters import show_adapters
from aloe.training.arguments import make_arguments
from aloe.training.dpo import TreeDpoTrainer
from aloe.training.packed_dataset import Batch
from aloe.training.packing import EncodedReply
from aloe.training.scores import answer_log_probabilities
from aloe.training.sft import TreeSftTrainer
from tests.performance.gpu_ways import Cell, Rows, conversation, count_flops, make_model, make_rows
from tests.performance.training import encode_pairs
from tests.performance.trie_rows import TrieDpoTrainer, TrieSftTrainer, score_row
from tests.tiny import tokenizer

Tensor = Any

PAGE = Path(__file__).parents[2] / "docs/performance/training-gpu.md"
PACKED = ("tree", "loop", "trie")
"""Ways of our trainer."""
TRL_PAIRS = 4
"""Most examples in a micro-batch of TRL; as many as divide a step."""


def _cells(*given: tuple[str, str, int, int, int]) -> list[Cell]:
    return [
        Cell(way=way, method=method, shape=shape, turns=turns, message=message, trees=trees)
        for method, shape, turns, message, trees in given
        for way in (*PACKED, "trl")
    ]


CELLS = _cells(
    ("dpo", "1B", 10, 70, 4),
    ("dpo", "8B", 10, 200, 1),
    ("dpo", "1B", 10, 200, 2),
    ("dpo", "1B", 30, 70, 1),
    ("sft", "1B", 10, 70, 4),
    ("dpo", "1B", 5, 70, 8),
    ("dpo", "135M", 10, 70, 8),
    ("sft", "8B", 10, 200, 1),
    ("dpo", "8B", 30, 70, 1),
    ("sft", "135M", 10, 70, 8),
)
TOY = [
    replace(cell, shape="toy", steps=2)
    for cell in _cells(("dpo", "", 3, 6, 2), ("sft", "", 3, 6, 2))[:7]
]


class Clock(transformers.TrainerCallback):  # type: ignore[misc]
    """Notes the seconds of each step and the graphs compiled by then."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.seconds: list[float] = []
        self.graphs: list[int] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start the watch."""
        if self.device == "cuda":
            torch.cuda.synchronize()
            if len(self.seconds) == 2:
                torch.cuda.reset_peak_memory_stats()
        self.began = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Stop it."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - self.began)
        self.graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])


def measure(cell: Cell, device: str) -> dict[str, Any]:
    """Take the steps of a cell and return what they took."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    steps = [
        [
            row
            for tree in range(cell.trees)
            for row in conversation(cell.turns, cell.message, 1000 * step + tree)
        ]
        for step in range(cell.steps)
    ]
    make = _trl if cell.way == "trl" else _packed
    trainer, tokens, flops = make(cell, steps, make_model(cell.shape, device), device)
    clock = Clock(device)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.add_callback(clock)
    in_order = torch.utils.data.SequentialSampler(trainer.train_dataset)
    trainer._get_train_sampler = lambda *_: in_order  # all ways see the same step at the same time
    trainer.train()
    usual = median(clock.seconds[2:] or clock.seconds)
    peak = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else None
    return {
        "seconds": usual,
        "first": clock.seconds[:2],
        "tokens_per_second": tokens / usual,
        "tflops": flops / usual / 1e12 if flops else None,
        "peak_gib": peak,
        "graphs": clock.graphs,
        "loss": next(e["loss"] for e in trainer.state.log_history if "loss" in e),
    }


def _arguments(cell: Cell, micro_batches: int, *, packed: bool) -> Any:
    own: dict[str, Any] = {
        "gradient_accumulation_steps": micro_batches,
        "max_steps": cell.steps,
        "save_strategy": "no",
        "activation_checkpointing": cell.shape == "8B",
    }
    if not packed:
        own["per_device_train_batch_size"] = cell.trees * cell.turns // micro_batches
    return make_arguments(
        cell.method,
        TrainingConfig(arguments=own),
        checkpoints=Path(gettempdir()) / "aloe-bench-gpu",
        seed=0,
        packed=packed,
    )


def _packed(cell: Cell, steps: list[Rows], model: Any, _device: str) -> tuple[Any, float, float]:
    rows = [make_rows(cell, step) for step in steps]
    trainer = _trainer(cell, rows, model)
    flops = median(count_flops(cell.shape, step) for step in rows)
    return trainer, median(sum(len(row["ids"]) for row in step) for step in rows), flops


def _trainer(cell: Cell, steps: list[list[Batch]], model: Any) -> Any:
    kinds: Any = (
        (TrieSftTrainer, TrieDpoTrainer) if cell.way == "trie" else (TreeSftTrainer, TreeDpoTrainer)
    )
    return kinds[cell.method == "dpo"](
        rows=[row for step in steps for row in step],
        model=model,
        args=_arguments(cell, len(steps[0]), packed=True),
    )


def _trl(cell: Cell, steps: list[Rows], model: Any, _device: str) -> tuple[Any, float, float]:
    """Return TRL's trainer; what it computes is not counted, since much of it is padding."""
    from datasets import Dataset
    from trl import DPOTrainer, SFTTrainer

    class GivenReference(DPOTrainer):  # type: ignore[misc]
        """Takes the reference as known."""

        def _precompute_ref_logps(self, dataset: Any, _name: str, _batch: int) -> Any:
            for column in ("ref_chosen_logps", "ref_rejected_logps"):
                dataset = dataset.add_column(column, [0.0] * len(dataset))
            return dataset

    size = max(each for each in range(1, TRL_PAIRS + 1) if len(steps[0]) % each == 0)
    rows = [row for step in steps for row in step]
    if cell.method == "sft":
        rows = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows]
    trainer = (GivenReference if cell.method == "dpo" else SFTTrainer)(
        model=model,
        args=_arguments(cell, len(steps[0]) // size, packed=False),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer(),
    )
    each = 2 if cell.method == "dpo" else 1
    sizes = [
        len(a.ids)
        for step in steps
        for pair in encode_pairs(step, tokenizer())
        for a in pair[:each]
    ]
    return trainer, sum(sizes) / len(steps), 0.0


def gradient_cosines(shape: str, turns: int, message: int, device: str) -> dict[str, float]:
    """Return the cosine of each way's gradient to that of one answer at a time in fp32."""
    tree = Cell(way="tree", method="dpo", shape=shape, turns=turns, message=message, trees=1)
    step = conversation(turns, message, 0)
    answers = [answer for pair in encode_pairs(step, tokenizer()) for answer in pair]

    def slope(model: Any, scores: Callable[[], Tensor]) -> Tensor:
        with show_adapters(model):
            torch.manual_seed(0)
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.data.normal_(std=0.02)
            found = scores()
            (-torch.nn.functional.logsigmoid(0.1 * (found[0::2] - found[1::2]))).sum().backward()
            return torch.cat(
                [p.grad.float().flatten() for p in model.parameters() if p.requires_grad]
            )

    plain = make_model(shape, device).float()
    alone = partial(_score_alone, plain)
    expected = slope(plain, lambda: torch.stack([alone(each) for each in answers])).cpu()
    found = {}
    for way in PACKED:
        cell = replace(tree, way=way)
        rows, model = make_rows(cell, step), make_model(shape, device)
        trainer = _trainer(cell, [rows], model)
        batches = [trainer._prepare_inputs(row) for row in rows]

        def scores(batches: Sequence[Batch] = batches, model: Any = model) -> Tensor:
            return torch.cat([answer_log_probabilities(b, score_row(model, b)) for b in batches])

        with trainer.accelerator.autocast():
            other = slope(model, scores).cpu()
        found[way] = torch.cosine_similarity(expected.double(), other.double(), dim=0).item()
        del model, trainer
        _clear(device)
    return found


def _score_alone(model: Any, answer: EncodedReply) -> Tensor:
    ids = torch.tensor([answer.ids], device=model.device)
    logits = model(ids, use_cache=False, logits_to_keep=answer.length + 1).logits[0, :-1].float()
    return logits.log_softmax(-1).gather(1, ids[0, answer.start :, None]).sum()


def _clear(device: str) -> None:
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def take(cells: Sequence[Cell], device: str, seconds: float) -> Iterator[dict[str, Any]]:
    """Measure one cell after the other while there is time; running out of memory is a result."""
    until = time.monotonic() + seconds
    for cell in cells:
        if time.monotonic() > until:
            return
        try:
            found = measure(cell, device)
        except torch.OutOfMemoryError:
            found = {"failed": "out of memory"}
        _clear(device)
        yield {**asdict(cell), **found}


def table(results: Sequence[dict[str, Any]]) -> str:
    """Return results as a Markdown table; ratios are against the tree of the same cell."""
    lines = [
        "| method | shape | turns | tokens a message | trees | way | s a step | against tree | "
        "first two steps, s | tokens/s | TFLOP/s | peak GiB | graphs after each step |",
        "|" + "---|" * 13,
    ]
    same = ("method", "shape", "turns", "message", "trees")
    trees = {tuple(r[k] for k in same): r.get("seconds") for r in results if r["way"] == "tree"}
    for each in results:
        head = [str(each[key]) for key in (*same, "way")]
        if "failed" in each:
            lines.append(f"| {' | '.join(head)} | {each['failed']} |" + " |" * 6)
            continue
        ours = trees.get(tuple(each[key] for key in same))
        figures = [
            f"{each['seconds']:.3f}",
            f"{each['seconds'] / ours:.2f}x" if ours else "",
            ", ".join(f"{s:.2f}" for s in each["first"]),
            f"{each['tokens_per_second']:.0f}",
            "" if each["tflops"] is None else f"{each['tflops']:.0f}",
            "" if each["peak_gib"] is None else f"{each['peak_gib']:.1f}",
            " ".join(map(str, each["graphs"])),
        ]
        lines.append(f"| {' | '.join([*head, *figures])} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write the page if that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, default=450, help="no cell begins after them")
    parser.add_argument("--out", type=Path, help="file that every result is added to at once")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}; on a GPU only")
    given = parser.parse_args(arguments)
    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("there is no GPU here; --device cpu runs a toy")
    if given.write and given.device != "cuda":
        raise SystemExit("--write is for figures of a GPU")
    toy = given.device == "cpu"
    results = []
    for found in take(TOY if toy else CELLS, given.device, given.seconds):
        results.append(found)
        _keep(given.out, found)
    cosines = gradient_cosines(*(("toy", 3, 6) if toy else ("1B", 5, 70)), given.device)
    _keep(given.out, {"cosines": cosines})
    text = f"{table(results)}\n\nCosine of the gradient to one answer at a time in fp32: {cosines}."
    print(text)
    if given.write:
        PAGE.write_text(page(text, torch.cuda.get_device_name()), encoding="utf-8")


def _keep(file: Path | None, found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(found) + "\n")


def page(text: str, card: str) -> str:
    """Return the page of the documentation."""
    return (
        "# What tree packing saves on a GPU\n\n"
        f"`make bench-training-gpu` on one {card}, torch {torch.__version__}, bf16, LoRA of rank "
        "16, random weights (8B with activation checkpointing). `loop` has the same kernels and "
        "shares nothing; `trie` has the rows and the gather of TRL's AsyncGRPO, with torch's "
        "kernel in place of FlashAttention 3; `trl` is TRL's trainer, up to "
        f"{TRL_PAIRS} examples a micro-batch. The figure is the median of the steps after the "
        "second.\n\n"
        f"{text}\n"
    )


if __name__ == "__main__":
    main()
