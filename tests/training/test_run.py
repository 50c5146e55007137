"""Training as a person runs it: from a run folder to a model that answers."""

import asyncio
import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

import builders
import tiny
import torch

import aloe as library
from aloe.agents.prompt import shipped
from aloe.config import Config, ModelConfig, TrainingConfig, load
from aloe.errors import BudgetError, ConfigError
from aloe.memory.run_folder import read_trees
from aloe.memory.verifiable.catalogue import find_wish
from aloe.models.checkpoint import load_checkpoint
from aloe.models.open import open_model
from aloe.schema import Persona, Tree
from aloe.training.arguments import _BY_TRL, _MEASURED, make_arguments
from aloe.training.card import _passport, write_card
from aloe.training.checks import check_settings
from aloe.training.curves import draw_curves, draw_sparkline, find_held_out
from aloe.training.dataset import read_rows, read_training_data
from aloe.training.display import summarise
from aloe.training.dpo import TreeDpoTrainer
from aloe.training.merge import merge
from aloe.training.model_folder import ModelFolder, hash_base, hash_model
from aloe.training.plan import make_plan
from aloe.training.progress import TrainingProgress
from aloe.training.push import list_files
from aloe.training.reward import RewardModel
from aloe.training.rollout_agents import open_agents
from aloe.training.sft import TreeSftTrainer
from aloe.training.start import is_adapter

pytestmark = pytest.mark.train

