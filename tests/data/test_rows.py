"""Rows of files: whatever stands in one of them, the others are read and written."""

import bz2
import datetime
import decimal
import gzip
import json
import lzma
import math
import os

import pytest

from s2s_zoo.data.rows import DEEPEST, files_of_rows, read_rows, write_rows
from s2s_zoo.protocol.errors import DataError

PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, "": bytes}
LINES = b'{"text": "a"}\n{"text": "b"}\n'


def rows_of(path):
    return list(read_rows(path, "text"))


def written(rows, path):
    write_rows(rows, path)
    return path.read_text(encoding="utf-8").splitlines()


def nested(depth):
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize("packing", PACKERS)
def test_packed_files_are_unpacked(tmp_path, packing):
    for name, content in (("a.jsonl", LINES), ("a.txt", b"a\nb")):
        path = tmp_path / f"{name}{packing.upper()}"
        path.write_bytes(PACKERS[packing](content))
        assert rows_of(path) == [{"text": "a"}, {"text": "b"}]


@pytest.mark.parametrize(
    "name", ["a.zip", "a.jsonl.zst", "a.tar.gz", "a.TGZ", "a.parquet.gz", "a.txt.lz4"]
)
def test_what_is_packed_otherwise_is_refused_by_its_name(tmp_path, name):
    (tmp_path / name).write_bytes(LINES)
    with pytest.raises(DataError, match=r"Unpack it first.*\.gz, \.bz2, \.xz"):
        rows_of(tmp_path / name)


@pytest.mark.parametrize("packing", [".gz", ".bz2", ".xz"])
@pytest.mark.parametrize("change", [lambda data: data[:-9], lambda data: b"not packed at all"])
def test_a_damaged_file_is_told_by_name(tmp_path, packing, change):
    path = tmp_path / f"a.jsonl{packing}"
    path.write_bytes(change(PACKERS[packing](LINES)))
    with pytest.raises(DataError, match=r"a\.jsonl.*cannot be read.*Get the file again"):
        rows_of(path)


def test_a_damaged_parquet_is_told_by_name(tmp_path):
    pytest.importorskip("pyarrow")
    for content in (b"", b"PAR1", b"x" * 100):
        (tmp_path / "a.parquet").write_bytes(content)
        with pytest.raises(DataError, match=r"a\.parquet is no readable Parquet"):
            rows_of(tmp_path / "a.parquet")


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path):
    for name, content in (("a.txt", "a\nb"), ("a.jsonl", LINES.decode())):
        (tmp_path / name).write_text(content, encoding="utf-8-sig")
        assert rows_of(tmp_path / name) == [{"text": "a"}, {"text": "b"}]
        (tmp_path / name).write_text(content, encoding="utf-16")
        with pytest.raises(DataError, match="is UTF-16, not UTF-8"):
            rows_of(tmp_path / name)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"no json",
        b"[1]",
        b"null",
        b'{"text": "a"',
        b'{"text": "\xff"}',
        b'{"a": ' + nested(100_000) + b"}",
        b'{"a": ' + nested(DEEPEST) + b"}",
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"1" * 5000,
    ],
)
def test_a_line_that_is_no_row_is_kept_and_the_others_are_read(tmp_path, line):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "a"}\n' + line + b'\n{"text": "b"}')
    first, bad, last = rows_of(tmp_path / "a.jsonl")
    assert (first, last) == ({"text": "a"}, {"text": "b"})
    assert bad == {"unreadable": line.decode("utf-8", "backslashreplace")}


def test_what_is_as_deep_as_may_be_is_read_and_written(tmp_path):
    line = b'{"a": ' + nested(DEEPEST - 1) + b', "text": "[[[[["}'
    (tmp_path / "a.jsonl").write_bytes(line)
    rows = rows_of(tmp_path / "a.jsonl")
    assert written(rows, tmp_path / "b.jsonl") == [line.decode()]


