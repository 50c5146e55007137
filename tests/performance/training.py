"""What tree packing saves: one optimizer step over eight trees, done several ways.

Run as: make bench-training            (all, about an hour)
        python -m tests.performance.training --quick      (one conversation of three turns)

Ways of DPO: `tree` packs each conversation; `pairs` is the fair comparison, a plain loop over pairs
that computes logits for reply tokens only; `trl` is DPOTrainer with the reference given and one
pair a micro-batch, its fastest setting on a CPU. Ways of SFT: `tree`, and `turns`, one row a turn
with the same care. `tree-bf16` is `tree` with the frozen weights in bf16. All on SmolLM2-135M with
LoRA of rank 16, one thread, the reference's scores given to all. Every measurement is one
conversation in a process of its own, so that peak memory is its own; the ways take turns, one at a
time, since two that share the memory's bandwidth slow each other down unequally (a tree of three
turns took 7.2 CPU-seconds alone and 9.1 beside another), and the median over three conversations
times eight stands for the step. `--write FILE` keeps the table, but only of a run that was
complete.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

TREES = 8
"""Trees in the optimizer step that the figures are for."""

WAYS = ("dpo-tree", "dpo-pairs", "dpo-trl", "sft-tree", "sft-turns")
BF16 = "-bf16"
OTHERS = tuple(f"{method}-tree{BF16}" for method in ("dpo", "sft"))
"""Ways that suit some processors only."""

WORDS = """
the a my your some old new small warm quiet garden river bread dog letter morning winter song
friend kitchen answer story walk idea work night rain mountain boat child city window train
like want tell find keep make write read cook plan love need try hear think and but because
when with about after near slowly often never really well today
""".split()  # noqa: SIM905 - a list would be sixty lines


def message(rng: random.Random) -> str:
    """Return a message of 40 to 80 words, nearly all of them one token."""
    return " ".join(rng.choices(WORDS, k=rng.randint(40, 80)))


def conversation(turns: int, seed: int) -> list[dict[str, Any]]:
    """Return the pairs of one conversation in which one reply of two is carried on."""
    rng = random.Random(seed)
    history: list[dict[str, str]] = []
    rows = []
    for _ in range(turns):
        history = [*history, {"role": "user", "content": message(rng)}]
        replies = [{"role": "assistant", "content": message(rng)} for _ in range(2)]
        rows.append({"prompt": history, "chosen": replies[:1], "rejected": replies[1:]})
        history = [*history, rng.choice(replies)]
    return rows


def measure(way: str, turns: int, seed: int, model_folder: Path) -> dict[str, float]:
    """Do one optimizer step over one conversation and return what it took."""
    import torch

    torch.set_num_threads(1)
    from aloe.config import TrainingConfig
    from aloe.training.precision import freeze_in_bf16
    from aloe.training.start import load_start

    torch.manual_seed(0)
    start = load_start(str(model_folder), TrainingConfig())
    if way.endswith(BF16):
        freeze_in_bf16(start.model)
    prepare = PREPARE[way.removesuffix(BF16)]
    step, tokens = prepare(conversation(turns, seed), start.model, start.tokenizer)
    before = time.process_time()
    loss = step()
    seconds = time.process_time() - before if isinstance(loss, float) else loss[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    value = loss if isinstance(loss, float) else loss[0]
    return {"seconds": seconds, "peak_gib": peak, "tokens": tokens, "loss": value}


def encode_pairs(rows: Sequence[dict[str, Any]], tokenizer: Any) -> list[tuple[Any, Any]]:
    """Return chosen and rejected of each row as token ids."""
    from aloe.training.templates import ChatTokens

    chat = ChatTokens(tokenizer)
    both = ("chosen", "rejected")
    pairs = [[chat.answer(row["prompt"], row[c][0]["content"]) for c in both] for row in rows]
    return [(chosen, rejected) for chosen, rejected in pairs]


def _tree(rows: Sequence[dict[str, Any]], model: Any, tokenizer: Any, *, dpo: bool) -> Any:
    from aloe.training.dpo import TreeDpoTrainer
    from aloe.training.packed_dataset import Example, make_batch
    from aloe.training.sft import TreeSftTrainer

    pairs = encode_pairs(rows, tokenizer)
    examples = [Example(answers=p if dpo else p[:1], tree="t") for p in pairs]
    batch = make_batch(examples)
    kind: Any = TreeDpoTrainer if dpo else TreeSftTrainer
    trainer = kind(rows=[batch], model=model, args=_arguments("dpo" if dpo else "sft", 1))
    if dpo:
        batch["reference"] = trainer.score_answers(batch)
    return _timed(trainer), len(batch["ids"])


def _flat(rows: Sequence[dict[str, Any]], model: Any, tokenizer: Any, *, dpo: bool) -> Any:
    """Prepare the plain loop: one padded pair, or one row, at a time; logits where needed."""
    import torch

    pairs = encode_pairs(rows, tokenizer)
    groups = [list(pair) if dpo else [pair[0]] for pair in pairs]
    with torch.no_grad():
        reference = [_scores(model, group) for group in groups] if dpo else []
    adapters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(adapters, lr=1e-4)
    scored = sum(group[0].length for group in groups)

    def step() -> float:
        model.train()
        total = 0.0
        for index, group in enumerate(groups):
            scores = _scores(model, group)
            if dpo:
                rewards = scores - reference[index]
                loss = -torch.nn.functional.logsigmoid(0.1 * (rewards[0] - rewards[1])) / len(
                    groups
                )
            else:
                loss = -scores.sum() / scored
            loss.backward()
            total += loss.item()
        optimizer.step()
        return total

    tokens = sum(len(group) * max(len(a.ids) for a in group) for group in groups)
    return step, tokens


def _scores(model: Any, group: Sequence[Any]) -> Any:
    import torch

    from aloe.training.scores import LogProbabilities

    longest = max(len(a.ids) for a in group)
    ids = torch.zeros(len(group), longest, dtype=torch.long)
    attended, keep = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
    for row, answer in enumerate(group):
        size = len(answer.ids)
        ids[row, :size], attended[row, :size] = torch.tensor(answer.ids), 1
        keep[row, answer.start - 1 : size - 1] = True
    logits = model(ids, attention_mask=attended, logits_to_keep=keep, use_cache=False).logits
    logits = logits.reshape(-1, logits.shape[-1])
    owners = keep.nonzero()[:, 0]
    targets = torch.cat([torch.tensor(a.ids[a.start :]) for a in group])
    per_token = LogProbabilities.apply(logits, torch.arange(len(targets)), targets)
    return per_token.new_zeros(len(group)).index_add(0, owners, per_token)


def _trl(rows: Sequence[dict[str, Any]], model: Any, tokenizer: Any) -> Any:
    from datasets import Dataset
    from trl import DPOTrainer

    class GivenReference(DPOTrainer):  # type: ignore[misc]
        """Takes the reference as known, since computing it is no part of a step."""

        def _precompute_ref_logps(self, dataset: Any, _name: str, _batch: int) -> Any:
            for column in ("ref_chosen_logps", "ref_rejected_logps"):
                dataset = dataset.add_column(column, [-100.0] * len(dataset))
            return dataset

    trainer = GivenReference(
        model=model,
        args=_arguments("dpo", len(rows), packed=False),
        train_dataset=Dataset.from_list(list(rows)),
        processing_class=tokenizer,
    )
    pairs = encode_pairs(rows, tokenizer)
    return _timed(trainer), sum(2 * max(len(a.ids) for a in pair) for pair in pairs)


def _arguments(method: Any, micro_batches: int, *, packed: bool = True) -> Any:
    from aloe.config import TrainingConfig
    from aloe.training.arguments import make_arguments

    own = {"gradient_accumulation_steps": micro_batches, "max_steps": 1, "save_strategy": "no"}
    size = {} if packed else {"per_device_train_batch_size": 1}
    settings = TrainingConfig(arguments={**own, **size})
    return make_arguments(
        method,
        settings,
        checkpoints=Path(gettempdir()) / "aloe-bench",
        seed=0,
        packed=packed,
    )


def _timed(trainer: Any) -> Callable[[], tuple[float, float]]:
    """Return a step that times itself from its first micro-batch to its end."""
    import transformers

    class Clock(transformers.TrainerCallback):  # type: ignore[misc]
        """Notes CPU time at the borders of a step."""

        began = ended = 0.0

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.process_time()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ended = time.process_time()

    clock = Clock()
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.add_callback(clock)

    def step() -> tuple[float, float]:
        trainer.train()
        losses = [e["loss"] for e in trainer.state.log_history if "loss" in e]
        return losses[0], clock.ended - clock.began

    return step


PREPARE: dict[str, Callable[..., Any]] = {
    "dpo-tree": lambda *given: _tree(*given, dpo=True),
    "dpo-pairs": lambda *given: _flat(*given, dpo=True),
    "dpo-trl": _trl,
    "sft-tree": lambda *given: _tree(*given, dpo=False),
    "sft-turns": lambda *given: _flat(*given, dpo=False),
}


def in_own_process(model: Path, way: str, turns: int, seed: int) -> dict[str, float]:
    """Measure in a fresh process."""
    command = [sys.executable, "-m", __spec__.name, "--child", way, "--turns", str(turns),
               "--seed", str(seed), "--model", str(model)]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{way}, {turns} turns: {run.stderr[-2000:]}")
    found: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return found


def flops_ratio(turns: int, message_tokens: int = 70) -> float:
    """Return how many times fewer forward FLOPs packing takes, for an 8B model, on paper.

    Llama-3-8B: 7.0e9 weights in the layers, 32 layers, hidden size 4096, vocabulary 128,256 (the
    head on reply tokens only, both ways); attention only where the mask allows it.
    """
    layers, hidden, weights, head = 32, 4096, 7.0e9, 4096 * 128256
    length = message_tokens

    def cost(tokens: float, attended: float) -> float:
        return 2 * weights * tokens + 4 * layers * hidden * attended

    reply_head = 2 * head * 2 * turns * length
    flat_tokens = sum(2 * (2 * turn + 2) * length for turn in range(turns))
    flat_attended = sum(2 * ((2 * turn + 2) * length) ** 2 / 2 for turn in range(turns))
    tree_tokens = 3 * turns * length
    trunk = (2 * turns * length) ** 2 / 2
    side = sum(length * ((2 * turn + 1) * length) + length**2 / 2 for turn in range(turns))
    flat = cost(flat_tokens, flat_attended) + reply_head
    return flat / (cost(tree_tokens, trunk + side) + reply_head)


def table(results: dict[tuple[int, str], list[dict[str, float]]]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| turns | way | tokens a tree | CPU-s, 8 trees | peak GiB | against tree | runs |",
        "|---|---|---|---|---|---|---|",
    ]
    for (turns, way), runs in results.items():
        seconds = median(run["seconds"] for run in runs)
        ours = results.get((turns, f"{way[:3]}-tree"), runs)
        ratio = seconds / median(run["seconds"] for run in ours)
        lines.append(
            f"| {turns} | {way} | {median(run['tokens'] for run in runs):.0f} | "
            f"{TREES * seconds:.0f} | {max(run['peak_gib'] for run in runs):.2f} | {ratio:.2f}x | "
            f"{len(runs)} |"
        )
    return "\n".join(lines)


def report(results: dict[tuple[int, str], list[dict[str, float]]], turns: Sequence[int]) -> str:
    """Return the table and, below it, what an 8B model would save on paper."""
    paper = ", ".join(f"{each} turns {flops_ratio(each):.1f}x" for each in turns)
    return (
        f"{table(results)}\n\nOn paper, for an 8B model (forward FLOPs, pairs against tree): "
        f"{paper}."
    )


def main() -> None:
    """Measure, print the table, and write it if that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, nargs="+", default=[3, 5, 10])
    parser.add_argument("--ways", nargs="+", choices=(*WAYS, *OTHERS), default=list(WAYS))
    parser.add_argument("--repeats", type=int, default=3, help="conversations for each figure")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once, a core each")
    parser.add_argument("--quick", action="store_true", help="one conversation of three turns")
    parser.add_argument("--write", type=Path, help="put the table between the marks of this file")
    parser.add_argument("--child", choices=(*WAYS, *OTHERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measure(given.child, given.turns[0], given.seed, given.model)))
        return
    if given.quick:
        given.turns, given.repeats = [3], 1
    if given.write:
        _between_marks(given.write, "")  # find out now whether it can be done
    cells = [
        (way, turns, seed)
        for seed in range(given.repeats)
        for turns in given.turns
        for way in given.ways
    ]
    results: dict[tuple[int, str], list[dict[str, float]]] = {}
    with TemporaryDirectory() as folder, ThreadPoolExecutor(given.jobs) as jobs:
        model = given.model or _plain_weights(Path(folder))
        for (way, turns, _), found in zip(
            cells, jobs.map(partial(in_own_process, model), *zip(*cells, strict=True)), strict=True
        ):
            results.setdefault((turns, way), []).append(found)
            print(f"{turns} turns, {way}: {json.dumps(found)}", file=sys.stderr, flush=True)
    text = report(results, given.turns)
    print(f"\n{text}")
    if given.write:
        given.write.write_text(_between_marks(given.write, text), encoding="utf-8")


MARKS = ("<!-- table -->\n", "<!-- end of table -->\n")


def _between_marks(file: Path, text: str) -> str:
    """Return what `file` holds with `text` between its marks."""
    before, _, rest = file.read_text(encoding="utf-8").partition(MARKS[0])
    _, found, after = rest.partition(MARKS[1])
    if not found:
        raise SystemExit(f"{file} has no marks {MARKS[0].strip()} and {MARKS[1].strip()}")
    return f"{before}{MARKS[0]}\n{text}\n\n{MARKS[1]}{after}"


def _plain_weights(folder: Path) -> Path:
    """Write the embedded model as a plain checkpoint, which loads faster than GGUF."""
    from aloe.models.checkpoint import load_checkpoint

    loaded = load_checkpoint("smollm2-135m")
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
