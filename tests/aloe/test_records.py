import csv
import gzip
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import config, grow, persona_lines
from command import RunAloe
from hypothesis import given, settings
from hypothesis import strategies as st

from aloe.errors import InputError
from aloe.files.lines import read_lines
from aloe.files.records import read_records

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufeff"), min_size=1
)
"""What a cell may hold: no half characters, no zero bytes; the csv module reads \\r as \\n does."""

ROWS = st.lists(st.tuples(TEXTS, TEXTS), min_size=2, max_size=8)

Rows = list[dict[str, str]]


def lines(rows: Rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def glued(rows: Rows) -> str:
    return " ".join(json.dumps(row, ensure_ascii=False) for row in rows)


def spread(rows: Rows) -> str:
    return "\n".join(json.dumps(row, indent=2) for row in rows)


def array(rows: Rows) -> str:
    return json.dumps(rows)


def spread_array(rows: Rows) -> str:
    return json.dumps(rows, indent=1, ensure_ascii=False)


def columns(rows: Rows) -> str:
    return json.dumps({name: [row[name] for row in rows] for name in rows[0]})


def numbered_columns(rows: Rows) -> str:
    """Write what `DataFrame.to_json` does."""
    return json.dumps({n: {str(i): row[n] for i, row in enumerate(rows)} for n in rows[0]})


def wrapped(rows: Rows) -> str:
    return json.dumps({"rows": rows}, indent=2)


def table(separator: str, ending: str) -> Callable[[Rows], str]:
    def write(rows: Rows) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(
            text, list(rows[0]), delimiter=separator, lineterminator=ending, quoting=csv.QUOTE_ALL
        )
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    return write


FORMS: dict[str, list[Callable[[Rows], str]]] = {
    ".jsonl": [lines, glued, spread, array],
    ".json": [lines, spread, array, spread_array, columns, numbered_columns, wrapped],
    ".csv": [table(s, e) for s in ",;\t|" for e in ("\n", "\r\n", "\r")],
    ".tsv": [table("\t", "\n")],
    "": [lines, spread_array],
}

CODES = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]
REFUSED = ["utf-16-le", "utf-16-be", "latin-1", "cp1252"]


def records(path: Path) -> list[Any]:
    return [value for _, value in read_records(path)]


def parquet(rows: Rows) -> bytes:
    import pyarrow
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


@settings(max_examples=150, deadline=None)
@given(data=st.data(), given_rows=ROWS)
def test_the_same_rows_come_back_from_every_form(
    data: st.DataObject, given_rows: list[tuple[str, str]]
) -> None:
    rows = [{"persona": first, "id": second} for first, second in given_rows]
    suffix = data.draw(st.sampled_from(sorted(FORMS)))
    text = data.draw(st.sampled_from(FORMS[suffix]))(rows)
    content = text.encode(data.draw(st.sampled_from(CODES)))
    with tempfile.TemporaryDirectory() as folder:
        for name, packed in ((f"a{suffix}", content), (f"a{suffix}.gz", gzip.compress(content))):
            path = Path(folder) / name
            path.write_bytes(packed)
            assert records(path) == rows


