"""The model card: what a trained model is, written only from its record.

It is README.md in the model's folder, in the format that model hubs read. What is unknown (whether
the judge was audited, say) is stated as unknown.
"""

import json
from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Any

from aloe.files.writing import replace_text
from aloe.memory.run_folder import RunFolder, find_home
from aloe.models.hub import is_hub_name
from aloe.number_format import counted, format_number
from aloe.passport import read_passport
from aloe.training.curves import CURVES, find_first_and_last, name_evaluations
from aloe.training.makers import CODE, MODELS, PEOPLE, UNKNOWN, join_makers
from aloe.training.model_folder import Record

METHODS = {
    "sft": "supervised fine-tuning on the preferred reply of every turn",
    "dpo": "direct preference optimisation on sibling replies",
    "kto": "Kahneman-Tversky optimisation on single replies marked good or bad",
    "reward": "reward modelling on pairs of replies",
    "grpo": "group-relative policy optimisation",
}

CURVE = 8
"""Points of the curve that the card shows."""


def write_card(out: Path, data: Path, record: Record, history: Sequence[dict[str, float]]) -> None:
    """Write README.md into the model folder `out`."""
    settings = record["settings"]
    parts = [
        _front_matter(record, settings),
        f"# {out.name}\n",
        f"{settings['model']} after {METHODS[record['method']]}, with "
        f"{'LoRA adapters' if settings['lora'] else 'all weights trained'}.\n",
        "## Intended use\n",
        "Research on chat models that find out, while talking, how one user likes to be answered. "
        f"Trained on conversations: it has learnt {_name_teacher(record)}, and inherits every "
        "limit of its base model. Not for decisions about people.\n",
        "## Data\n",
        f"{counted(record['rows'], 'row')}, content hash `{record['data_hash']}`; "
        f"{record.get('held_out', 0)} more held out. {_passport(data, record)}\n",
        "## Training\n",
        _table(_facts(record)),
        "### Curve\n",
        _curve(history, record["method"]),
        "### Settings\n",
        "```json\n" + json.dumps(settings, indent=2) + "\n```\n",
    ]
    replace_text(out / "README.md", "\n".join(parts))


def write_merged_card(out: Path, folder: Path, adapter: Path, record: Record) -> None:
    """Write the card of a merged model into `folder`: its adapter's, with what was done to that.

    Args:
        out: where the folder will be.
        folder: where it is now.
        adapter: whose card is carried over, if it has one.
        record: of the merged model.
    """
    base = record["settings"]["model"]
    merged = (
        f"An adapter (hash `{record['adapter_hash']}`), merged into {base}. What follows is said "
        "of that adapter."
    )
    written = adapter / "README.md"
    head, _, rest = (written.read_text(encoding="utf-8") if written.is_file() else "").partition(
        "\n# "
    )
    if not rest:
        named = _find_base(base)
        head = f"---\nlibrary_name: peft\n{f'base_model: {named}{chr(10)}' if named else ''}---\n"
        merged = merged.removesuffix(" What follows is said of that adapter.")
    said = rest.partition("\n")[2]
    head = head.replace("library_name: peft", "library_name: transformers", 1)
    replace_text(folder / "README.md", f"{head}\n# {out.name}\n\n{merged}\n{said}")


def _front_matter(record: Record, settings: dict[str, Any]) -> str:
    library = "peft" if settings["lora"] else "transformers"
    base = _find_base(settings["model"])
    return (
        f"---\nlibrary_name: {library}\n{f'base_model: {base}{chr(10)}' if base else ''}"
        f"tags: [aloe, {record['method']}, preference-alignment]\n---\n"
    )


REWARDS = {
    "rules": "to satisfy wishes that a program can check",
    "judge": "what a judge rates highly, which is not what people prefer",
}


def _name_teacher(record: Record) -> str:
    """Say what was learnt, as far as settings and data tell."""
    settings = record["settings"]
    if record["method"] == "grpo":
        return REWARDS.get(settings["reward"], "what its reward function scores highly")
    if record.get("labelled"):
        return "what its rows prefer, which do not say whose preference that is"
    if settings["label"] == "people":
        return "what some people preferred"
    judged = _name_judges(record)
    if settings["label"] == "judge":
        return judged
    by_return = "which replies paid off over the turns that followed, with simulated users"
    return by_return if settings["label"] == "return" else f"{by_return}, and elsewhere {judged}"