QUICK = ("--learning-rate", "1e-3", "--max-steps", "4", "--quiet", "--json")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run folder with two small trees."""
    folder = tmp_path_factory.mktemp("run")
    settings = builders.config(turns=3, expansion="both")
    trees = [builders.grow(settings, persona=p) for p in builders.PERSONAS[:2]]
    (folder / "trees.jsonl").write_text("".join(t.model_dump_json() + "\n" for t in trees))
    return folder


def rows_file(where: Path, *rows: dict) -> Path:
    file = where / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def pair(**changes: object) -> dict:
    return {
        "prompt": [{"role": "user", "content": "Birds?"}],
        "chosen": [{"role": "assistant", "content": "Yes!"}],
        "rejected": [{"role": "assistant", "content": "No."}],
        **changes,
    }


def result(ran) -> dict:
    assert ran.code == 0, ran.err
    return json.loads(ran.out.splitlines()[-1])


def adapter(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def same(one: dict, two: dict) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_sft_then_dpo_then_talking_to_the_result(aloe, base, run, tmp_path):
    models = tmp_path / "models"
    first = result(
        aloe("train", "sft", "--data", run, "--model", base, "--out", models / "sft", *QUICK)
    )
    assert first["last"]["loss"] < first["first_loss"]
    assert first["flat_tokens"] > 1.8 * first["tokens"] > 0
    assert (first["row_tokens"], first["step_rows"]) == (2048, 4)
    second = result(
        aloe("train", "dpo", "--data", run, "--model", base, "--out", models / "dpo", *QUICK)
    )
    assert second["start"] == str(models / "sft")
    assert second["first_loss"] == pytest.approx(0.6931, abs=1e-3)
    assert second["last"]["loss"] < 0.69
    assert second["last"]["rewards/margins"] > 0
    assert not same(adapter(models / "sft"), adapter(models / "dpo"))
    with warnings.catch_warnings(action="error"):  # nothing on the screen of `aloe train merge`
        assert load_checkpoint(str(models / "dpo")).base == str(base)

    chat = open_model(ModelConfig(model=f"hf:{models / 'dpo'}", temperature=0.0, max_tokens=4))
    assert chat.chat.invoke("Hello").response_metadata["finish_reason"] in ("stop", "length")

    card = (models / "dpo" / "README.md").read_text()
    for fact in (second["data_hash"], "Intended use", "judge passport", "rewards/margins", "2.13"):
        assert fact in card
    again = aloe("train", "dpo", "--data", run, "--model", base, "--out", models / "dpo", *QUICK)
    assert result(again)["seconds"] == second["seconds"]  # nothing was done twice


def test_all_weights_can_be_trained(aloe, base, run, tmp_path):
    out = tmp_path / "full"
    done = result(
        aloe("train", "sft", "--data", run, "--model", base, "--out", out, "--full", *QUICK)
    )
    assert done["last"]["loss"] < done["first_loss"]
    assert (out / "model.safetensors").exists()
    assert open_model(ModelConfig(model=f"hf:{out}")).chat.invoke("Hi").usage_metadata


@pytest.mark.parametrize("method", ["sft", "dpo", "kto", "reward"])
def test_trls_own_trainers_run_from_a_run_folder(aloe, base, run, tmp_path, method):
    more = {"sft": ["--no-tree-packing"], "dpo": ["--no-tree-packing", "--from-base"]}
    quick = ("--learning-rate", "1e-3", "--max-steps", "2", "--quiet", "--json")
    ran = aloe("train", method, "--data", run, "--model", base, "--out", tmp_path / method,
               *more.get(method, []), *quick)  # fmt: skip
    done = result(ran)
    assert done["steps"] == 2
    changed = [
        value.abs().max() for key, value in adapter(tmp_path / method).items() if "_B" in key
    ]
    assert max(changed) > 0


def test_a_killed_training_goes_on_and_ends_as_if_it_had_not_been(start, aloe, base, run, tmp_path):
    config = tmp_path / "slow.toml"
    config.write_text("[training]\nrow_tokens = 300\n[training.arguments]\nsave_steps = 2\n"
                      "save_total_limit = 9\n")  # fmt: skip
    arguments = ("train", "sft", "--data", run, "--model", base, "--config", config,
                 "--max-steps", "14", "--learning-rate", "1e-3", "--json", "--quiet")  # fmt: skip
    whole = result(aloe(*arguments, "--out", tmp_path / "whole"))

    child = start(*arguments, "--out", tmp_path / "killed", OMP_NUM_THREADS="1")
    marker = tmp_path / "killed" / "checkpoints" / "checkpoint-2" / "trainer_state.json"
    while child.poll() is None and not marker.exists():
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    torn = tmp_path / "killed" / "checkpoints" / "checkpoint-13"
    torn.mkdir(exist_ok=True)
    (torn / "trainer_state.json").write_text("{")
    for file in (tmp_path / "killed" / "checkpoints").glob("checkpoint-?/trainer_state.json"):
        with suppress(ValueError):  # the kill tore it
            state = json.loads(file.read_text())
            taken = state["stateful_callbacks"]["StepWatcher"]["attributes"]
            assert 0 < taken["seconds"] < 600
            taken |= {"seconds": 1000.0, "peak_gib": 100.0, "gpu_peak_gib": 7.0}
            file.write_text(json.dumps(state))

    done = result(aloe(*arguments, "--out", tmp_path / "killed"))
    assert done["steps"] == whole["steps"] == 14
    assert done["first_loss"] == whole["first_loss"]
    assert done["last"]["loss"] == pytest.approx(whole["last"]["loss"], abs=1e-5)
    assert not torn.exists()
    assert 1000 < done["seconds"] < 1600  # both parts'
    assert (done["peak_gib"], done["gpu_peak_gib"]) == (100, 7)


def stop_at(out: Path, step: int):
    """Return what interrupts a training into `out` once it has the checkpoint of a step."""
    kept = out / "checkpoints" / f"checkpoint-{step}" / "trainer_state.json"

    def watch(progress: TrainingProgress) -> None:
        if progress.phase == "training" and kept.exists() and progress.step > step:
            raise KeyboardInterrupt

    return watch


@pytest.mark.parametrize(
    ("more", "steps"),
    [
        ({"num_iterations": 2}, {2, 4, 6}),
        ({"steps_per_generation": 6}, {3, 6}),
        ({}, {1, 2, 3, 4, 5, 6}),
    ],
)
def test_grpo_goes_on_only_from_where_it_samples_anew(base, run, tmp_path, more, steps):
    arguments = {"max_completion_length": 4, "mask_truncated_completions": False, "save_steps": 1,
                 "save_total_limit": 9, "learning_rate": 1e-2, **more}  # fmt: skip

    def length(completions: list, **_columns: object) -> list[float]:
        return [float(len(each[0]["content"])) for each in completions]

    def train(name: str, **given: object) -> dict:
        return library.train("grpo", run, tmp_path / name, model=str(base), max_steps=6,
                             reward=length, arguments=arguments, **given)  # fmt: skip

    train("whole")
    kept = (tmp_path / "whole" / "checkpoints").glob("checkpoint-*")
    assert {int(each.name.rpartition("-")[2]) for each in kept} == steps
    with pytest.raises(KeyboardInterrupt):
        train("cut", progress=stop_at(tmp_path / "cut", min(steps)))
    assert train("cut")["steps"] == 6
    assert same(adapter(tmp_path / "whole"), adapter(tmp_path / "cut"))


@pytest.mark.parametrize("packing", [True, False])
def test_a_training_that_goes_on_tomorrow_writes_the_date_of_today(
    base, run, tmp_path, monkeypatch, packing
):
    dated = shutil.copytree(base, tmp_path / "base")
    today = "{{ '<|im_start|>system\n' + strftime_now('%d %b %Y') + '<|im_end|>\n' }}"
    (dated / "chat_template.jinja").write_text(today + tiny.CHATML)

    def train(name: str, **given: object) -> dict:
        return library.train(
            "sft", run, tmp_path / name, model=str(dated), max_steps=4, learning_rate=1e-3,
            tree_packing=packing, row_tokens=300 if packing else None,
            arguments={"save_steps": 1, "gradient_accumulation_steps": 1}, **given,
        )  # fmt: skip

    whole = train("whole")
    with pytest.raises(KeyboardInterrupt):
        train("cut", progress=stop_at(tmp_path / "cut", 1))

    class Later(datetime):
        @classmethod
        def now(cls, _zone: object = None) -> datetime:
            return cls(2031, 2, 3)

        @classmethod
        def today(cls) -> datetime:
            return cls(2031, 2, 3)

    monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Later)
    monkeypatch.setattr("aloe.training.plan.date", Later)
    assert train("cut")["day"] == whole["day"] != "2031-02-03"
    assert same(adapter(tmp_path / "whole"), adapter(tmp_path / "cut"))
    assert "2031-02-03" in train("other")["day"]


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(
    aloe, base, run, tmp_path, monkeypatch
):
    calls = []
    true_loss = TreeSftTrainer.row_loss

    def spoilt(self, *given):
        calls.append(1)
        return true_loss(self, *given) * (float("nan") if len(calls) == 3 else 1.0)

    monkeypatch.setattr(TreeSftTrainer, "row_loss", spoilt)
    config = tmp_path / "c.toml"
    config.write_text("[training.arguments]\nsave_steps = 1\n")
    out = tmp_path / "out"
    ran = aloe(
        "train", "sft", "--data", run, "--model", base, "--out", out, "--config", config, *QUICK
    )
    assert ran.code == 2
    assert "at step 3" in ran.err
    assert sorted(c.name for c in (out / "checkpoints").glob("c*")) == [
        "checkpoint-1",
        "checkpoint-2",
    ]
    kept = adapter(out / "checkpoints" / "checkpoint-2")
    assert all(value.isfinite().all() for value in kept.values())
    assert not (out / "adapter_model.safetensors").exists()


BAD_ROWS = {
    "no 'rejected'": {k: v for k, v in pair().items() if k != "rejected"},
    "identical": pair(rejected=[{"role": "assistant", "content": " Yes! "}]),
    "'prompt' is empty": pair(prompt=[]),
    "'chosen' is empty": pair(chosen=[{"role": "assistant", "content": " "}]),
    "must end with a user message": pair(prompt=[{"role": "system", "content": "x"}]),
    "schema version 7": pair(schema_version=7),
    "not a list of messages": pair(prompt="Birds?"),
}


@pytest.mark.parametrize("problem", BAD_ROWS)
def test_a_bad_row_is_named_before_anything_is_written(aloe, base, tmp_path, problem):
    data = rows_file(tmp_path, pair(), BAD_ROWS[problem])
    ran = aloe("train", "dpo", "--data", data, "--model", base, "--from-base", "--out",
               tmp_path / "out", *QUICK)  # fmt: skip
    assert ran.code == 2
    assert f"{data}:2: " in ran.err
    assert problem in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("sft", ()),
        ("sft", ("--no-tree-packing",)),
        ("dpo", ("--from-base",)),
        ("dpo", ("--from-base", "--no-tree-packing")),
        ("kto", ()),
        ("reward", ()),
        ("grpo", ("--reward", "rewards:little_e")),
    ],
)
def test_a_row_that_the_template_refuses_is_named(aloe, tmp_path, method, more):
    model = tiny.save(tmp_path / "strict")
    template = model / "chat_template.jinja"
    strict = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    template.write_text(strict + template.read_text())
    system = [{"role": "system", "content": "Be kind."}, *pair()["prompt"]]
    label = True if method == "kto" else None
    good = {**pair(), "completion": pair()["chosen"], "label": label}
    data = rows_file(tmp_path, good, good, {**good, "prompt": system})
    ran = aloe("train", method, "--data", data, "--model", model, "--out", tmp_path / "out",
               *more, "--quiet")  # fmt: skip
    assert ran.code == 2
    assert f"{data}:3: the chat template refuses this conversation: no system" in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_conversation_trains_all_its_replies_packed_or_not(aloe, base, tmp_path):
    roles = ("user", "assistant") * 3
    talk = [{"role": role, "content": f"Word {n}."} for n, role in enumerate(roles)]
    data = rows_file(tmp_path, {"messages": talk})
    found = [
        result(aloe("train", "sft", packing, "--data", data, "--model", base, "--out",
                    tmp_path / packing, "--max-steps", "1", "--quiet", "--json"))
        for packing in ("--tree-packing", "--no-tree-packing")
    ]  # fmt: skip
    assert [record["rows"] for record in found] == [3, 3]
    assert found[0]["data_hash"] == found[1]["data_hash"]
    assert "left_out" not in found[0]


def refused_by(aloe, method: str, tmp_path: Path, base: object, *more: object, data: Path) -> str:
    """Return the one line with which a training is refused before anything is written."""
    out = tmp_path / "out" / method
    ran = aloe("train", method, "--data", data, "--model", base, "--out", out, *more, "--quiet")
    assert ran.code == 2
    assert not out.exists()
    assert len(ran.err.splitlines()) == 1, ran.err
    return ran.err


def refused(aloe, tmp_path: Path, base: object, *more: object) -> str:
    return refused_by(aloe, "dpo", tmp_path, base, *more, data=rows_file(tmp_path, pair()))


def test_what_cannot_be_trained_is_refused_in_one_line(aloe, base, tmp_path, monkeypatch):
    def with_settings(text: str) -> tuple[str, ...]:
        file = tmp_path / "settings.toml"
        file.write_text(text)
        return ("--from-base", "--config", str(file))

    assert "--from-base" in refused(aloe, tmp_path, base)
    assert "not installed" in refused(aloe, tmp_path, base, "--from-base", "--report-to", "nolog")
    assert "contradict" in refused(aloe, tmp_path, base, "--from-base", "--start", base)
    assert "no model" in refused(aloe, tmp_path, tmp_path / "none", "--from-base")
    limit = with_settings("[training]\nmax_length = 10\n")
    assert "limit is 10" in refused(aloe, tmp_path, base, *limit)
    typo = with_settings("[training.arguments]\nlearning_rat = 1\n")
    assert "did you mean 'learning_rate'" in refused(aloe, tmp_path, base, *typo)
    ignored = with_settings("[training.arguments]\nsync_ref_model = true\n")
    assert "--no-tree-packing" in refused(aloe, tmp_path, base, *ignored)
    rare = with_settings('[training.arguments]\nloss_type = "apo_zero"\n')
    assert "sigmoid, hinge, ipo" in refused(aloe, tmp_path, base, *rare)
    for silent in (
        *("label_smoothing_factor = 0.1", "label_names = []", "use_liger_kernel = true"),
        "neftune_noise_alpha = 5.0",
    ):
        settings = with_settings(f"[training.arguments]\n{silent}\n")
        assert "--no-tree-packing" in refused(aloe, tmp_path, base, *settings), silent
    second = with_settings('[training.arguments]\nloss_type = ["sigmoid", "apo_zero"]\n')
    assert "not 'apo_zero'" in refused(aloe, tmp_path, base, *second)
    for uneven in ("loss_weights = [1.0, 0.2]", "loss_weights = 0.5", "loss_type = []"):
        settings = with_settings(f"[training.arguments]\n{uneven}\n")
        assert "lists of the same length" in refused(aloe, tmp_path, base, *settings)
    monkeypatch.setattr("aloe.training.footprint.measure_free_bytes", lambda _model: 1000)
    assert "a smaller training.row_tokens" in refused(aloe, tmp_path, base, "--from-base")


@pytest.mark.parametrize(
    "given",
    ["output_dir = 'x'", "seed = 3", "report_to = 'wandb'", "push_to_hub = true", "do_eval = true",
     "save_only_model = true",
     "hub_token = 'hf_key'", "resume_from_checkpoint = 'x'"],
)  # fmt: skip
def test_arguments_that_aloe_sets_itself_are_refused(aloe, base, tmp_path, given):
    file = tmp_path / "settings.toml"
    file.write_text(f"[training.arguments]\n{given}\n")
    said = refused(aloe, tmp_path, base, "--from-base", "--config", file)
    cure = "must not hold" if "hub_token" in given else "leave out"
    assert f"{cure} '{given.split()[0]}'" in said
    assert "hf_key" not in said


@pytest.mark.parametrize("method", ["sft", "dpo", "kto", "reward", "grpo"])
def test_a_conversation_that_the_model_has_no_positions_for_is_refused(aloe, tmp_path, method):
    base = tiny.save(tmp_path / "base", max_position_embeddings=8)
    reply = pair()["chosen"]
    person = {"profile": "I ski.", "personality": "Shy.", "preferences": [["numbers", "figures"]]}
    row = pair(completion=reply, label=True if method == "kto" else None, **person)
    data = rows_file(tmp_path, row, row)
    more = {"sft": ("--no-tree-packing",), "dpo": ("--no-tree-packing", "--from-base")}
    more["grpo"] = ("--reward", "rules")
    said = refused_by(aloe, method, tmp_path, base, *more.get(method, ()), data=data)
    assert "rows.jsonl:1: has" in said
    assert "the limit is 8" in said


def test_what_a_library_raises_at_the_first_step_is_one_line(aloe, base, tmp_path, monkeypatch):
    def fail(*_args: object, **_given: object) -> None:
        raise AttributeError("'tuple' object has no attribute 'dtype'")

    monkeypatch.setattr("trl.SFTTrainer.training_step", fail)
    data = rows_file(tmp_path, pair(completion=pair()["chosen"]))
    ran = aloe("train", "sft", "--data", data, "--model", base, "--out", tmp_path / "sft",
               "--no-tree-packing", "--quiet")  # fmt: skip
    assert ran.code == 2
    assert "aloe: the first step of the training failed ('tuple' object has no" in ran.err
    assert not (tmp_path / "sft").exists()


@pytest.mark.parametrize(
    ("where", "error", "said"),
    [
        ("row_loss", RuntimeError("out of\nmemory"),
         "aloe: the training failed at step 3 (out of memory); checkpoint-2 is good; the same "),
        ("_save_checkpoint", OSError(28, "No space left on device"),
         "step 3 could not be saved ([Errno 28] No space left on device); make room; checkpoint-2"),
        ("_save_checkpoint", RuntimeError("unexpected pos 64"),  # torch's words for it
         "step 3 could not be saved (unexpected pos 64); make room; checkpoint-2 is good"),
        ("save_model", OSError(28, "No space left on device"),
         "step 4 could not be saved ([Errno 28] No space left on device); make room; checkpoint-4"),
    ],
)  # fmt: skip
def test_what_fails_after_some_steps_is_one_line_and_goes_on(
    aloe, base, tmp_path, monkeypatch, where, error, said
):
    real, fails = getattr(TreeSftTrainer, where), [True]
    breaks_at = {"row_loss": 2, "_save_checkpoint": 3, "save_model": 4}[where]

    def fail(self, *given: object, **named: object) -> object:
        trial = where == "save_model" and "checkpoints" in str(given)
        if fails and self.state.global_step == breaks_at and not trial:
            fails.clear()
            raise error
        return real(self, *given, **named)

    fail.__code__ = fail.__code__.replace(co_name=where)  # as a traceback has it
    monkeypatch.setattr(TreeSftTrainer, where, fail)
    (tmp_path / "c.toml").write_text("[training.arguments]\nsave_steps = 1\n")
    data = rows_file(tmp_path, pair(completion=pair()["chosen"]))
    train = ("train", "sft", "--data", data, "--model", base, "--out", tmp_path / "sft",
             "--config", tmp_path / "c.toml", *QUICK)  # fmt: skip
    ran = aloe(*train, "--traceback")
    assert ran.code == 2
    *trace, line = ran.err.strip().splitlines()
    assert said in line
    assert "Traceback (most recent call last):" in trace
    assert not fails
    assert result(aloe(*train))["steps"] == 4


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--learning-rate", "nan"), "learning_rate: nan"),
        (("--learning-rate", "-1"), "Invalid learning rate"),
        (("--epochs", "0"), "no epochs and no steps"),
        (("--report-to", "no.log"), "not installed"),
        (("--report-to", "./log"), "not installed"),
    ],
)
def test_a_training_without_a_step_leaves_nothing(aloe, base, tmp_path, more, said):
    assert said in refused(aloe, tmp_path, base, "--from-base", *more)


def test_rows_that_fill_no_batch_are_not_called_a_training(aloe, base, tmp_path):
    data = rows_file(tmp_path, {"prompt": pair()["prompt"]})
    ran = aloe("train", "grpo", "--data", data, "--model", base, "--out", tmp_path / "out",
               "--reward", "json:loads", "--max-steps", "1", "--quiet")  # fmt: skip
    assert ran.code == 2
    assert "grpo takes 2 prompts at a time and there is 1" in ran.err
    assert not (tmp_path / "out").exists()


def test_an_infinite_loss_is_not_said_to_be_none(aloe, base, tmp_path):
    data = rows_file(tmp_path, pair(margin=1e39))
    ran = aloe("train", "reward", "--data", data, "--model", base, "--out", tmp_path / "out",
               "--max-steps", "1", "--quiet", "--json")  # fmt: skip
    assert ran.code == 2 or result(ran)["first_loss"] > 0, ran.out


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_folder_with_a_broken_record_is_refused(aloe, base, tmp_path, text):
    (tmp_path / "training.json").write_text(text)
    ran = aloe("train", "dpo", "--data", rows_file(tmp_path, pair()), "--model", base,
               "--from-base", "--out", tmp_path)  # fmt: skip
    assert ran.is_one_line_about("training.json is broken; name another folder")


def test_an_adapter_of_another_base_is_refused(aloe, base, run, tmp_path):
    result(aloe("train", "sft", "--data", run, "--model", base, "--out", tmp_path / "sft",
                "--max-steps", "1", "--quiet", "--json"))  # fmt: skip
    other = tiny.save(tmp_path / "other", seed=1)
    assert "is an adapter for" in refused(aloe, tmp_path, other, "--start", tmp_path / "sft")


def test_a_whole_model_of_another_base_is_refused(base, tmp_path):
    sft, other = tmp_path / "models" / "sft", tiny.save(tmp_path / "other", seed=1)
    sft.mkdir(parents=True)
    (sft / "training.json").write_text(json.dumps({"start": str(base), "finished": True}))
    given = ("dpo", Config(), tmp_path, sft.parent / "dpo")
    with pytest.raises(ConfigError, match=rf"sft was trained from {base}, not from .*other; leave"):
        make_plan(*given, named={"model": str(other)})
    for named in (str(base), f"hf:{base}", str(sft), None):
        assert make_plan(*given, named={"model": named}).start == str(sft)
    with pytest.raises(ConfigError, match=rf"{other} is a whole model, not .*base.*; leave out"):
        make_plan(*given, other, named={"model": str(base)})
    assert make_plan(*given, other).start == str(other)  # a file that serves several may name one
    for start, first in ((None, base), (other, other), (sft, base)):
        assert make_plan(*given, start).settings.model == str(first)
    (sft / "training.json").write_text(
        json.dumps({"start": f"hf:{base}", "settings": {"model": f"hf:{base}"}, "finished": True})
    )
    assert make_plan(*given).settings.model == f"hf:{base}"  # as it was named


@pytest.mark.parametrize("method", ["sft", "dpo", "kto", "grpo"])
def test_an_unfinished_training_is_no_start(method, tmp_path):
    sft = tmp_path / "sft"
    sft.mkdir()
    (sft / "training.json").write_text(json.dumps({"start": "x", "method": "sft"}))
    for start in (sft, *[None][: method == "dpo"]):
        with pytest.raises(ConfigError, match="sft holds an unfinished training; resume it first"):
            make_plan(method, Config(), tmp_path, tmp_path / "out", start)


def test_what_an_unfinished_training_left_is_not_merged_and_rewards_nothing(tmp_path):
    for name, text in (
        ("adapter_config.json", {"task_type": "SEQ_CLS"}), ("training.json", {"method": "reward"}),
    ):  # fmt: skip
        (tmp_path / name).write_text(json.dumps(text))
    with pytest.raises(ConfigError, match="holds an unfinished training"):
        merge(tmp_path, tmp_path / "out")
    with pytest.raises(ConfigError, match="holds an unfinished training"):
        RewardModel(str(tmp_path))


@pytest.mark.parametrize("full", [False, True])
def test_a_training_names_its_base_whichever_way_it_is_resumed(aloe, base, run, tmp_path, full):
    models, more = tmp_path / "models", ["--full"][:full]
    common = ("--data", run, "--max-steps", "1", "--quiet", "--json", *more)
    result(aloe("train", "sft", "--model", base, "--out", models / "sft", *common))
    dpo = ("train", "dpo", "--out", models / "dpo", *common)
    record = result(aloe(*dpo))
    assert record["settings"]["model"] == str(base)
    assert f"{base} after direct" in (models / "dpo" / "README.md").read_text()
    assert result(aloe(*dpo, "--model", base))["seconds"] == record["seconds"]


@pytest.mark.parametrize("method", ["sft", "reward"])
def test_a_merged_model_keeps_its_origin(aloe, base, run, tmp_path, method):
    common = ("--data", run, "--max-steps", "1", "--quiet", "--json")
    done = result(aloe("train", method, "--model", base, "--out", tmp_path / "one", *common))
    merged = tmp_path / "merged"
    assert aloe("train", "merge", tmp_path / "one", "--out", merged).code == 0
    record = json.loads((merged / "training.json").read_text())
    assert record["settings"]["model"] == record["start"] == str(base)
    assert record["adapter"]["data_hash"] == done["data_hash"]
    card = (merged / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n")
    assert f"\n# merged\n\nAn adapter (hash `{record['adapter_hash']}`), merged into {base}" in card
    assert done["data_hash"] in card
    assert {"README.md", "training.json", "model.safetensors"} <= list_files(merged).keys()
    if method == "reward":
        score = RewardModel(str(merged)), RewardModel(str(tmp_path / "one"))
        talk = {"prompts": [pair()["prompt"]], "completions": [pair()["chosen"]]}
        assert score[0](**talk) == pytest.approx(score[1](**talk), abs=1e-5)
        return
    shutil.rmtree(tmp_path / "one")
    after = make_plan("dpo", Config(), run, tmp_path / "dpo", merged, named={"model": str(base)})
    assert after.settings.model == str(base)
    (bare := tmp_path / "bare").mkdir()
    library.train("sft", run, bare, model=str(base), arguments={"max_steps": 1})
    for name in ("README.md", "training.json"):
        (bare / name).unlink()
    merge(bare, tmp_path / "plain")
    card = (tmp_path / "plain" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n---\n\n# plain\n\nAn adapter (hash")


def test_a_folder_of_another_training_is_left_alone(aloe, base, run, tmp_path):
    given = ("train", "sft", "--data", run, "--model", base, "--out", tmp_path / "m", "--quiet")
    assert aloe(*given, "--max-steps", "1").code == 0
    before = {f: f.read_bytes() for f in (tmp_path / "m").rglob("*") if f.is_file()}
    ran = aloe(*given, "--max-steps", "2")
    assert (ran.code, "holds another training" in ran.err) == (2, True)
    assert {f: f.read_bytes() for f in (tmp_path / "m").rglob("*") if f.is_file()} == before


def test_another_start_is_another_training(aloe, base, run, tmp_path):
    models = tmp_path / "models"
    sft = ("train", "sft", "--data", run, "--model", base, "--out", models / "sft", *QUICK)
    dpo = ("train", "dpo", "--data", run, "--model", base, "--out", models / "dpo", *QUICK)
    assert (aloe(*sft).code, aloe(*dpo).code) == (0, 0)
    shutil.rmtree(models / "sft")
    assert aloe(*sft, "--seed", 3).code == 0
    assert aloe(*dpo).is_one_line_about("holds another training (start_hash")
    record = json.loads((models / "dpo" / "training.json").read_text())
    del record["start_hash"]  # as an earlier version wrote it
    (models / "dpo" / "training.json").write_text(json.dumps(record))
    assert aloe(*dpo).code == 0
    card = (models / "dpo" / "README.md").read_text()
    assert f"{base} after direct preference" in card
    assert "what language models preferred" in card


@pytest.mark.parametrize("name", ["hf:{}/base", "local:{}/base", "{}/m.gguf", "local:{}/m.gguf"])
def test_another_base_is_told_however_it_is_named(name, tmp_path):
    start = name.format(tmp_path)
    (tmp_path / "base").mkdir()
    for weights in (tmp_path / "base" / "model.safetensors", tmp_path / "m.gguf"):
        weights.write_bytes(bytes(10_000_000))
    found = hash_model(start)
    assert found == hash_model(start) == hash_model(start.partition(":")[2] or start)
    with (tmp_path / "m.gguf").open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"trained further" * 10_000)
    (tmp_path / "base" / "model.safetensors").write_bytes(b"another")
    assert found
    assert found != hash_model(start)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": start}))
    assert hash_base(f"hf:{adapter}") == hash_model(start) != hash_model(str(adapter))
    assert is_adapter(f"hf:{adapter}")
    assert hash_base(start) is None
    assert hash_model("local:smollm2-135m") is None


@pytest.mark.parametrize(
    ("method", "changed", "free"),
    [
        ("sft", {"reward": "judge", "horizon": 2, "weighted": True}, True),
        ("grpo", {"weighted": True, "tree_packing": False, "row_tokens": 512}, True),
        ("kto", {"label": "return"}, False),
        ("dpo", {"weighted": True}, False),
        ("grpo", {"horizon": 2}, False),
    ],
)
def test_settings_of_other_methods_may_change(method, changed, free, tmp_path):
    folder, settings = ModelFolder(tmp_path), TrainingConfig()
    folder.begin({"method": method, "settings": settings.model_dump(mode="json")})
    now = settings.model_copy(update=changed).model_dump(mode="json")
    if free:
        assert folder.check({"method": method, "settings": now}) is None
    else:
        with pytest.raises(ConfigError, match=f"settings.{next(iter(changed))}"):
            folder.check({"method": method, "settings": now})


def test_one_file_of_settings_serves_all_methods(run, tmp_path):
    others = {"label": "return", "weighted": True, "tree_packing": False, "row_tokens": 64,
              "thoughts": "trained"}  # fmt: skip
    config = load(None, {f"training.{key}": value for key, value in others.items()})
    plan = make_plan("grpo", config, run, tmp_path)
    assert plan.settings == TrainingConfig()
    for key, value in others.items():
        with pytest.raises(ConfigError, match=f"{key}: grpo does not read it"):
            make_plan("grpo", load(None, {}), run, tmp_path, named={key: value})


@pytest.mark.parametrize(
    ("method", "named", "settings", "said"),
    [
        ("reward", {"thoughts": "trained"}, {}, "thoughts: reward does not read it"),
        ("grpo", {"thoughts": "trained"}, {}, "thoughts: grpo does not read it"),
        (
            "sft",
            {"row_tokens": 512, "tree_packing": False},
            {},
            "row_tokens: .* no trees are packed",
        ),
        (
            "dpo",
            {"row_tokens": 512},
            {"tree_packing": False},
            "row_tokens: .* no trees are packed",
        ),
        ("sft", {"lora": False, "rank": 64}, {}, "rank: .* all weights"),
        ("kto", {"lora": False, "alpha": 8}, {}, "alpha: .* all weights"),
        ("sft", {"lora": False, "dropout": 0.1}, {}, "dropout: .* all weights"),
        ("sft", {"target_modules": ["q"]}, {"lora": False}, "target_modules: .* all weights"),
        ("grpo", {"disclosure": "reticent"}, {}, "disclosure: .* without a --horizon"),
        ("grpo", {"disclosure": "reticent"}, {"horizon": 1}, None),
        ("sft", {"rank": 64}, {"tree_packing": False, "row_tokens": 512}, None),
        ("sft", {"lora": False}, {"rank": 64, "dropout": 0.1}, None),
    ],
)
def test_a_setting_that_is_named_and_not_read_is_refused(
    method, named, settings, said, run, tmp_path
):
    own = {key: value for key, value in named.items() if key != "disclosure"}
    config = load(None, {f"training.{key}": value for key, value in {**settings, **own}.items()})
    given = {"named": named, "from_base": method == "dpo"}
    if said:
        with pytest.raises(ConfigError, match=said):
            make_plan(method, config, run, tmp_path, **given)
    else:
        assert make_plan(method, config, run, tmp_path, **given)


def test_flags_that_nothing_would_read_are_refused(aloe, base, run, tmp_path):
    said = refused_by(aloe, "grpo", tmp_path, base, "--disclosure", "reticent", data=run)
    assert "disclosure: it would have no effect, because no user speaks without a --horizon" in said
    steps = aloe("train", "sft", "--data", run, "--out", tmp_path / "out", "--max-steps", "0")
    assert steps.code == 2
    assert "max-steps" in steps.err
    for number in (0, -5):
        (tmp_path / "c.toml").write_text(f"[training.arguments]\nmax_steps = {number}\n")
        more = ("--from-base", "--config", tmp_path / "c.toml")
        assert f"max_steps is {number}" in refused(aloe, tmp_path, base, *more)


def test_arguments_of_the_library_leave_those_that_they_do_not_name(run, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("aloe.training.run.train", lambda plan, *_: seen.append(plan.settings))
    file = tmp_path / "c.toml"
    file.write_text('[training]\nmodel = "file"\n[training.arguments]\nbeta = 0.3\nmax_steps = 9\n')
    given = {"max_steps": 2, "lr_scheduler_kwargs": {"a": 1}, "warmup_steps": None}
    library.train("sft", run, tmp_path / "out", config=file, arguments=given, rank=None)
    assert seen[-1].arguments == {"beta": 0.3, **given}
    assert (seen[-1].model, seen[-1].rank) == ("file", TrainingConfig().rank)
    library.train("sft", run, tmp_path / "out", config=file, settings={"training.model": "other"})
    assert seen[-1].model == "other"
    library.train("sft", run, tmp_path / "out", model="named", settings={"training.model": "other"})
    assert seen[-1].model == "named"
    with pytest.raises(ConfigError, match=r"training.arguments"):
        library.train("sft", run, tmp_path / "out", arguments=["max_steps"])


def test_steps_and_epochs_take_the_place_of_each_other(aloe, base, run, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("aloe.training.run.train", lambda plan, *_: seen.append(plan.settings))
    (tmp_path / "steps.toml").write_text("[training.arguments]\nmax_steps = 9\nbeta = 0.3\n")
    (tmp_path / "epochs.toml").write_text("[training.arguments]\nnum_train_epochs = 2\n")

    def train(file: str, **given) -> dict:
        library.train("sft", run, tmp_path / "out", config=tmp_path / file, **given)
        return seen[-1].arguments

    epochs, steps = {"num_train_epochs": 3}, {"max_steps": 5}
    assert train("steps.toml", arguments=epochs) == {"beta": 0.3, **epochs}
    assert train("epochs.toml", arguments=steps) == steps
    assert train("epochs.toml", arguments={"max_steps": -1})["num_train_epochs"] == 2
    dotted = {"training.arguments.max_steps": 5}
    assert train("epochs.toml", settings=dotted) == steps
    assert train("steps.toml", settings=dotted, arguments=epochs) == {"beta": 0.3, **epochs}
    flags = {"training.arguments.num_train_epochs": 3.0, "training.arguments.max_steps": None}
    found = load(tmp_path / "steps.toml", flags).training
    assert found.arguments == {"beta": 0.3, **epochs}
    monkeypatch.undo()
    both = "max_steps (--max-steps) and num_train_epochs (--epochs) both say"
    more = ("--from-base", "--epochs", "2", "--max-steps", "3")
    assert both in refused(aloe, tmp_path, base, *more)
    (tmp_path / "steps.toml").write_text("[experiment.sft]\nmax_steps = 9\nnum_train_epochs = 1\n")
    with pytest.raises(ConfigError, match=r"experiment\.sft: max_steps"):
        check_settings(load(tmp_path / "steps.toml", {}))


def test_dpo_starts_where_the_command_does(run, tmp_path):
    config, out = load(None, {}), tmp_path / "dpo"
    base = config.training.model
    with pytest.raises(ConfigError, match="--from-base"):
        library.train("dpo", run, out)
    with pytest.raises(ConfigError, match="contradict"):
        library.train("dpo", run, out, start=run, from_base=True)
    assert make_plan("dpo", config, run, out, from_base=True).start == base
    (tmp_path / "sft").mkdir()
    (tmp_path / "sft" / "training.json").write_text('{"finished": true}')
    assert make_plan("dpo", config, run, out).start == str(tmp_path / "sft")
    assert make_plan("kto", config, run, out).start == base


def test_a_judge_that_compares_is_no_matter_to_other_methods(run, tmp_path):
    given = {"training.reward": "judge", "judge.use": "rewards:little_e"}
    config = load(None, given)
    with open_agents(config, make_plan("sft", config, run, tmp_path)) as make_agents:
        assert make_agents is None
    plan = make_plan("grpo", config, run, tmp_path)
    with pytest.raises(ConfigError, match="compares two replies"), open_agents(config, plan):
        pass


def test_a_prompt_under_a_misspelt_name_is_refused(run, tmp_path):
    config = load(None, {"training.reward": "judge", "prompts": {"judge_scor": "none.md"}})
    plan = make_plan("grpo", config, run, tmp_path)
    with pytest.raises(ConfigError, match="mean 'judge_score'"), open_agents(config, plan):
        pass


def test_an_adapter_that_is_trained_further_keeps_its_shape(aloe, base, run, tmp_path):
    models, config = tmp_path / "models", tmp_path / "c.toml"
    config.write_text('[training]\nrank = 4\nalpha = 6\ntarget_modules = ["q_proj"]\n')
    given = ("--data", run, "--model", base, *QUICK)
    result(aloe("train", "sft", *given, "--config", config, "--out", models / "sft"))
    record = result(aloe("train", "dpo", *given, "--out", models / "dpo"))
    shape = {name: record["settings"][name] for name in ("rank", "alpha", "target_modules")}
    assert shape == {"rank": 4, "alpha": 6, "target_modules": ["q_proj"]}
    held = json.loads((models / "dpo" / "adapter_config.json").read_text())
    assert (held["r"], held["lora_alpha"], held["target_modules"]) == (4, 6, ["q_proj"])
    (models / "sft" / "training.json").unlink()
    plan = make_plan("dpo", load(None, {}), run, tmp_path / "out", models / "sft")
    assert plan.settings.target_modules == ("q_proj",)


def test_a_training_goes_on_with_as_many_processes(tmp_path, monkeypatch):
    folder = ModelFolder(tmp_path)
    folder.begin({"method": "sft", "processes": 1})
    assert folder.check({"method": "sft"}) is None
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="begun with 1 process, and now there would be 2"):
        folder.check({"method": "sft"})
    folder.begin({"method": "sft", "processes": 1, "finished": True})
    assert folder.check({"method": "sft"})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"models.judge.temperature": 0.5}, "judge_model.temperature: 0.0 there, 0.5 now"),
        ({"models.judge.logprobs": False}, "judge_model.logprobs"),
        ({"models.user.options": {"top_k": 4}}, "user_model.options"),
        ({"simulation.user_words": 20}, "user_messages.user_words: 60 there, 20 now"),
        ({"simulation.moods": ["curt"]}, "user_messages.moods"),
        ({"user.disclosure": "reticent"}, "users.disclosure"),
        ({"models.judge.timeout": 9.0, "models.writer.temperature": 1.0}, None),
    ],
)
def test_what_agents_are_asked_with_is_part_of_a_training(changed, said, run, tmp_path):
    settings = load(None, {"training.reward": "judge", "training.horizon": 1,
                           "models.judge.model": builders.SCRIPTED,
                           "models.user.model": builders.SCRIPTED})  # fmt: skip
    rows = read_rows(run, "grpo")

    def shaping(config):
        with open_agents(config, make_plan("grpo", config, run, tmp_path)) as make_agents:
            return dict(make_agents(rows).shaped_by)

    folder = ModelFolder(tmp_path)
    folder.begin(shaping(settings))
    now = shaping(settings.updated(changed, source="arguments"))
    if said:
        with pytest.raises(ConfigError, match=re.escape(said)):
            folder.check(now)
    else:
        assert folder.check(now) is None
    earlier = ("users", "min_mass")  # all that a record had before
    folder.begin({name: now[name] for name in earlier})
    assert folder.check(now) is None


def judged(tmp_path, run, **changed):
    """Yield the agents of a training by a judge under these settings."""
    given = {name.replace("__", "."): value for name, value in changed.items()}
    config = load(None, {"training.reward": "judge", "models.judge.model": builders.SCRIPTED,
                         **given})  # fmt: skip
    with open_agents(config, make_plan("grpo", config, run, tmp_path / "out")) as make_agents:
        yield make_agents(read_rows(run, "grpo"))


def rate(agents, run, count):
    """Return the rewards of as many replies."""
    (row, *_) = read_rows(run, "grpo")
    reply = [{"role": "assistant", "content": "Fine."}]
    columns = {name: [value] * count for name, value in {**row["extra"], "tree": "t"}.items()}
    return agents.reward(prompts=[row["prompt"]] * count, completions=[reply] * count, **columns)


def test_a_budget_is_for_all_parts_and_processes_of_a_training(run, tmp_path, monkeypatch):
    for agents in judged(tmp_path, run, budget__max_calls=4):
        assert rate(agents, run, 3)
        assert agents.spent()["calls"] == 3
    for agents in judged(tmp_path, run, budget__max_calls=4):
        with pytest.raises(BudgetError, match="4 of 4 calls"):
            rate(agents, run, 2)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    for agents in judged(tmp_path, run, budget__max_calls=4):
        with pytest.raises(BudgetError, match="2 of 2 calls"):
            rate(agents, run, 3)


def test_agents_answer_where_a_loop_is_running(run, tmp_path):
    """As in a notebook, whose garbage collector is left alone."""
    before = gc.get_threshold(), gc.get_freeze_count()

    async def ask() -> list:
        return [rate(agents, run, 2) for agents in judged(tmp_path, run)]

    ((first, second),) = asyncio.run(ask())
    assert first == second
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_a_cap_in_dollars_takes_prices(run, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nothing")
    with pytest.raises(ConfigError, match="a cap in dollars needs the price"):
        list(judged(tmp_path, run, models__judge__model="openai:x", budget__max_cost=1.0))


@pytest.mark.parametrize("more", [{"logging_steps": 50}, {"logging_strategy": "no"}])
def test_a_training_that_logs_nothing_is_finished_all_the_same(aloe, base, tmp_path, more):
    settings = "".join(f"{name} = {json.dumps(value)}\n" for name, value in more.items())
    (tmp_path / "c.toml").write_text(f"[training.arguments]\n{settings}")
    done = result(
        aloe("train", "dpo", "--from-base", "--data", rows_file(tmp_path, pair()), "--model", base,
             "--out", tmp_path / "out", "--config", tmp_path / "c.toml", *QUICK)
    )  # fmt: skip
    assert done["finished"]
    assert done["first_loss"] == done["last"]["loss"] > 0
    assert (tmp_path / "out" / "README.md").exists()


def test_weights_reach_the_loss(aloe, base, run, tmp_path, monkeypatch):
    seen = []
    true_loss = TreeDpoTrainer.row_loss

    def noted(self, batch, *given):
        seen.append((self._weighted, batch["weights"]))
        return true_loss(self, batch, *given)

    monkeypatch.setattr(TreeDpoTrainer, "row_loss", noted)
    result(aloe("train", "dpo", "--data", run, "--model", base, "--from-base", "--weighted",
                "--out", tmp_path / "w", "--max-steps", "1", "--quiet", "--json"))  # fmt: skip
    assert all(weighted for weighted, _ in seen)
    assert torch.cat([w for _, w in seen]).mean() == pytest.approx(1.0)


def test_weights_need_something_to_weight_by(aloe, base, run, tmp_path):
    def weigh(data: Path) -> str:
        more = ("--from-base", "--weighted")
        return refused_by(aloe, "dpo", tmp_path, base, *more, data=data)

    file, bare = tmp_path / "rows.jsonl", tmp_path / "bare.jsonl"
    assert aloe("export", run, "--format", "dpo", "--out", file).code == 0
    assert "'confidence' to be weighted by: export them again with --columns" in weigh(file)
    trees = (tree.model_copy(update={"verdicts": tuple(
        each.model_copy(update={"votes": (), "confidence": None}) for each in tree.verdicts
    )}) for tree in read_trees(run))  # fmt: skip
    bare.write_text("".join(tree.model_dump_json() + "\n" for tree in trees))
    assert "these trees hold no votes, or leave out --weighted" in weigh(bare)
    nothing, something = ([pair(confidence=each)] for each in (0, 1))
    for train, test, said in (
        (nothing, something, "a confidence of 0 in every row, so"),
        (something, nothing, "a confidence of 0 in every row held out"),
    ):
        folder = tmp_path / said[-4:].strip()
        folder.mkdir()
        for name, rows in (("train", train), ("test", test)):
            (folder / f"{name}.jsonl").write_text(json.dumps(rows[0]) + "\n")
        assert said in weigh(folder)
        found = read_training_data(folder, "dpo")  # which is enough without --weighted
        assert len(found.rows) == len(found.held_out) == 1
    assert read_training_data(run, "dpo").confident
    assert aloe("export", run, "--format", "dpo", "--columns", "--out", file).code == 0
    assert read_training_data(file, "dpo").confident


GRPO = """
[training.arguments]
num_generations = 8
per_device_train_batch_size = 16
gradient_accumulation_steps = 1
max_completion_length = 12
mask_truncated_completions = false
lr_scheduler_type = "constant"
"""


@pytest.fixture
def grpo(aloe, base, tmp_path):
    """Return a function that trains with GRPO on `data` and returns the record."""

    def run(data: Path, reward: object, *more: object, steps: int = 1, settings: str = "") -> dict:
        config = tmp_path / "grpo.toml"
        config.write_text(settings + GRPO)
        return result(aloe(
            "train", "grpo", "--data", data, "--model", base, "--out", tmp_path / "grpo", "--full",
            "--reward", reward, "--config", config, "--max-steps", steps, "--learning-rate",
            "2e-2", "--quiet", "--json", *more,
        ))  # fmt: skip

    return run


def test_grpo_takes_a_reward_of_ones_own(grpo, run):
    record = grpo(run, "rewards:little_e")
    assert 0 < record["last"]["rewards/little_e/mean"] == record["last"]["reward"] < 1
    assert 0 < record["cut_off"] == record["last"]["completions/clipped_ratio"] <= 1


def test_a_reward_that_breaks_later_is_one_line(aloe, base, run, tmp_path):
    (tmp_path / "c.toml").write_text(GRPO)
    ran = aloe("train", "grpo", "--data", run, "--model", base, "--out", tmp_path / "grpo",
               "--reward", "rewards:breaks_later", "--config", tmp_path / "c.toml", "--max-steps",
               "3", "--quiet")  # fmt: skip
    assert ran.code == 2
    assert re.search(r"the reward rewards:breaks_later failed: \S*rewards.py:\d+: KeyErr", ran.err)
    assert len(ran.err.strip().splitlines()) == 1


def test_grpo_learns_nothing_from_replies_that_were_cut_off(grpo, run, tmp_path, monkeypatch):
    whole_only = GRPO.replace("mask_truncated_completions = false\n", "")
    monkeypatch.setitem(globals(), "GRPO", whole_only.replace("= 12\n", "= 1\n"))
    record = grpo(run, "rewards:little_e")
    assert record["cut_off"] == 1.0
    assert record["last"]["grad_norm"] == 0
    assert "reward" not in record
    line = summarise(tmp_path, {**record, "method": "grpo"})
    assert "100.0% of the replies cut off (max_completion_length)" in line
    card = (tmp_path / "grpo" / "README.md").read_text()
    assert "| replies cut off | 100.0% |" in card


@pytest.mark.slow
def test_grpo_teaches_a_wish_over_two_turns(grpo, tmp_path):
    wishes = {"numbers": "figures"}
    persona = Persona.of("I sell tea.", find_wish("numbers", "figures").trait, preferences=wishes)
    trees = tmp_path / "trees.jsonl"
    settings = builders.config(turns=2)
    trees.write_text(builders.grow(settings, persona=persona).model_dump_json() + "\n")
    record = grpo(trees, "rules", "--horizon", "1", steps=14)
    first, last = record["reward"]
    assert 0 <= first < last - 0.4 <= 0.6
    assert "agents" not in record  # nobody was asked: rules judge and rules speak


def test_grpo_asks_the_judge_and_the_user_that_settings_name(grpo, run, tmp_path):
    settings = f'[models]\njudge = "{builders.SCRIPTED}"\nuser = "{builders.SCRIPTED}"\n'
    record = grpo(run, "judge", "--horizon", "1", settings=settings)
    assert record["agents"]["judge"] == record["agents"]["user"] == builders.SCRIPTED
    assert record["agents"]["judge prompt"] == shipped("judge_score").sha
    assert record["calls"] == 16 * 3
    assert record["failed_calls"] == 0
    assert 0 <= record["last"]["reward"] <= 1
    assert f"| judge | {builders.SCRIPTED} |" in (tmp_path / "grpo" / "README.md").read_text()


@pytest.mark.slow
def test_grpo_maximises_the_score_of_a_reward_model(aloe, base, run, grpo, tmp_path):
    scores = tmp_path / "scores"
    result(aloe("train", "reward", "--data", run, "--model", base, "--out", scores, *QUICK))
    record = grpo(run, scores, steps=2)
    assert record["last"]["rewards/reward_model/mean"] == record["last"]["reward"] != 0


def test_grpo_without_a_usable_reward_says_what_is_missing(aloe, base, run, tmp_path):
    def refusal(*more: object) -> str:
        return refused_by(aloe, "grpo", tmp_path, base, *more, data=run)

    assert "needs --reward" in refusal()
    assert "there is no reward" in refusal("--reward", "nowhere:nothing")
    assert "neither rules nor judge" in refusal("--reward", "rule")
    assert "is not a reward model" in refusal("--reward", base)
    assert "trees.jsonl:1: has a persona without wishes" in refusal("--reward", "rules")
    bare = rows_file(tmp_path, {"prompt": [{"role": "user", "content": "Birds?"}]})
    problem = refused_by(aloe, "grpo", tmp_path, base, "--reward", "judge", data=bare)
    assert "rows.jsonl:1: has no 'profile'" in problem


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(aloe, base, run, tmp_path):
    def settings(accumulation: int) -> Path:
        file = tmp_path / f"{accumulation}.toml"
        text = f"gradient_accumulation_steps = {accumulation}\nsave_steps = 3\n"
        file.write_text(f"[training]\nrow_tokens = 300\n[training.arguments]\n{text}")
        return file

    data = tmp_path / "data"
    assert aloe("export", run, "--format", "dpo", "--out", data).code == 0
    rows = (data / "train.jsonl").read_text().splitlines()
    (data / "train.jsonl").write_text("\n".join(rows[4:]) + "\n")
    (data / "test.jsonl").write_text("\n".join(rows[:4]) + "\n")
    common = ("train", "dpo", "--from-base", "--data", str(data), "--model", str(base),
              "--learning-rate", "1e-3", "--quiet", "--json")  # fmt: skip
    result(aloe(*common, "--config", settings(2), "--out", tmp_path / "one"))
    two = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
           "--local_addr", "127.0.0.1", "-m", "aloe", *common,
           "--config", str(settings(1)), "--out", str(tmp_path / "two")]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(two, capture_output=True, text=True, env=environment, timeout=240)
    assert ran.returncode == 0, ran.stderr
    one, both = adapter(tmp_path / "one"), adapter(tmp_path / "two")
    assert max((one[key] - both[key]).abs().max() for key in one) < 1e-4
    alone, shared = (json.loads((tmp_path / name / "training.json").read_text())
                     for name in ("one", "two"))  # fmt: skip
    assert alone["steps"] == shared["steps"]
    for name, figures in alone["held_out_figures"].items():
        assert shared["held_out_figures"][name] == pytest.approx(figures, abs=1e-5)
    for name in ("loss", "rewards/margins", "grad_norm"):
        assert shared["last"][name] == pytest.approx(alone["last"][name], abs=1e-4)


@pytest.mark.parametrize("packing", ["--tree-packing", "--no-tree-packing"])
def test_rows_held_out_are_evaluated_before_and_after(aloe, base, run, tmp_path, packing):
    data = tmp_path / "data"
    assert aloe("export", run, "--format", "dpo", "--out", data).code == 0
    (data / "test.jsonl").write_text("".join(
        line + "\n" for line in (data / "train.jsonl").read_text().splitlines()[:3]
    ))  # fmt: skip
    record = result(aloe("train", "dpo", "--from-base", packing, "--data", data, "--model", base,
                         "--out", tmp_path / "dpo", *QUICK))  # fmt: skip
    assert record["held_out"] == 3
    before, after = record["held_out_figures"]["eval_loss"]
    assert before == pytest.approx(0.6931, abs=1e-3)
    assert after < before
    chance, right = record["held_out_figures"]["eval_rewards/accuracies"]
    assert chance == (0.5 if packing == "--tree-packing" else 0)  # of TRL's, which counts no ties
    assert 0.5 < right <= 1
    card = (tmp_path / "dpo" / "README.md").read_text()
    assert "3 more held out" in card
    assert "eval_loss, before and after" in card


def test_the_figures_are_those_of_the_checkpoint_that_is_saved(aloe, base, tmp_path):
    other = pair(chosen=pair()["rejected"], rejected=pair()["chosen"])  # learning makes it worse
    (tmp_path / "data").mkdir()
    for name, row in (("train", pair()), ("test", other)):
        (tmp_path / "data" / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "c.toml").write_text(
        "[training.arguments]\nload_best_model_at_end = true\nsave_steps = 1\n"
        'save_total_limit = 9\neval_strategy = "steps"\neval_steps = 1\n'
    )
    out = tmp_path / "dpo"
    ran = aloe("train", "dpo", "--from-base", "--data", tmp_path / "data", "--model", base, "--out",
               out, "--learning-rate", "1e-3", "--max-steps", "3", "--config", tmp_path / "c.toml",
               "--quiet")  # fmt: skip
    assert ran.code == 0, ran.err
    record = json.loads((out / "training.json").read_text())
    assert record["steps"] == 3
    assert record["saved_step"] == 1
    assert record["held_out_steps"] == [0, 1]
    state = json.loads((out / "checkpoints" / "checkpoint-3" / "trainer_state.json").read_text())
    losses = [entry["eval_loss"] for entry in state["log_history"] if "eval_loss" in entry]
    assert record["held_out_figures"]["eval_loss"] == losses[:2] != losses[::3]
    assert same(adapter(out), adapter(out / "checkpoints" / "checkpoint-1"))
    assert "3 steps (saved: that of step 1), loss" in ran.out
    assert "(before and at step 1)" in ran.out
    assert "| saved model | of step 1, the best checkpoint |" in (out / "README.md").read_text()


@pytest.mark.parametrize(
    ("method", "packing", "metric"),
    [
        ("sft", "--tree-packing", "loss"),
        ("dpo", "--tree-packing", "rewards/accuracies"),
        ("sft", "--no-tree-packing", "eval_mean_token_accuracy"),
        ("dpo", "--no-tree-packing", "eval_rewards/margins"),
        ("kto", None, "kl"),
        ("reward", None, "eval_margin"),
    ],
)
def test_the_best_checkpoint_is_chosen_by_what_is_measured(
    aloe, base, tmp_path, method, packing, metric
):
    packed = packing == "--tree-packing"
    reply = {"completion": pair()["chosen"], "label": True} if method == "kto" else {}
    row = {**pair(), **reply, **({"completion": pair()["chosen"]} if method == "sft" else {})}
    (tmp_path / "data").mkdir()
    rows = [row, {**row, "prompt": [{"role": "user", "content": "Bread?"}], "label": False}]
    rows = rows if method == "kto" else [row]
    for name in ("train", "test"):
        file = tmp_path / "data" / f"{name}.jsonl"
        file.write_text("".join(json.dumps(each) + "\n" for each in rows))
    (tmp_path / "c.toml").write_text(
        f'[training.arguments]\nload_best_model_at_end = true\nmetric_for_best_model = "{metric}"\n'
        'save_strategy = "epoch"\n'
    )
    ran = aloe("train", method, "--data", tmp_path / "data", "--model", base, "--out",
               tmp_path / "out", "--config", tmp_path / "c.toml", "--quiet",
               *[packing][: bool(packing)], *["--from-base"][: method == "dpo"])  # fmt: skip
    assert ran.code == 0, ran.err
    checkpoint = next((tmp_path / "out" / "checkpoints").glob("checkpoint-*"))
    history = json.loads((checkpoint / "trainer_state.json").read_text())["log_history"]
    evaluated = next(entry for entry in reversed(history) if "eval_loss" in entry)
    more = () if packed else _BY_TRL.get(method, ())
    assert {f"eval_{name}" for name in ("loss", *_MEASURED[method], *more)} <= evaluated.keys()


@pytest.mark.parametrize("method", ["sft", "dpo", "kto", "reward", "grpo"])
def test_what_is_not_measured_chooses_no_checkpoint(method, tmp_path):
    for name in ("eval_rewards/acuracies", "aux_loss", ""):
        settings = TrainingConfig(arguments={"metric_for_best_model": name})
        said = "evaluates no rows" if method == "grpo" else "one of eval_loss"
        with pytest.raises(ConfigError, match=said):
            make_arguments(method, settings, checkpoints=tmp_path, seed=0, packed=False)
    settings = TrainingConfig(arguments={"metric_for_best_model": "aux_loss"})
    arguments = make_arguments("sft", settings, checkpoints=tmp_path, seed=0, packed=True)
    with pytest.raises(ConfigError, match="no experts"):
        TreeSftTrainer(rows=[], model=tiny.model(), args=arguments)


def test_what_was_not_evaluated_after_is_not_called_so(tmp_path):
    record = {
        "method": "dpo", "start": "base", "settings": TrainingConfig().model_dump(mode="json"),
        "rows": 1, "data_hash": "0", "seed": 0, "steps": 7, "seconds": 1.0, "peak_gib": 1.0,
        "tokens": 0, "flat_tokens": 0, "first_loss": 1.0, "last": {"loss": 1.0}, "versions": {},
    }  # fmt: skip
    first, fifth, last = ({"step": step, "eval_loss": 1 - step / 10} for step in (0, 5, 7))
    for history, row, line in (
        ([first], "eval_loss, before | 1 |", "eval_loss 1 (before)"),
        ([fifth], "eval_loss, at step 5 | 0.5 |", "eval_loss 0.5 (at step 5)"),
        ([first, fifth], "before and at step 5 | 1, 0.5 |", "1 to 0.5 (before and at step 5)"),
        ([first, fifth, last], "eval_loss, before and after | 1, 0.3 |", "eval_loss 1 to 0.3"),
    ):
        whole = {**record, **find_held_out([{"step": 0, "loss": 1.0}, *history], "dpo")}
        write_card(tmp_path, tmp_path, whole, [])
        assert row in (tmp_path / "README.md").read_text()
        assert summarise(tmp_path, whole).endswith(line)
    assert find_held_out([{"step": 1, "loss": 1.0}], "dpo") == {}
    earlier = {**record, "held_out_figures": {"eval_loss": [1.0, 0.5]}}
    assert summarise(tmp_path, earlier).endswith("eval_loss 1 to 0.5")


def test_a_card_names_a_judge_only_where_one_decided(run, tmp_path):
    rows = rows_file(tmp_path, pair())
    record = {
        "method": "dpo", "start": "base", "settings": TrainingConfig().model_dump(mode="json"),
        "rows": 1, "data_hash": "0", "seed": 0, "steps": 1, "seconds": 1.0, "peak_gib": 1.0,
        "tokens": 0, "flat_tokens": 0, "first_loss": 1.0, "last": {"loss": 1.0}, "versions": {},
    }  # fmt: skip
    chat, unnamed = tmp_path / "chat", tmp_path / "unnamed"
    for folder, changes in ((chat, {"judge": "human"}), (unnamed, None)):
        folder.mkdir()
        (folder / "trees.jsonl").write_text("".join(
            voted(tree, changes).model_dump_json() + "\n" for tree in read_trees(run)
        ))  # fmt: skip
    for data, words in (
        (run, "what language models preferred, which is not what people prefer"),
        (rows, "what its rows prefer"),
        (chat, "what people preferred, and"),
        (unnamed, "whom the trees do not name"),
    ):
        found = read_training_data(data, "dpo")
        about = {"labelled": found.labelled, "judges": sorted(found.judges)}
        write_card(tmp_path, data, {**record, **about}, [])
        card = (tmp_path / "README.md").read_text()
        assert words in card
        assert ("no judge passport belongs" in card) == (data == chat)


@pytest.mark.parametrize(
    ("method", "settings", "about", "there"),
    [
        ("dpo", {}, {}, True),
        ("dpo", {}, {"judges": ["not recorded"]}, True),
        ("dpo", {"label": "return"}, {"levels": ["siblings"]}, True),
        ("dpo", {"label": "return"}, {"levels": ["rated", "wishes"]}, False),
        ("dpo", {"label": "mixed"}, {"levels": ["wishes"]}, True),
        ("dpo", {"label": "people"}, {}, False),
        ("dpo", {}, {"labelled": True}, False),
        ("grpo", {"reward": "rules"}, {}, False),
        ("grpo", {"reward": "judge"}, {"agents": {"judge": "openai:rater"}}, False),
    ],
)
def test_a_card_shows_a_passport_where_its_judge_was_learnt(
    tmp_path, monkeypatch, method, settings, about, there
):
    (tmp_path / "passport.json").touch()
    monkeypatch.setattr("aloe.training.card.read_passport", lambda _: SimpleNamespace(summary=dict))
    record = {"method": method, "settings": TrainingConfig(**settings).model_dump(mode="json")}
    found = _passport(tmp_path, {**record, **about})
    assert found.startswith("Judge passport:") == there
    silent = not there and not {*about} & {"agents", "labelled"}
    assert ("no judge passport belongs" in found) == silent
    assert ("openai:rater rated single replies" in found) == ("agents" in about)
    assert ("rows do not say whose labels" in found) == ("labelled" in about)


def voted(tree: Tree, changes: dict[str, str] | None) -> Tree:
    """Return the tree with votes that were changed; None: it names no models."""
    if changes is None:
        return tree.model_copy(update={"models": {}})
    verdicts = tuple(
        each.model_copy(update={"votes": tuple(v.model_copy(update=changes) for v in each.votes)})
        for each in tree.verdicts
    )
    return tree.model_copy(update={"verdicts": verdicts})


def test_curves_are_drawn(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    history = [{"step": i, "loss": 1 / (i + 1), "rewards/margins": i} for i in range(9)]
    history.append({"step": 9, "eval_loss": 0.3})
    assert draw_curves(tmp_path / "curves.png", "dpo", history)
    with image.open(tmp_path / "curves.png") as picture:
        colours = picture.convert("RGB").getcolors(maxcolors=2**24)
        assert picture.size == (2025, 480)
    assert max(count for count, _ in colours) < 0.99 * 2025 * 480
    assert len(colours) > 50


def test_a_line_of_blocks_rises_with_the_values():
    assert draw_sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert draw_sparkline([1.0] * 3) == "▁▁▁"
    assert len(draw_sparkline(list(range(1000)), width=40)) == 40
