"""What is looked for before the first step: layers to adapt, dropout, tokens without embedding."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

import tiny
import torch
import transformers

from aloe.config import Config, ModelConfig, TrainingConfig
from aloe.errors import CallError, ConfigError
from aloe.models import checkpoint, huggingface
from aloe.models.checkpoint import load_checkpoint
from aloe.models.open import open_model
from aloe.training import start, tree_trainers, trl_trainers
from aloe.training.arguments import make_arguments
from aloe.training.dataset import read_training_data
from aloe.training.merge import merge
from aloe.training.plan import make_plan
from aloe.training.start import check_not_random, load_start

pytestmark = pytest.mark.train

SMALL = {
    "vocab_size": 384,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}


def row(text: str = "Birds?") -> dict:
    return {
        "prompt": [{"role": "user", "content": text}],
        "completion": [{"role": "assistant", "content": "Owls."}],
    }


def train(aloe, tmp_path: Path, model: Path, *more: object, text: str = "Birds?"):
    (tmp_path / "rows.jsonl").write_text(json.dumps(row(text)) + "\n")
    return aloe("train", "sft", "--data", tmp_path / "rows.jsonl", "--model", model, "--out",
                tmp_path / "out", "--max-steps", "1", "--quiet", *more)  # fmt: skip


def test_only_the_layers_named_get_adapters(aloe, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('[training]\ntarget_modules = ["q_proj", "mlp.up_proj"]\n')
    ran = train(aloe, tmp_path, tiny.save(tmp_path / "base"), "--config", config)
    assert ran.code == 0, ran.err
    saved = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert set(saved["target_modules"]) == {"q_proj", "mlp.up_proj"}
    assert json.loads((tmp_path / "out" / "training.json").read_text())["settings"][
        "target_modules"
    ] == ["q_proj", "mlp.up_proj"]


@pytest.mark.parametrize(
    ("targets", "problem"),
    [
        (["q_proj", "v_prj"], r"no 'v_prj'; did you mean 'v_proj'\?"),
        (["attention"], r"no 'attention'; it has .*down_proj"),
        (["lm_head"], "'lm_head' shares its weights"),
        (["embed_tokens", "q_proj"], "'embed_tokens' shares its weights"),
        (["self_attn"], "training.target_modules"),
        (["input_layernorm"], "training.target_modules"),
    ],
)
def test_a_layer_that_cannot_be_adapted_is_named(aloe, tmp_path, targets, problem):
    base = str(tiny.save(tmp_path / "base"))
    with pytest.raises(ConfigError, match=problem):
        load_start(base, TrainingConfig(target_modules=tuple(targets)))


def test_a_name_in_place_of_a_list_is_refused(aloe, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('[training]\ntarget_modules = "all"\n')
    ran = train(aloe, tmp_path, tmp_path, "--config", config)
    assert ran.is_one_line_about("training.target_modules")


RANDOM = {
    "attention": tiny.model(attention_dropout=0.2),
    "residual": transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=384, n_embd=32, n_layer=2, n_head=4, attn_pdrop=0,
                                embd_pdrop=0)),
    "embedding": transformers.OPTForCausalLM(
        transformers.OPTConfig(vocab_size=384, hidden_size=32, ffn_dim=64, num_hidden_layers=2,
                               num_attention_heads=4, word_embed_proj_dim=32, dropout=0.3)),
    "hidden": transformers.FalconForCausalLM(
        transformers.FalconConfig(vocab_size=384, hidden_size=32, num_hidden_layers=2,
                                  num_attention_heads=4, hidden_dropout=0.2)),
}  # fmt: skip


@pytest.mark.parametrize("kind", RANDOM)
def test_dropout_of_any_kind_is_not_packed(kind):
    with pytest.raises(ConfigError, match=r"(drop|pdrop)\w* = 0\.\d.*--no-tree-packing"):
        check_not_random(RANDOM[kind])


def test_dropout_of_the_adapters_is_no_dropout_of_the_model(tmp_path):
    settings = TrainingConfig(dropout=0.5)
    model = load_start(str(tiny.save(tmp_path)), settings).model.train()
    check_not_random(model)
    assert model.training


def test_a_model_with_dropout_is_trained_unpacked_alone(aloe, tmp_path):
    tiny.model(attention_dropout=0.2).save_pretrained(tmp_path / "base")
    tiny.tokenizer().save_pretrained(tmp_path / "base")
    assert train(aloe, tmp_path, tmp_path / "base").is_one_line_about("attention_dropout = 0.2")
    assert not (tmp_path / "out").exists()
    assert train(aloe, tmp_path, tmp_path / "base", "--no-tree-packing").code == 0


def enlarged(folder: Path, token: str = "<|picture|>") -> Path:
    """Write a model whose tokenizer knows one token more than the model."""
    tiny.save(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([token], special_tokens=token.startswith("<"))
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("more", [[], ["--no-tree-packing"]])
def test_a_token_without_embedding_is_refused_if_the_rows_hold_it(aloe, tmp_path, more):
    base = enlarged(tmp_path / "base", "birdsong")
    start = load_start(str(base), TrainingConfig(), rows=[row()])
    assert start.model.get_input_embeddings().weight.shape[0] == 384
    ran = train(aloe, tmp_path, base, *more, text="I hear birdsong there")
    assert ran.is_one_line_about("token 384 ('birdsong')", "embeddings for 384")
    assert not (tmp_path / "out").exists()


def test_a_mark_without_embedding_is_refused_whatever_the_rows_hold(tmp_path):
    base = enlarged(tmp_path / "base")
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = tiny.CHATML.replace("<|im_end|>", "<|picture|>")
    tokenizer.save_pretrained(base)
    with pytest.raises(ConfigError, match="token 384"):
        load_start(str(base), TrainingConfig())


def test_talking_with_such_a_token_fails_that_call_alone(tmp_path):
    chat = open_model(ModelConfig(model=f"hf:{enlarged(tmp_path)}", max_tokens=2)).chat
    tokenizer = chat._checkpoint.tokenizer
    tokenizer.chat_template = tiny.CHATML.replace("assistant\n' }}", "assistant<|picture|>' }}")
    with pytest.raises(CallError, match="token 384"):
        chat.invoke("Look")
    tokenizer.chat_template = tiny.CHATML
    assert chat.invoke("Look").usage_metadata


LATENT = {
    "kv_lora_rank": 16,
    "q_lora_rank": None,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "v_head_dim": 16,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "num_key_value_heads": 4,
}


@pytest.mark.parametrize("kind", ["DeepseekV2", "DeepseekV3"])
def test_latent_attention_is_adapted_and_trained(aloe, tmp_path, kind):
    config = getattr(transformers, f"{kind}Config")(**SMALL, **LATENT)
    model = getattr(transformers, f"{kind}ForCausalLM")(config)
    model.save_pretrained(tmp_path / "base")
    tiny.tokenizer().save_pretrained(tmp_path / "base")
    ran = train(aloe, tmp_path, tmp_path / "base", "--no-tree-packing")
    assert ran.code == 0, ran.err
    settings = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert {"kv_a_proj_with_mqa", "kv_b_proj"} <= set(settings["target_modules"])


@pytest.mark.parametrize("method", ["dpo", "kto", "reward"])
def test_dropout_of_adapters_is_kept_by_trls_trainers(tmp_path, method):
    for dropout in (0.0, 0.1):
        settings = TrainingConfig(dropout=dropout)
        made = make_arguments(method, settings, checkpoints=tmp_path, seed=0, packed=False)
        assert made.disable_dropout == (dropout == 0.0)


@pytest.mark.parametrize(("lora", "scoring"), [(False, False), (True, True)])
def test_what_is_trained_is_in_full_precision(tmp_path: Path, lora: bool, scoring: bool) -> None:
    base = tiny.save(tmp_path / "base")
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype="bfloat16")
    model.save_pretrained(base)

    def load(*given: object, **options: object) -> object:
        loaded = real(*given, **options)
        return replace(loaded, model=loaded.model.bfloat16())  # as on a GPU

    real = start.load_checkpoint
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(start, "load_checkpoint", load)
        found = load_start(str(base), TrainingConfig(lora=lora), scoring=scoring).model
    kinds = {(p.requires_grad, str(p.dtype)) for p in found.parameters()}
    frozen = {(False, "torch.bfloat16")} if lora else set()
    assert kinds == {(True, "torch.float32")} | frozen


@pytest.fixture
def pretend_gpu(monkeypatch):
    """Say that there is a GPU, and leave models where they are."""
    move = torch.nn.Module.to

    def stay(model, *given, **named):
        return model if given == ("cuda",) else move(model, *given, **named)

    def pretend() -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.nn.Module, "to", stay)
        monkeypatch.setattr("peft.peft_model.infer_device", lambda: "cpu")

    return pretend


def same(model, other) -> bool:
    weights, others = model.state_dict(), other.state_dict()
    return weights.keys() == others.keys() and all(
        weights[key].dtype == others[key].dtype and torch.equal(weights[key], others[key])
        for key in weights
    )


@pytest.fixture
def learnt(tmp_path):
    """An adapter that changes its base by less than bf16 can tell apart."""
    base = str(tiny.save(tmp_path / "base"))
    made = load_start(base, TrainingConfig(rank=4, alpha=8))
    for name, weights in made.model.named_parameters():
        if "lora_B" in name:
            weights.data.normal_(std=3e-4)
    made.model.save_pretrained(tmp_path / "sft")
    made.tokenizer.save_pretrained(tmp_path / "sft")
    return tmp_path / "sft"


def test_on_a_gpu_weights_that_are_all_trained_are_read_as_they_are(
    tmp_path, learnt, pretend_gpu
) -> None:
    full, frozen = TrainingConfig(lora=False), TrainingConfig()
    merged = load_start(str(learnt), full).model
    adapted = load_start(str(learnt), frozen).model.state_dict()
    tiny.save(tmp_path / "full")
    pretend_gpu()
    read = {"on_gpu": torch.bfloat16}
    assert same(load_start(str(tmp_path / "full"), full, **read).model, tiny.model())
    assert same(load_start(str(learnt), full, **read).model, merged)
    found = load_start(str(learnt), frozen, **read).model.state_dict()
    halves = {key for key, value in found.items() if value.dtype == torch.bfloat16}
    assert halves == {key for key in found if "lora" not in key}
    assert all(torch.equal(found[key], adapted[key]) for key in found.keys() - halves)


def test_a_merged_model_is_the_same_with_a_gpu_and_without(tmp_path, learnt, pretend_gpu) -> None:
    here = load_checkpoint(str(learnt), merged=True).model
    merge(learnt, tmp_path / "one")
    pretend_gpu()
    merge(learnt, tmp_path / "two")
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    served = huggingface._load(str(learnt))[0].model
    loaded = load_checkpoint(str(tmp_path / "one")).model
    assert same(served, loaded)  # rounded once, and only what a file holds
    assert same(served, here.bfloat16())
    assert served.model.rotary_emb.inv_freq.dtype == torch.float32
    assert not same(served, load_checkpoint(str(tmp_path / "base")).model)


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"bf16": True}, torch.bfloat16),
        ({"bf16": False}, torch.float32),
        ({"bf16": False, "fp16": True}, torch.float16),
    ],
)
def test_a_gpu_holds_and_computes_the_numbers_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict, kind: torch.dtype, packing: bool
) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(row()) + "\n")
    config = Config().updated(
        {"training.model": str(tiny.save(tmp_path / "base")), "training.tree_packing": packing},
        source="test",
    )
    plan = make_plan("sft", config, tmp_path / "rows.jsonl", tmp_path / "out")
    data = read_training_data(plan.data, "sft")
    arguments = SimpleNamespace(**{"fp16": False, **given})
    asked = []

    def load(name: str, *, on_gpu: torch.dtype, **_: object) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        model, _ = checkpoint._pretrained(name, trainable=True, scoring=False, on_gpu=on_gpu)
        asked.append(model.dtype)
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "load_checkpoint", load)
    make = tree_trainers.make_tree_trainer if packing else trl_trainers.make_trl_trainer
    with pytest.raises(KeyboardInterrupt):
        make(plan, data, arguments, None)
    assert asked == [kind]