def test_half_of_a_surrogate_pair_is_written_as_it_was_read(tmp_path):
    rows = [{"text": "a \ud800 b", "\udfff": 1}, {"text": "ä"}]
    lines = written(rows, tmp_path / "a.jsonl")
    assert lines[0] == r'{"text": "a \ud800 b", "\udfff": 1}' and lines[1] == '{"text": "ä"}'
    assert rows_of(tmp_path / "a.jsonl") == rows


def test_json_has_no_nan(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": NaN, "b": [1, {"c": -Infinity}], "d": 1e999}')
    rows = rows_of(tmp_path / "a.jsonl")
    assert math.isnan(rows[0]["a"])
    assert written(rows, tmp_path / "b.jsonl") == ['{"a": null, "b": [1, {"c": null}], "d": null}']


def test_what_json_has_no_kind_for_is_text(tmp_path):
    rows = [{"a": b"\xff\x00", "b": datetime.date(2020, 1, 2), "c": decimal.Decimal("1.50")}]
    [line] = written(rows, tmp_path / "a.jsonl")
    assert json.loads(line) == {"a": "/wA=", "b": "2020-01-02", "c": "1.50"}


def test_parquet_takes_every_row(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    deep = json.loads(nested(DEEPEST - 2))
    rows = [
        {"a": 1, "b": "x \ud800", "c": 1, "d": 1 << 70, "e": deep, "f": math.nan, "\ud800": 1},
        {"a": "one", "b": None, "c": 2, "d": 1, "e": {"x": 1}, "f": 1.0, "g": None},
    ]
    write_rows(rows, tmp_path / "a.parquet", texts=("g",))
    table = parquet.read_table(tmp_path / "a.parquet")
    found = table.to_pydict()
    assert found["a"] == ["1", '"one"'] and found["b"] == [r"x \ud800", None]
    assert found["c"] == [1, 2] and [json.loads(x) for x in found["d"]] == [1 << 70, 1]
    assert [json.loads(x) for x in found["e"]] == [deep, {"x": 1}]
    assert math.isnan(found["f"][0]) and found["\\ud800"] == [1, None]
    assert str(table.schema.field("g").type) == "string"


def test_hidden_files_of_a_folder_hold_no_rows(tmp_path):
    for name in ("b.txt", "a.jsonl", ".part-00000", "_SUCCESS", ".DS_Store"):
        (tmp_path / name).write_bytes(LINES)
    assert [path.name for path in files_of_rows(tmp_path)] == ["a.jsonl", "b.txt"]


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_no_unicode_is_read(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.txt")
    path.write_bytes(b"a")
    assert rows_of(path) == [{"text": "a"}]


def test_rows_of_a_csv(tmp_path):
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(b'text,id\n"a, b",1\nc\n\nd,2\n'))
    assert list(read_rows(path, "text")) == [
        {"text": "a, b", "id": "1"},
        {"unreadable": "c"},
        {"text": "d", "id": "2"},
    ]
    path.write_bytes(gzip.compress(b"text,text\na,b\n"))
    with pytest.raises(DataError, match="the column 'text' twice"):
        list(read_rows(path, "text"))


def test_rows_of_a_list_in_json(tmp_path):
    path = tmp_path / "data.json"
    path.write_text('[{"text": "a"}, 3, [1], "é", {"text": ' + "[" * DEEPEST + "]" * DEEPEST + "}]")
    first, *others = rows_of(path)
    assert first == {"text": "a"}
    assert [row["unreadable"] for row in others[:3]] == ["3", "[1]", "é"]
    assert others[3]["unreadable"].startswith('{"text": [[')
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match="no list in JSON"):
        rows_of(path)
    path.write_text('{"text": "a"}\n{"text": "b"}\n')
    assert rows_of(path) == [{"text": "a"}, {"text": "b"}]


@pytest.mark.parametrize("name", ["a.xlsx", "a.feather", "a.po"])
def test_what_is_no_text_is_refused_by_its_name(tmp_path, name):
    (tmp_path / name).write_bytes(LINES)
    with pytest.raises(DataError, match="cannot be read as it is. Save"):
        rows_of(tmp_path / name)