def _name_judges(record: Record) -> str:
    """Say whose preference the judge's labels are."""
    judges = record.get("judges", [MODELS])  # earlier versions do not say
    if not {*judges} - {UNKNOWN}:
        return "what a judge preferred whom the trees do not name"
    if UNKNOWN in judges:
        named = join_makers({*judges} - {UNKNOWN})
        return f"what {named} and judges whom the trees do not name preferred"
    others = "" if PEOPLE in judges else ", which is not what people prefer"
    return f"what {join_makers(judges)} preferred{others}"


def _find_base(model: str) -> str | None:
    """Return the repository of the base; None if it is a path, for hubs refuse cards with one."""
    name = model.removeprefix("local:")
    if not is_hub_name(name) or Path(name).exists():
        return None
    return name.partition(":")[0]


def _passport(data: Path, record: Record) -> str:
    """Return what the run folder knows about its judge, if labels of a model were learnt."""
    if record["method"] == "grpo":
        return _name_rater(record)
    if record.get("labelled"):
        return "The rows do not say whose labels they have, so how good these are is unknown."
    if not _learns_judge(record):
        return "The labels are no model's, so no judge passport belongs to them."
    file = RunFolder(find_home(data)).passport
    if not file.exists():
        return "No judge passport came with the data: how good its labels are is unknown."
    return "Judge passport:\n\n" + _table(read_passport(file).summary())


def _learns_judge(record: Record) -> bool:
    """Return whether labels of a model, of custom code or of nobody known were learnt."""
    label, judges = record["settings"]["label"], record.get("judges", [MODELS])
    if label == "people" or (judges and not {MODELS, CODE, UNKNOWN} & {*judges}):
        return False
    by_judge = "siblings"  # returns that are made of how the judge ranked the replies to a message
    return label != "return" or by_judge in record.get("levels", [by_judge])


def _name_rater(record: Record) -> str:
    """Say who rated what GRPO sampled: it learns no labels of its data."""
    if record["settings"]["reward"] != "judge":
        return "No judge's labels were learnt, so no judge passport belongs to them."
    rater = record.get("agents", {}).get("judge", "the judge of the settings")
    return (
        f"No labels of the data were learnt: {rater} rated single replies. A judge passport says "
        "how well a judge compares two, so how good these ratings are is unknown."
    )


def _facts(record: Record) -> dict[str, Any]:
    saved = record["flat_tokens"] / record["tokens"] if record["tokens"] else 0
    name, *ends = find_first_and_last(record)
    first, last = (format_number(each, "{:.4g}") for each in ends)
    facts: dict[str, Any] = {
        "started from": record["start"],
        "seed": record["seed"],
        "optimizer steps": record["steps"],
        f"{name}, first to last": f"{first} to {last}",
        "seconds": record["seconds"],
        "peak memory of the host, GiB": record["peak_gib"],
        **({"peak memory of the GPU, GiB": held} if (held := record.get("gpu_peak_gib")) else {}),
    }
    if "saved_step" in record:
        facts["saved model"] = f"of step {record['saved_step']}, the best checkpoint"
    if "frozen_in" in record:
        facts["frozen weights"] = record["frozen_in"]
    if saved:
        facts["tokens a pass"] = f"{record['tokens']} ({saved:.1f}x fewer than one row an answer)"
    if "cut_off" in record:
        facts["replies cut off"] = f"{record['cut_off']:.1%}"
    when = " and ".join(name_evaluations(record))
    for name, values in record.get("held_out_figures", {}).items():
        facts[f"{name}, {when}"] = ", ".join(format_number(each, "{:.4g}") for each in values)
    return {**facts, **record.get("agents", {}), **record["versions"]}


def _table(values: dict[str, Any]) -> str:
    lines = ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _curve(history: Sequence[dict[str, float]], method: str) -> str:
    entries = [entry for entry in history if "loss" in entry]
    chosen = entries[:: max(1, -(-len(entries) // CURVE))]
    names = [name for name in CURVES[method] if any(name in entry for entry in chosen)]
    lines = ["| " + " | ".join(["step", *names]) + " |", "|" + "---|" * (len(names) + 1)]
    for entry in chosen:
        cells = [
            f"{entry['step']}",
            *(format_number(entry.get(name, nan), "{:.4f}") for name in names),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
