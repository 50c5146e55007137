"""Fields of other people's records: invalid fields are refused, naming the place and the field."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aloe.files.lines import OnBad, Place, refuse
from aloe.files.records import read_records
from aloe.wording import visible

Fields = Mapping[str, Any]


def sort_of(value: Any) -> str:
    """Return what a value is, in words."""
    if value is None:
        return "missing"
    sorts = {bool: "a yes or no", str: "a text", list: "a list", dict: "an object"}
    return sorts.get(type(value), "a number")


def read_objects(path: Path, on_bad: OnBad = refuse) -> Iterator[tuple[Place, Fields]]:
    """Yield the records of a file of objects, each with its place, as `read_records` does.

    Args:
        path: the file.
        on_bad: called with the error of each record that is broken or is no object.

    Raises:
        InputError: the file cannot be read, or `on_bad` raises.
    """
    for place, record in read_records(path, on_bad):
        if isinstance(record, dict):
            yield place, record
        else:
            on_bad(place.error(f"is {sort_of(record)}, not an object"))


def read_text(
    fields: Fields, name: str, place: Place, where: str = "", *, empty: bool = False
) -> str:
    """Return a text.

    Args:
        fields: the record, or an object in it.
        name: the field.
        place: where the record stands, for errors.
        where: where in the record the object stands, such as "turn 2: ".
        empty: whether it may be empty.

    Raises:
        InputError: it is missing, no text, or empty.
    """
    value = fields.get(name)
    if not isinstance(value, str):
        found = "missing" if value is None else f"no text but {sort_of(value)}"
        raise place.error(f"{where}'{name}' is {found}")
    if not empty and not visible(value):
        raise place.error(f"{where}'{name}' is empty")
    return value


def read_name(fields: Fields, name: str, place: Place) -> str | None:
    """Return a text or a whole number that names something, as text; None if there is none.

    Raises:
        InputError: it is something else, or empty.
    """
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None if value is None else read_text(fields, name, place)


def read_number(fields: Fields, name: str, place: Place, where: str = "") -> float:
    """Return a number, also one that a table holds as text.

    Raises:
        InputError: it is missing, or no finite number.
    """
    value = fields.get(name)
    try:
        number = float("nan") if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not abs(number) < float("inf"):
        shown = sort_of(value) if value is None else repr(value)
        raise place.error(f"{where}'{name}' is {shown}; a number is expected")
    return number


def read_list(fields: Fields, name: str, place: Place) -> list[Fields]:
    """Return a list of objects that is not empty.

    Raises:
        InputError: it is something else.
    """
    value = fields.get(name)
    if not isinstance(value, list) or not value:
        found = "an empty list" if value == [] else sort_of(value)
        raise place.error(f"'{name}' is {found}; a list of objects is expected")
    for number, each in enumerate(value, 1):
        if not isinstance(each, dict):
            raise place.error(f"item {number} of '{name}' is {sort_of(each)}, not an object")
    return value
