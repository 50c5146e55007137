"""Before the first step: what cannot be saved, packed or learnt is refused; the rest is saved."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")

import tiny
import transformers
from architectures import architecture

from aloe.errors import ConfigError
from aloe.training.saving import check_saving
from aloe.training.sft import TreeSftTrainer

pytestmark = pytest.mark.train


def said(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


def row(method: str, subject: str) -> dict[str, Any]:
    """Return a row of exported data."""
    prompt = said("user", f"Tell me what you think of {subject}.")
    chosen = said("assistant", f"I love {subject}, above all in spring.")
    rejected = said("assistant", "As a language model I have no view.")
    return {
        "sft": {"prompt": prompt, "completion": chosen},
        "dpo": {"prompt": prompt, "chosen": chosen, "rejected": rejected},
        "kto": {"prompt": prompt, "completion": chosen, "label": True},
        "grpo": {"prompt": prompt, "profile": "I keep owls."},
    }[method]


KEPT = ["model", "rows.jsonl", "settings.toml"]
QUICK = ("--max-steps", "1", "--quiet", "--json")


def saved(folder: Path, name: str | None = None) -> Path:
    """Write a model of an architecture, the tiny Llama by default, with the tiny tokenizer."""
    tokenizer = tiny.tokenizer()
    model = architecture(name, vocab_size=len(tokenizer)) if name else tiny.model()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def train(aloe: Any, tmp_path: Path) -> Any:
    """Return a function that trains one step of a method and returns what was said."""

    def run(method: str, model: Path, *more: object, arguments: str = "") -> Any:
        data = tmp_path / "rows.jsonl"
        subjects = ("birds", "bread", "rain", "mountains")
        data.write_text("".join(json.dumps(row(method, each)) + "\n" for each in subjects))
        config = tmp_path / "settings.toml"
        config.write_text(f"[training.arguments]\n{arguments}\n")
        base = ("--from-base",) if method == "dpo" else ()
        return aloe("train", method, "--data", data, "--model", model, "--config", config, *base,
                    "--out", tmp_path / "out" / method, *QUICK, *more)  # fmt: skip

    return run


def refusal(ran: Any, tmp_path: Path) -> str:
    """Return the line of a training that was refused before anything was written."""
    assert (ran.code, "Traceback" in ran.err) == (2, False), ran.err
    assert sorted(each.name for each in tmp_path.iterdir()) == KEPT
    return str(ran.err.splitlines()[-1])


@pytest.mark.parametrize(
    ("name", "more"),
    [("Gemma 2", ()), ("gpt-oss", ("--full",)), ("LFM2", ()), ("Falcon", ())],
)
def test_what_is_not_packed_is_trained_and_saved_without_packing(
    train: Any, tmp_path: Path, name: str, more: tuple[str, ...]
) -> None:
    model = saved(tmp_path / "model", name)
    assert "--no-tree-packing" in refusal(train("sft", model, *more), tmp_path)
    ran = train("sft", model, "--no-tree-packing", *more)
    assert ran.code == 0, ran.err
    out = tmp_path / "out" / "sft"
    assert list(out.glob("*model.safetensors"))


def test_a_window_is_packed_to_the_end(train: Any, tmp_path: Path) -> None:
    ran = train("dpo", saved(tmp_path / "model", "Mistral, window"), "--full")
    assert ran.code == 0, ran.err
    config = json.loads((tmp_path / "out" / "dpo" / "config.json").read_text())
    assert config["sliding_window"] == 16
    assert "tree" not in json.dumps(config)


@pytest.mark.parametrize("packing", ["--tree-packing", "--no-tree-packing"])
@pytest.mark.parametrize("raised", [RuntimeError("two tensors share\nmemory"), OSError(28, "full")])
def test_a_model_that_cannot_be_saved_is_not_trained(
    train: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: str, raised: Exception
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise raised

    base = saved(tmp_path / "model")
    monkeypatch.setattr(transformers.PreTrainedModel, "save_pretrained", broken)
    problem = refusal(train("sft", base, "--full", packing), tmp_path)
    assert ("could not be saved" if isinstance(raised, RuntimeError) else "(full)") in problem


def test_a_disk_that_is_too_full_is_seen(
    train: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = saved(tmp_path / "model")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000))
    assert "save_total_limit = 1" in refusal(train("sft", base), tmp_path)


def test_tensors_that_a_file_cannot_hold_are_found(tmp_path: Path) -> None:
    model = tiny.model()
    first, second = model.model.layers
    first.mlp.up_proj.weight = second.mlp.up_proj.weight
    trainer: Any = SimpleNamespace(is_fsdp_enabled=False, is_deepspeed_enabled=False)
    with pytest.raises(ConfigError, match=r"(?s)^the model could not be saved [^\n]+$"):
        check_saving(trainer, tmp_path / "out", model.save_pretrained)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("method", "more"), [("dpo", ()), ("dpo", ("--no-tree-packing",)), ("kto", ())]
)
def test_a_first_gradient_of_zero_stops(
    train: Any, tmp_path: Path, method: str, more: tuple[str, ...]
) -> None:
    ran = train(method, saved(tmp_path / "model"), *more, arguments="beta = 0.0")
    assert (ran.code, "Traceback" in ran.err) == (2, False), ran.err
    assert ran.err.splitlines()[-1].startswith("aloe: the first gradient is exactly zero")
    assert not list((tmp_path / "out" / method).glob("*.safetensors"))


def test_sft_that_learns_nothing_stops(
    train: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = TreeSftTrainer.row_loss
    monkeypatch.setattr(TreeSftTrainer, "row_loss", lambda *given: 0.0 * true(*given))
    assert "exactly zero" in train("sft", saved(tmp_path / "model")).err


def test_grpo_may_begin_with_replies_that_are_all_rewarded_alike(
    train: Any, tmp_path: Path
) -> None:
    settings = "num_generations = 2\nper_device_train_batch_size = 2\nmax_completion_length = 4"
    reward = ("--reward", "rewards:always_one")
    ran = train("grpo", saved(tmp_path / "model"), *reward, arguments=settings)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out.splitlines()[-1])["last"]["grad_norm"] == 0


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_dropout_in_attention_is_refused_in_one_line(
    train: Any, tmp_path: Path, method: str
) -> None:
    model = saved(tmp_path / "model", "GPT-2, dropout in attention")
    said = refusal(train(method, model), tmp_path)
    assert "draws random numbers while it trains" in said
    assert "attn_pdrop = 0.1" in said