@settings(max_examples=30, deadline=None)
@given(given_rows=ROWS, packed=st.booleans(), name=st.sampled_from(["a.parquet", "a", "a.csv"]))
def test_parquet_by_any_name(given_rows: list[tuple[str, str]], packed: bool, name: str) -> None:
    rows = [{"persona": first, "id": second} for first, second in given_rows]
    content = parquet(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(gzip.compress(content) if packed else content)
        assert records(path) == rows


@settings(max_examples=60, deadline=None)
@given(data=st.data(), code=st.sampled_from(REFUSED), count=st.integers(1, 5))
def test_other_encodings_are_refused_in_one_line(
    data: st.DataObject, code: str, count: int
) -> None:
    rows = [{"persona": "Zoë née Gärtner", "id": str(n)} for n in range(count)]
    suffix = data.draw(st.sampled_from([".jsonl", ".json", ".csv"]))
    write = {".jsonl": glued, ".json": spread_array, ".csv": table(",", "\n")}[suffix]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(write(rows).encode(code))
        with pytest.raises(InputError, match=r"UTF-8") as refused:
            records(path)
    assert "\n" not in str(refused.value)


@settings(max_examples=120, deadline=None)
@given(
    content=st.binary(max_size=200)
    | st.text(st.sampled_from('{}[]",:;\n\\ud8a1\t|'), max_size=60).map(str.encode),
    suffix=st.sampled_from(["", ".json", ".jsonl", ".csv", ".parquet", ".gz"]),
)
def test_rubbish_is_read_or_refused(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(content)
        bad: list[InputError] = []
        for read in (lambda p: read_records(p, bad.append), read_lines):
            try:
                found = list(read(path))
            except InputError as error:
                bad.append(error)
            else:
                json.dumps([value for _, value in found], ensure_ascii=False).encode()
        assert not any("\n" in str(error) for error in bad)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "id,persona\n1,A vet\n2,A nurse, retired\n", "a.csv:3: has 3 .* a ',' in it"),
        ("a.csv", "id;persona\n1;A vet; retired\n", "a.csv:2: has 3 cells.* a ';' in it"),
        ("a.tsv", "id\tpersona\n1\tA vet\tretired\n", "a.tsv:2: has 3 cells.* a tab in it"),
        ("a.csv", "id,persona\n1,A nurse\nwho bakes\n", "a.csv:3: has 1 cell,.* line break"),
        ("a.csv", '\nid,persona\n1,"A\nvet"\n2,"A "big" vet"\n', "a.csv:5: a quotation mark"),
        ("a.csv", 'id,persona\n1,"A nurse\n2,A vet\n', "a.csv:2: a quotation mark"),
        ("a.csv", 'id,persona\n1, "A nurse"\n', "a.csv:2: a blank stands before a quotation mark"),
        ("a.csv", 'id,persona\n1, "A vet, retired"\n', "a.csv:2: a blank stands before a quot"),
        ("a.csv", "persona,id,persona\nx,1,y\n", "a.csv:1: two columns are called 'persona'"),
        ("a.json", '{\n "a": 1,\n "b" 2\n}\n', "a.json:3: is not JSON.* begins at line 1"),
        ("a.jsonl", '"ok"\n{"a": 1\n{"b": 2}\n', "a.jsonl:3: is not JSON.* begins at line 2"),
        ("a.json", '"ok"\n[\n "a"', "a.json:2: begins a JSON value that has no end"),
        ("a.json", '{"a": [1, 2], "b": [1]}', "a.json: its columns differ in length: a 2, b 1"),
        ("a.jsonl", '"ok"\n"a \\ud83d b"\n', r"a.jsonl:2: holds \\ud83d, half of a character"),
        ("a.json", '["ok", {"\\udc00": 1}]', r"a.json, row 2: holds \\udc00, half"),
        ("a.jsonl", "[" * 100_000, "a.jsonl:1: is not JSON: it is nested too deeply"),
        ("a.jsonl", '"ok"\n{"a": 1, "a": 2}\n', "a.jsonl:2: .* two values called 'a'"),
        ("a.json", '[{"x": {"b": 1, "c": 2, "b": 1}}]', "a.json:1: .* two values called 'b'"),
        ("a.xlsx", "PK\x03\x04", "a.xlsx: is a zip archive or a workbook"),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        records(tmp_path / name)


def test_a_broken_line_yields_nothing_and_the_rest_stays(tmp_path: Path) -> None:
    path, bad = tmp_path / "a.jsonl", []
    path.write_text('"a"\n"persona": "x",\n"b""c" oops\n\ufeff"d""e"\n')
    assert [value for _, value in read_records(path, bad.append)] == ["a", "d", "e"]
    assert len(bad) == 2


@pytest.mark.parametrize(("header", "read"), [("id,persona", " A vet"), ("id, persona", "A vet")])
def test_the_header_alone_says_whether_blanks_stand_behind_separators(
    tmp_path: Path, header: str, read: str
) -> None:
    quoted = 'Is "Ann", "Bob" or I meant?'
    more = f'2,"{quoted.replace(chr(34), 2 * chr(34))}"\n'
    for text in ("", more):
        (tmp_path / "a.csv").write_text(f"{header}\n1, A vet\n{text}")
        assert [row["persona"] for row in records(tmp_path / "a.csv")] == [read, quoted][
            : 2 if text else 1
        ]
    blank = f'{header}\n1," ""A vet"" he said"\n'  # quoted as a whole, so nothing is doubtful
    (tmp_path / "a.csv").write_text(blank)
    assert records(tmp_path / "a.csv")[0]["persona"] == ' "A vet" he said'


def test_places(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('\n"a"\n\n"b""c"\n')
    assert [place.line for place, _ in read_records(tmp_path / "a.jsonl")] == [2, 4, 4]
    (tmp_path / "a.json").write_text('{\n"a": 1}\n{"a":\n2}')
    assert [place.line for place, _ in read_records(tmp_path / "a.json")] == [1, 3]
    (tmp_path / "a.csv").write_text('a,b\n"x\ny",1\n\nz,2\n')
    assert [place.line for place, _ in read_records(tmp_path / "a.csv")] == [2, 5]
    (tmp_path / "b.json").write_text('["a", "b"]')
    assert [str(p.error("is odd")) for p, _ in read_records(tmp_path / "b.json")] == [
        f"{tmp_path}/b.json, row {row}: is odd" for row in (1, 2)
    ]


def test_messages_are_no_rows(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "Hi"}]}
    (tmp_path / "a.json").write_text(json.dumps(row))
    assert records(tmp_path / "a.json") == [row]
    (tmp_path / "a.json").write_text(json.dumps(row["messages"]))
    assert records(tmp_path / "a.json") == [row["messages"]]
    (tmp_path / "a.json").write_text(json.dumps([row["messages"]] * 2))
    assert records(tmp_path / "a.json") == [row["messages"]] * 2
    (tmp_path / "a.jsonl").write_text('{"tags": ["a", "b"]}')
    assert records(tmp_path / "a.jsonl") == [{"tags": ["a", "b"]}]


