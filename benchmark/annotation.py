"""Comparisons for people in Argilla or Label Studio, and their answers back as labels.

People see what `aloe label` shows: who the user is, what was said, two replies without a name.
Which reply is A follows from the pair, so the answers can be read without the file that was sent.
Beside the records goes what the tool needs to show them: Argilla's settings, Label Studio's
interface.

An export of either tool is read back whole or not at all. Answers that are there already are not
added again, and a changed mind is a further label, as in `aloe.labels`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from aloe.benchmark.labelling import ReplyPair
from aloe.benchmark.statistics import is_moderate
from aloe.errors import ConfigError
from aloe.files.lines import Place
from aloe.files.records import read_records
from aloe.files.writing import replace_text
from aloe.labels import Answer, Label
from aloe.schema import digest

Tool: TypeAlias = Literal["argilla", "label-studio"]

TOOLS: tuple[Tool, ...] = ("argilla", "label-studio")

QUESTION = "better"
"""What the question is called in both tools."""

ASKED = "Which reply suits this user better?"

CHOICES = {"a": "A", "b": "B", "tie": "Equally good"}
"""What may be answered, and how it reads."""

INTERFACE = f"""<View>
  <Header value="{ASKED}"/>
  <Text name="persona" value="$persona"/>
  <Paragraphs name="history" value="$history" layout="dialogue" nameKey="role" textKey="content"/>
  <Header value="A"/>
  <Text name="reply_a" value="$reply_a"/>
  <Header value="B"/>
  <Text name="reply_b" value="$reply_b"/>
  <Choices name="{QUESTION}" toName="reply_a" choice="single-radio" required="true">
    {"".join(f'<Choice value="{text}"/>' for text in CHOICES.values())}
  </Choices>
