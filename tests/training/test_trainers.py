"""The tree trainers against TRL's own, and against themselves cut differently."""

import math
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

import tiny
import torch
from accelerate.data_loader import BatchSamplerShard
from architectures import architecture
from torch.utils.data import BatchSampler, SequentialSampler

from aloe.config import TrainingConfig
from aloe.training.arguments import make_arguments
from aloe.training.dpo import TreeDpoTrainer
from aloe.training.packed_dataset import Example, make_batch, make_batches
from aloe.training.reference import score_rows
from aloe.training.sft import TreeSftTrainer
from aloe.training.shares import fill_up
from aloe.training.templates import ChatTokens

pytestmark = pytest.mark.train

# Nothing behind the end of a turn: TRL scores what a template writes there, and we do not.
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def said(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


def conversation(subject: str, turns: int = 3) -> list[dict]:
    """Pairs of a caterpillar: the rejected reply goes on in every second turn."""
    rows, history = [], []
    for turn in range(turns):
        prompt = history + said("user", f"Tell me about {subject}, part {turn}.")
        chosen = said("assistant", f"I love {subject}! Number {turn} is my favourite.")
        rejected = said("assistant", f"As a language model I have no view on {turn}.")
        rows.append({"prompt": prompt, "chosen": chosen, "rejected": rejected})
        history = prompt + (chosen if turn % 2 else rejected)
    return rows


ROWS = conversation("birds") + conversation("bread", 2)


@pytest.fixture
def tokenizer():
    made = tiny.tokenizer()
    before, made.chat_template = made.chat_template, TEMPLATE
    yield made
    made.chat_template = before


def arguments(method: str, where: Path, *, packed: bool, **changes: object):
    settings = TrainingConfig(
        lora=False,
        arguments={
            "learning_rate": 1e-3,
            "max_steps": 3,
            "save_strategy": "no",
            "lr_scheduler_type": "constant",
            "gradient_accumulation_steps": 1,
            **changes,
        },
    )
    return make_arguments(method, settings, checkpoints=where, seed=0, packed=packed)


def pairs(tokenizer) -> list[Example]:
    chat = ChatTokens(tokenizer)
    return [
        Example(
            answers=tuple(
                chat.answer(r["prompt"], r[c][0]["content"]) for c in ("chosen", "rejected")
            ),
            tree=r["prompt"][0]["content"],
        )
        for r in ROWS
    ]


def replies(tokenizer) -> list[Example]:
    return [Example(answers=e.answers[:1], tree=e.tree) for e in pairs(tokenizer)]


def logged(trainer, name: str) -> list[float]:
    return [entry[name] for entry in trainer.state.log_history if name in entry]


def weights(model) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize(
    ("losses", "weights_of_losses"),
    [
        (["sigmoid"], None),
        (["hinge"], None),
        (["ipo"], None),
        (["sft"], None),
        (["sigmoid", "sft"], [1.0, 0.3]),
        (["hinge", "ipo", "sigmoid"], [0.5, 0.1, 2.0]),
        (["sigmoid", "sft"], None),
    ],
)
def test_dpo_takes_the_steps_that_trls_trainer_takes(
    tokenizer, tmp_path, losses, weights_of_losses
):
    from datasets import Dataset
    from trl import DPOTrainer

    changes = {"beta": 0.4, "loss_type": losses, "loss_weights": weights_of_losses}
    # one pair a batch: TRL's `sft` is a mean over the tokens of a batch, ours over those of a pair
    flat = {"gradient_accumulation_steps": len(ROWS), **changes}
    plain = DPOTrainer(
        model=tiny.model(),
        args=arguments("dpo", tmp_path, packed=False, **flat),
        train_dataset=Dataset.from_list(ROWS),
        processing_class=tokenizer,
    )
    plain.train()
    tree = TreeDpoTrainer(
        rows=[make_batch(pairs(tokenizer))],
        model=tiny.model(),
        args=arguments("dpo", tmp_path, packed=True, **changes),
    )
    assert list(score_rows(tree, tmp_path / "kept")) == [1]
    tree.train()
    first, *later = logged(tree, "rewards/accuracies")
    assert first == 0.5  # the model equals its reference; TRL counts ties as misses
    assert later == pytest.approx(logged(plain, "rewards/accuracies")[1:], abs=2e-4)
    for name in ("loss", "rewards/margins", "rewards/chosen", "grad_norm"):
        assert logged(tree, name) == pytest.approx(logged(plain, name), abs=2e-4), name
    start, ours, theirs = (weights(m) for m in (tiny.model(), tree.model, plain.model))
    assert torch.cosine_similarity(ours - start, theirs - start, dim=0) > 0.999


def test_sft_takes_the_steps_that_trls_trainer_takes(tokenizer, tmp_path):
    from datasets import Dataset
    from trl import SFTTrainer

    rows = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in ROWS]
    plain = SFTTrainer(
        model=tiny.model(),
        args=arguments("sft", tmp_path, packed=False, per_device_train_batch_size=len(rows)),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    plain.train()
    tree = TreeSftTrainer(
        rows=[make_batch(replies(tokenizer))],
        model=tiny.model(),
        args=arguments("sft", tmp_path, packed=True),
    )
    tree.train()
    assert logged(tree, "loss") == pytest.approx(logged(plain, "loss"), abs=1e-4)
    start, ours, theirs = (weights(m) for m in (tiny.model(), tree.model, plain.model))
    assert torch.cosine_similarity(ours - start, theirs - start, dim=0) > 0.999


@pytest.mark.parametrize(
    ("name", "coefficient"),
    [("Mixtral", 0.3), ("Qwen3-MoE", 0.3), ("OLMoE", 0.3), ("Mixtral", 0.0)],
)
@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_experts_are_balanced_as_by_trl(tokenizer, tmp_path, name, method, coefficient):
    import trl
    from datasets import Dataset

    def model():
        return architecture(name, vocab_size=len(tokenizer))

    both = method == "dpo"
    row = {"prompt": said("user", "Birds?"), "chosen": ROWS[0]["chosen"]}
    row |= {"rejected": ROWS[0]["rejected"]} if both else {"completion": row.pop("chosen")}
    changes = {"max_steps": 1, "router_aux_loss_coef": coefficient}
    plain = (trl.DPOTrainer if both else trl.SFTTrainer)(
        model=model(),
        args=arguments(method, tmp_path, packed=False, **changes),
        train_dataset=Dataset.from_list([row]),
        processing_class=tokenizer,
    )
    plain.train()
    chat = ChatTokens(tokenizer)
    texts = (row["chosen"], row["rejected"]) if both else (row["completion"],)
    answers = tuple(chat.answer(row["prompt"], text[0]["content"]) for text in texts)
    given = {
        "rows": [make_batch([Example(answers=answers, tree="t")])],
        "model": model(),
        "args": arguments(method, tmp_path, packed=True, **changes),
    }
    tree = TreeDpoTrainer(**given) if both else TreeSftTrainer(**given)
    if both:
        list(score_rows(tree, tmp_path / "kept"))
    tree.train()
    (loss,), (expected,) = logged(tree, "loss"), logged(plain, "loss")
    if coefficient:  # shared tokens count once: exact where there are none
        assert logged(tree, "aux_loss") == pytest.approx(
            logged(plain, "aux_loss"), rel=0.05 if both else 1e-3
        )
        assert loss == pytest.approx(expected, abs=0.05 if both else 1e-3)
        assert abs(loss - expected) < 0.1 * coefficient * logged(tree, "aux_loss")[0]
    else:
        assert not logged(tree, "aux_loss")
        assert loss == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_how_rows_are_cut_changes_no_step(tokenizer, tmp_path, method):
    def trained(budget: int) -> torch.Tensor:
        examples = replies(tokenizer) if method == "sft" else pairs(tokenizer)
        rows = make_batches(examples, budget)
        kind = TreeSftTrainer if method == "sft" else TreeDpoTrainer
        given = {"gradient_accumulation_steps": len(rows), "max_steps": 1, "optim": "sgd"}
        trainer = kind(
            rows=rows,
            model=tiny.model(),
            args=arguments(method, tmp_path, packed=True, **given),
        )
        if method == "dpo":
            assert len(list(score_rows(trainer, tmp_path / f"kept-{budget}"))) == len(rows)
        trainer.train()
        return weights(trainer.model) - weights(tiny.model()), len(rows)

    (whole, one), (cut, several) = trained(10_000), trained(40)
    assert (one, several > 2) == (1, True)
    assert (whole - cut).norm() / whole.norm() < 1e-3


def test_a_weight_counts_a_pair_that_many_times(tokenizer, tmp_path):
    def gradient(examples: list[Example], *, weighted: bool) -> torch.Tensor:
        trainer = TreeDpoTrainer(
            rows=[make_batch(examples)],
            model=tiny.model(),
            args=arguments("dpo", tmp_path, packed=True, max_steps=1, optim="sgd"),
            weighted=weighted,
        )
        list(score_rows(trainer, tmp_path / f"kept-{weighted}"))
        trainer.train()
        return weights(trainer.model) - weights(tiny.model())

    two = pairs(tokenizer)[:2]
    double = [
        Example(answers=two[0].answers, tree="t", weight=4 / 3),
        Example(answers=two[1].answers, tree="t", weight=2 / 3),
    ]
    repeated = gradient([two[0], *two], weighted=False)
    assert torch.allclose(gradient(double, weighted=True), repeated, atol=1e-7)
    assert not torch.allclose(gradient(double, weighted=False), repeated, atol=1e-6)


def test_how_held_out_rows_are_cut_changes_no_loss(tokenizer, tmp_path):
    given = {"max_steps": 1, "eval_on_start": True, "eval_strategy": "epoch"}

    def evaluated(budget: int) -> float:
        rows = make_batches(replies(tokenizer), budget)
        trainer = TreeSftTrainer(
            rows=rows[:1],
            held_out=rows,
            model=tiny.model(),
            args=arguments("sft", tmp_path, packed=True, **given),
        )
        trainer.train()
        before, _ = logged(trainer, "eval_loss")
        return before

    assert evaluated(40) == pytest.approx(evaluated(10_000), abs=1e-4)


def test_rows_that_even_out_processes_count_for_nothing(tokenizer, tmp_path):
    rows = make_batches(pairs(tokenizer), 40)
    trainer = TreeDpoTrainer(
        rows=rows, model=tiny.model(), args=arguments("dpo", tmp_path, packed=True)
    )
    for row in trainer.all_rows():
        row["reference"] = trainer.score_answers(row)
    shards = [
        BatchSamplerShard(BatchSampler(SequentialSampler(rows), 1, drop_last=False), 3, process)
        for process in range(3)
    ]
    loaders = [fill_up(fill_up(SimpleNamespace(batch_sampler=shard))) for shard in shards]
    places = [[place for [place] in loader.batch_sampler] for loader in loaders]
    assert sorted(chain(*places)) == list(range(-(-len(rows) // 3) * 3))
    assert {len(own) for own in places} == {len(shards[0])} == {-(-len(rows) // 3)}
    assert len(rows) % 3  # so that there is one
    one_more = trainer.train_dataset[len(rows)]
    loss = trainer.compute_loss(trainer.model, one_more, num_items_in_batch=torch.tensor(0))
    loss.backward()
    assert loss == 0
    assert all(not p.grad.any() for p in trainer.model.parameters() if p.grad is not None)
    assert not trainer.measured
    trainer.model.eval()
    with torch.no_grad():
        trainer.compute_loss(trainer.model, one_more, num_items_in_batch=torch.tensor(5))
        assert trainer._evaluated == [(0.0, 0)]
        alone = trainer.compute_loss(trainer.model, rows[0], num_items_in_batch=torch.tensor(9))
    assert alone.item() == pytest.approx(math.log(2), abs=1e-5)  # whatever others evaluate


def test_experts_can_be_evaluated(tokenizer, tmp_path):
    rows = make_batches(replies(tokenizer), 10_000)
    trainer = TreeSftTrainer(
        rows=rows,
        held_out=rows,
        model=architecture("Mixtral", vocab_size=len(tokenizer)),
        args=arguments("sft", tmp_path, packed=True, max_steps=1, eval_on_start=True,
                       eval_strategy="epoch", router_aux_loss_coef=0.1),
    )  # fmt: skip
    trainer.train()
    assert len(logged(trainer, "eval_loss")) == 2


def test_a_process_with_several_gpus_keeps_to_one(tokenizer, tmp_path):
    given = arguments("sft", tmp_path, packed=True, max_steps=1)
    assert given.device.type == "cpu"
    given._n_gpu = 2  # as if they were there
    rows = make_batches(replies(tokenizer), 40)
    trainer = TreeSftTrainer(rows=rows, model=tiny.model(), args=given)
    assert len(trainer.get_train_dataloader()) == len(rows)