def test_cells_of_any_length(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,persona\n1," + "x" * 200_000 + "\n")
    assert len(records(tmp_path / "a.csv")[0]["persona"]) == 200_000


def test_json_lines_are_streamed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('"ok"\n' * 100_000 + "{oops\n")
    found = read_records(path)
    assert next(found)[1] == "ok"


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(parquet([{"persona": "x"}]))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'aloe-align\[parquet\]'"):
        records(tmp_path / "a")


@pytest.mark.parametrize("told", ";,|\t")
def test_excel_may_tell_the_separator(tmp_path: Path, told: str) -> None:
    text = f"sep={told}\r\nid{told}persona\r\n1{told}A vet\r\n"
    (tmp_path / "a.csv").write_bytes(text.encode("utf-16"))
    ((place, row),) = read_records(tmp_path / "a.csv")
    assert (place.line, row) == (3, {"id": "1", "persona": "A vet"})


def test_a_file_gzipped_twice_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(gzip.compress(b'"x"')))
    with pytest.raises(InputError, match="gzipped twice"):
        records(tmp_path / "a.jsonl.gz")


@pytest.mark.parametrize("kind", ["date32", "duration", "timestamp"])
def test_times_that_python_cannot_hold_are_named(tmp_path: Path, kind: str) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    of = {"date32": (2**30,), "duration": (2**62, "s"), "timestamp": (2**62, "us")}
    number, *unit = of[kind]
    column = pyarrow.array([number], getattr(pyarrow, kind)(*unit))
    parquet.write_table(pyarrow.table({"persona": ["A vet"], "when": column}), tmp_path / "a")
    with pytest.raises(InputError, match="has a date or time that cannot be read"):
        records(tmp_path / "a")


def test_columns_of_one_name_are_refused_in_parquet_too(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = [pyarrow.array(["A vet"]), pyarrow.array(["A nurse"])]
    parquet.write_table(pyarrow.table(columns, names=["persona"] * 2), tmp_path / "a")
    with pytest.raises(InputError, match="two columns are called 'persona'"):
        records(tmp_path / "a")


@pytest.mark.parametrize(
    ("file", "command", "words"),
    [
        ("trees.jsonl", "simulate", "this is a tree of a run"),
        ("events.jsonl", "simulate", "this is a call of a run"),
        ("rows.jsonl", "simulate", "this is a training row"),
        ("personas.jsonl", "trace", "not a tree of schema version 1: this is a persona"),
        ("rows.jsonl", "trace", "this is a training row"),
        ("personas.jsonl", "export", "this is a persona"),
        ("folder", "simulate", "is a folder; name a file"),
        ("half.jsonl", "simulate", "personality: Field required"),
    ],
)
def test_another_file_of_ours_is_recognised(
    aloe: RunAloe, tmp_path: Path, file: str, command: str, words: str
) -> None:
    tree = grow(config(turns=1))
    event = {"role": "user", "outcome": "ok", "latency": 1.0, "tree": "t", "reply": None}
    row = {"prompt": [], "chosen": [], "rejected": []}
    texts = {
        "trees.jsonl": tree.model_dump_json(),
        "events.jsonl": json.dumps(event),
        "rows.jsonl": json.dumps(row),
        "personas.jsonl": persona_lines(),
        "half.jsonl": json.dumps({"profile": "I bake."}),
    }
    (tmp_path / "folder").mkdir()
    if file in texts:
        (tmp_path / file).write_text(texts[file])
    given = {
        "simulate": ("--personas", tmp_path / file, "--out", tmp_path / "run"),
        "trace": (tmp_path / file,),
        "export": (tmp_path / file, "--format", "dpo", "--out", tmp_path / "o.jsonl"),
    }
    assert aloe(command, *given[command]).is_one_line_about(file, words)


@pytest.mark.parametrize("text", [b'"' + b"a" * 90_000, b"{}\n" * 30_000, b"x,y\n" * 20_000])
def test_a_small_file_that_unpacks_to_a_giant_is_refused_before_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes
) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(text))
    monkeypatch.setattr("aloe.files.lines.LITTLE", 10_000)
    with pytest.raises(InputError, match="unpacks to more than 50 times its size"):
        sum(1 for _ in read_records(path))
    monkeypatch.undo()
    assert sum(1 for _ in read_lines(path)) > 0  # below what any file may hold


def test_columns_by_row_number_belong_together_by_their_number(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"a": {"0": "a0", "1": "a1"}, "b": {"1": "b1", "0": "b0"}}))
    assert [row for _, row in read_records(file)] == [
        {"a": "a0", "b": "b0"},
        {"a": "a1", "b": "b1"},
    ]
    file.write_text(json.dumps({"a": {"0": "a0", "1": "a1"}, "b": {"1": "b1", "2": "b2"}}))
    with pytest.raises(InputError, match="different row numbers"):
        list(read_records(file))