</View>
"""


def write_tasks(tool: Tool, pairs: Iterable[ReplyPair], out: Path) -> tuple[int, Path]:
    """Write records for a tool, and what shows them; return how many, and that file.

    Raises:
        ConfigError: `out` is no name of a JSON file.
        StoreError: a file cannot be written.
    """
    if out.suffix != ".json":
        raise ConfigError(f"--out {out}: both tools read JSON; name a file that ends in .json")
    render = {"argilla": _for_argilla, "label-studio": _for_label_studio}[tool]
    records = [render(pair) for pair in pairs]
    replace_text(out, json.dumps(records, ensure_ascii=False, indent=1) + "\n")
    if tool == "argilla":
        beside, text = out.with_suffix(".settings.json"), json.dumps(_make_settings(), indent=1)
    else:
        beside, text = out.with_suffix(".xml"), INTERFACE
    replace_text(beside, text)
    return len(records), beside


def read_answers(path: Path, pairs: Iterable[ReplyPair], rater: str | None = None) -> list[Label]:
    """Return what people said in an export of either tool.

    Args:
        path: JSON, as Label Studio exports it (`JSON`, not `JSON-MIN`) or Argilla's `to_json`.
        pairs: all comparisons that there are.
        rater: what the raters' names begin with; None: with the tool's name, before what it calls
            them.

    Raises:
        InputError: the file cannot be read, is neither tool's, or a record names no comparison
            here or holds an answer that was not offered.
    """
    known = {pair.id: pair for pair in pairs}
    found = [
        label for place, record in read_records(path) for label in _labels(place, record, known)
    ]
    if rater is None:
        return found
    return [label.model_copy(update={"rater": f"{rater}:{label.rater}"}) for label in found]


def check_raters(found: Iterable[Label], there: Iterable[Label], file: Path, rater: str) -> None:
    """Make sure that nobody's labels are there already under the bare name of `rater`.

    So an export with a single annotator came in once, and so they call themselves in `aloe label`.

    Args:
        found: as `read_answers` returns them.
        there: the labels that are there.
        file: where those are, for the error.
        rater: what the names of `found` begin with.

    Raises:
        ConfigError: somebody might be counted twice.
    """
    held = {label.pair for label in there if label.rater == rater}
    if same := sorted({label.rater for label in found if label.pair in held}):
        raise ConfigError(
            f"--rater {rater}: {file} holds labels by '{rater}' about the same pairs, which might "
            f"count twice; if that is '{same[0]}', rename '{rater}' to it in the file, else give "
            "another --rater"
        )


def select_new(found: Iterable[Label], there: Sequence[Label]) -> list[Label]:
    """Return the labels that say something which those that are there do not."""
    held = {(label.rater, label.pair): label.answer for label in there}
    new = []
    for label in found:
        if held.get((label.rater, label.pair)) != label.answer:
            held[label.rater, label.pair] = label.answer
            new.append(label)
    return new


def count_replaced(new: Iterable[Label], there: Iterable[Label]) -> int:
    """Count the labels that are there whose raters say something else of the pair now."""
    return len(
        {(label.rater, label.pair) for label in new}
        & {(label.rater, label.pair) for label in there}
    )


def _swapped(pair: str) -> bool:
    """Whether the second reply of a pair is shown as A."""
    return int(digest("annotated", pair), 16) % 2 == 1


def _shown(pair: ReplyPair) -> dict[str, Any]:
    """Return what people see, by the names that both tools have for it."""
    verdict, tree = pair.verdict, pair.tree
    replies = [tree.by_id[each].content for each in (verdict.first, verdict.second)]
    a, b = reversed(replies) if _swapped(pair.id) else replies
    return {
        "persona": tree.played(verdict.node).text.strip() or "(nothing is known of this user)",
        "history": [{"role": n.role, "content": n.content} for n in tree.path(verdict.node)],
        "reply_a": a,
        "reply_b": b,
    }


def _for_argilla(pair: ReplyPair) -> dict[str, Any]:
    return {
        "id": pair.id,
        "fields": _shown(pair),
        "metadata": {"tree": pair.tree.id, "turn": pair.turn},
    }


def _for_label_studio(pair: ReplyPair) -> dict[str, Any]:
    return {
        "data": {"pair": pair.id, **_shown(pair)},
        "meta": {"tree": pair.tree.id, "turn": pair.turn},
    }


def _make_settings() -> dict[str, Any]:
    """Return what `argilla.Settings.from_json` reads."""
    titles = {"persona": "The user", "history": "So far", "reply_a": "A", "reply_b": "B"}
    return {
        "guidelines": ASKED,
        "fields": [
            {
                "name": name,
                "title": title,
                "required": True,
                "settings": {
                    "type": "chat" if name == "history" else "text",
                    "use_markdown": False,
                },
            }
            for name, title in titles.items()
        ],
        "questions": [
            {
                "name": QUESTION,
                "title": ASKED,
                "required": True,
                "settings": {
                    "type": "label_selection",
                    "options": [{"value": key, "text": text} for key, text in CHOICES.items()],
                    "visible_options": len(CHOICES),
                },
            }
        ],
        "vectors": [],
        "metadata": [],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "mapping": None,
    }


def _labels(place: Place, record: Any, known: Mapping[str, ReplyPair]) -> Iterator[Label]:
    """Yield the labels of one record, which may hold those of several people, or none."""
    if isinstance(record, dict) and isinstance(record.get("annotations"), list):
        named, answers = _part(place, record, "data").get("pair"), _read_annotations(place, record)
    elif isinstance(record, dict) and "responses" in record:
        named, answers = record.get("id"), _read_responses(place, record)
    else:
        raise place.error("is no record of Label Studio (annotations) or Argilla (responses)")
    if not isinstance(named, str) or named not in known:
        raise place.error(f"names the pair {json.dumps(named)}, which no tree here compares")
    pair = known[named]
    verdict, swapped = pair.verdict, _swapped(named)
    sides: tuple[Answer, Answer] = ("second", "first") if swapped else ("first", "second")
    meaning: dict[str, Answer] = {"a": sides[0], "b": sides[1], "tie": "tie", "skip": "skip"}
    for rater, answer, seconds in answers:
        yield Label(
            pair=named,
            tree=pair.tree.id,
            node=verdict.node,
            first=verdict.first,
            second=verdict.second,
            rater=rater,
            answer=meaning[answer],
            shown="second-first" if swapped else "first-second",
            seconds=seconds,
        )


def _read_annotations(place: Place, record: dict[str, Any]) -> list[tuple[str, str, float]]:
    """Return rater, answer and seconds of each annotation of a task of Label Studio."""
    keys = {text: key for key, text in CHOICES.items()}
    found = []
    for annotation in record["annotations"]:
        if not isinstance(annotation, dict):
            raise place.error("'annotations' holds something that is no object")
        by = annotation.get("completed_by")
        rater = by.get("email") or by.get("id") if isinstance(by, dict) else by
        if rater is None:
            raise place.error("has an annotation without 'completed_by': whose is it?")
        timed = _read_seconds(place, annotation)
        if annotation.get("was_cancelled"):
            found.append((f"label-studio:{rater}", "skip", timed))
            continue
        chosen = _chosen(annotation.get("result"))
        if not isinstance(chosen, str) or chosen not in keys:
            raise place.error(_unknown(chosen, keys))
        found.append((f"label-studio:{rater}", keys[chosen], timed))
    return found


def _read_seconds(place: Place, annotation: dict[str, Any]) -> float:
    seconds = annotation.get("lead_time")
    if not isinstance(seconds, int | float):
        return 0.0
    if not is_moderate(seconds):
        raise place.error("has an annotation whose 'lead_time' is no number of seconds")
    return float(seconds)


def _chosen(result: Any) -> Any:
    """Return what an annotation of Label Studio chose; None if it did not."""
    for each in result if isinstance(result, list) else ():
        if isinstance(each, dict) and each.get("from_name") == QUESTION:
            value = each.get("value")
            choices = value.get("choices") if isinstance(value, dict) else None
            return choices[0] if isinstance(choices, list) and len(choices) == 1 else choices
    return None


def _read_responses(place: Place, record: dict[str, Any]) -> list[tuple[str, str, float]]:
    """Return rater, answer and seconds (0, for Argilla keeps none) of each response."""
    found = []
    responses = _part(place, record, "responses") if record["responses"] else {}
    for response in responses.get(QUESTION) or ():
        value = response.get("value") if isinstance(response, dict) else None
        if not isinstance(value, str) or value not in CHOICES:
            raise place.error(_unknown(value, CHOICES))
        found.append((f"argilla:{response.get('user_id')}", value, 0.0))
    return found


def _part(place: Place, record: dict[str, Any], name: str) -> dict[str, Any]:
    found = record.get(name)
    if not isinstance(found, dict):
        raise place.error(f"'{name}' is no object")
    return found


def _unknown(answer: Any, offered: Iterable[str]) -> str:
    said = json.dumps(answer, ensure_ascii=False)
    return f"answers '{QUESTION}' with {said}; offered were {', '.join(offered)}"
