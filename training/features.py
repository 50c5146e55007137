"""The types of a dataset's columns, declared once for all its splits.

A reader that looks at only one split takes a column that is null there to be all nulls, and then
fails on the next split. So the types of our own columns are fixed and those of other columns are
inferred from all rows: a dataset card declares them, and a Parquet file has them as its schema.
Anything without a single type (text here and a number there, an object without keys) is declared as
JSON.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

Kind = str | list["Kind"] | dict[str, "Kind"]
"""A kind's name, a list of one kind, or the kinds of an object's keys."""

Features = dict[str, Kind]
"""Kinds by column."""

MESSAGES: Kind = [{"role": "string", "content": "string"}]

KINDS: Features = {
    "tree": "string",
    "persona": "string",
    "turn": "int64",
    "margin": "float64",
    "confidence": "float64",
    "length_difference": "int64",
    "prompt": MESSAGES,
    "completion": MESSAGES,
    "chosen": MESSAGES,
    "rejected": MESSAGES,
    "label": "bool",
    "reward": "float64",
    "profile": "string",
    "personality": "string",
    "preferences": [["string"]],
    "revealed": ["string"],
    "facts": [{"id": "string", "kind": "string", "text": "string"}],
    "replies": ["string"],
    "advantages": ["float64"],
    "conversations": [
        {
            "user": "string",
            "assistant": {"preferred": "string", "rejected": "string"},
            "chosen": "string",
            "inferred_profile": "string",
            "inferred_personality": "string",
        }
    ],
}
"""The columns of our own exports."""


def infer_features(rows: Iterable[Mapping[str, Any]], known: Features) -> Features:
    """Return the kinds of all columns of `rows`, in order of appearance.

    Args:
        rows: of all splits.
        known: kinds that hold whatever the rows have.
    """
    found: Features = {}
    for row in rows:
        for key, value in row.items():
            column = _text(key)
            before = found.get(column, known.get(column, "null"))
            found[column] = before if value is None else _joined(before, _kind_of(value))
    return {column: _settled(kind) for column, kind in found.items()}


def fits(kind: Kind, value: Any) -> bool:
    """Return whether `value` is of this kind throughout."""
    return _joined(kind, _kind_of(value)) == kind


def render_features(features: Features) -> str:
    """Return the lines of a dataset card's front matter that declare `features`."""
    lines = "".join(f"    - {json.dumps(_named(*each))}\n" for each in features.items())
    return f"dataset_info:\n  features:\n{lines}" if lines else ""


def make_table(rows: Sequence[Mapping[str, Any]], features: Features) -> Any:
    """Return `rows` as a pyarrow.Table with `features` as its schema; what is JSON becomes text."""
    import pyarrow

    def schema(json_type: Any) -> Any:
        return pyarrow.schema([(name, _arrow(kind, json_type)) for name, kind in features.items()])

    given = [{_text(key): value for key, value in row.items()} for row in rows]
    encoded = [{c: _encoded(row.get(c), kind) for c, kind in features.items()} for row in given]
    table = pyarrow.Table.from_pylist(encoded, schema=schema(pyarrow.string()))
    return table.cast(schema(pyarrow.json_()))  # which pyarrow cannot build inside of objects


def _text(key: Any) -> str:
    """Return the key of an object as JSON has it, which knows no numbers there."""
    return key if isinstance(key, str) else json.dumps(key)


def _kind_of(value: Any) -> Kind:
    if isinstance(value, dict):
        return {_text(key): _kind_of(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        nothing: Kind = "null"
        return [reduce(_joined, map(_kind_of, value), nothing)]
    if value is None or isinstance(value, bool):
        return "null" if value is None else "bool"
    if isinstance(value, int):
        return "int64" if -(2**63) <= value < 2**63 else "json"
    return {float: "float64", str: "string"}.get(type(value), "json")


def _joined(one: Kind, other: Kind) -> Kind:
    """Return the kind of which both are."""
    if one == other or other == "null":
        return one
    if one == "null":
        return other
    if isinstance(one, list) and isinstance(other, list):
        return [_joined(one[0], other[0])]
    if isinstance(one, dict) and isinstance(other, dict):
        return {k: _joined(one.get(k, "null"), other.get(k, "null")) for k in one | other}
    return "float64" if {str(one), str(other)} == {"int64", "float64"} else "json"


def _settled(kind: Kind) -> Kind:
    """Return a kind that files can have: an object needs keys."""
    if isinstance(kind, list):
        return [_settled(kind[0])]
    if isinstance(kind, dict):
        return {key: _settled(held) for key, held in kind.items()} or "json"
    return kind


def _named(name: str, kind: Kind) -> dict[str, Any]:
    shape = _shape(kind)
    return {"name": name, **(shape if isinstance(shape, dict) else {"dtype": shape})}


def _shape(kind: Kind) -> Any:
    """Return a kind as the Hub's front matter has it."""
    if isinstance(kind, dict):
        return {"struct": [_named(*each) for each in kind.items()]}
    if not isinstance(kind, list):
        return kind
    held = kind[0]
    return {"list": _shape(held)["struct"] if isinstance(held, dict) else _shape(held)}


def _arrow(kind: Kind, json_type: Any) -> Any:
    import pyarrow

    if isinstance(kind, list):
        return pyarrow.list_(_arrow(kind[0], json_type))
    if isinstance(kind, dict):
        return pyarrow.struct([(key, _arrow(held, json_type)) for key, held in kind.items()])
    return json_type if kind == "json" else pyarrow.type_for_alias(kind)


def _encoded(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    if isinstance(kind, list):
        return [_encoded(held, kind[0]) for held in value]
    if isinstance(kind, dict):
        given = {_text(key): held for key, held in value.items()}
        return {key: _encoded(given.get(key), held) for key, held in kind.items()}
    return json.dumps(value, ensure_ascii=False) if kind == "json" else value
