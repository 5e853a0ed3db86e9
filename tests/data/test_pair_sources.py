"""Pairs from tables, translation memories and the objects of other packages."""

import bz2
import gzip
import json
import lzma
import subprocess
import sys

import numpy as np
import pytest

from s2s_zoo.data import read_pairs
from s2s_zoo.data.pairs import iterate_pairs
from s2s_zoo.protocol.errors import DataError

PAIRS = [("ein Hund", "a dog"), ("eine Katze", "a cat")]
ROWS = [{"id": n, "de": de, "en": en} for n, (de, en) in enumerate(PAIRS)]
TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="de"/><body>
<tu><note>seen</note><tuv xml:lang="de-DE">
<seg>ein <bpt i="1">&lt;b&gt;</bpt>Hund<ept i="1">x</ept></seg></tuv>
<tuv xml:lang="en"><seg>a &amp; <hi>dog</hi></seg></tuv></tu>
<tu><tuv xml:lang="de-DE"><seg>nur Deutsch</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>a
 cat</seg></tuv><tuv xml:lang="de-DE"><seg>eine Katze</seg></tuv></tu>
</body></tmx>"""


@pytest.fixture
def write(tmp_path):
    def write(content, name):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        "de,en\nein Hund,a dog\neine Katze,a cat\n",
        "\ufeffde;en\r\nein Hund;a dog\r\neine Katze;a cat\r\n",
        "Deutsch,English\nein Hund,a dog\neine Katze,a cat\n",
        "id,Nr,german , anglais\n1,2,ein Hund,a dog\n3,4,eine Katze,a cat\n",
        "id\tde\ten\n1\tein Hund\ta dog\n2\teine Katze\ta cat\n",
        "en|x|source|target\n,,|1|ein Hund|a dog\n,|2|eine Katze|a cat",
        "ein Hund,a dog\neine Katze,a cat",
        "\ufeffsep=;\r\nDeutsch;Englisch\r\nein Hund;a dog\r\neine Katze;a cat\r\n",
        "\n \nde,en\nein Hund,a dog\neine Katze,a cat\n",
        '德文, "英文"\n"ein Hund", "a dog"\neine Katze, a cat\n',
    ],
)
def test_a_csv_says_its_delimiter_and_header_itself(write, content):
    assert read_pairs(write(content, "data.csv")) == PAIRS


def test_a_language_is_a_column_whatever_it_is_called(write):
    path = write("English;Deutsch\na dog;ein Hund\na cat;eine Katze\n", "data.csv")
    assert read_pairs(path, columns=("de", "en")) == PAIRS
    assert read_pairs(path, columns=("German", "english")) == PAIRS
    # a dictionary that begins with the name of a language has no header
    assert read_pairs(write("Deutsch\tGerman\nein Hund\ta dog\n", "x.tsv"))[0][0] == "Deutsch"


def test_quotes_of_a_csv(write):
    text = 'de,en\n"ein, ""zwei""\ndrei","a; b"\n"x",y\n'
    assert read_pairs(write(text, "data.csv")) == [('ein, "zwei"\ndrei', "a; b"), ("x", "y")]


def test_a_quote_of_a_tsv_is_a_quote(write):
    assert read_pairs(write('"a\tb"\n', "data.tsv")) == [('"a', 'b"')]


@pytest.mark.parametrize("header", ["Deutsch\tEnglisch\n", ""])
@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ('"er sagt ""nein"""\t"he says ""no"""\n', [('er sagt "nein"', 'he says "no"')]),
        ('"a\tb"\t"c\nd"\ne\tf\n', [("a\tb", "c\nd"), ("e", "f")]),
        ("a\tb\n" * 60 + '"er ""x"""\tc\n', [("a", "b")] * 60 + [('er "x"', "c")]),
        ("a\tb\n" * 48 + '"c ""d"""\t"e\nf"\n', [("a", "b")] * 48 + [('c "d"', "e\nf")]),
    ],
)
def test_a_tsv_that_was_written_as_a_csv_is_read_as_one(write, header, text, pairs):
    assert read_pairs(write(header + text, "data.tsv")) == pairs


@pytest.mark.parametrize(
    "line", ['"ja"\t"yes"', '"Hallo" rief er\t"Hello" he cried', '"a\tb"', '"\t""']
)
def test_quotes_that_nobody_doubled_are_those_of_a_text(write, line):
    assert read_pairs(write(f"de\ten\n{line}\nx\ty\n", "data.tsv"))[0] == (*line.split("\t"),)


def test_a_tsv_whose_cells_and_header_are_all_in_quotes(write):
    assert read_pairs(write('"de"\t"en"\n"ein Hund"\t"a dog"\n', "data.tsv")) == PAIRS[:1]


@pytest.mark.parametrize("indent", [None, 2])
def test_json(write, indent):
    rows = json.dumps(ROWS, indent=indent)
    assert read_pairs(write("\ufeff\n " + rows, "data.json")) == PAIRS
    assert read_pairs(write(gzip.compress(rows.encode()), "data.json.gz")) == PAIRS
    lines = "".join(json.dumps(row) + "\n\n" for row in ROWS)  # as data sets of the Hub call it
    assert read_pairs(write(lines, "data.json")) == PAIRS


def test_columns_are_found_by_name_and_said_once(write, capsys):
    path = write("note\ten\tde\n-\ta dog\tein Hund\n-\ta cat\teine Katze\n", "data.tsv")
    assert read_pairs(path, swap=True) == read_pairs(path, swap=True) == PAIRS
    assert capsys.readouterr().err == f"{path}: the source is 'en', the target 'de'.\n"
    assert read_pairs(path, columns=("de", "en")) == PAIRS
    assert read_pairs(path, columns=("DE", "en")) == PAIRS
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["data.jsonl", "data.ndjson"])
def test_json_lines(write, name):
    path = write("\n".join(json.dumps(row) for row in ROWS), name)
    assert read_pairs(path) == PAIRS
    nested = [{"translation": {"de": de, "en": en}} for de, en in PAIRS]
    assert read_pairs(write("\n".join(map(json.dumps, nested)), name)) == PAIRS


def test_a_translation_memory(write):
    with pytest.warns(UserWarning, match="Skipped 1 of 3"):
        found = read_pairs(write(TMX, "data.tmx"))
    assert found == [("ein Hund", "a & dog"), ("eine Katze", "a cat")]
    with pytest.warns(UserWarning, match="Skipped 1 of 3"):
        found = read_pairs(write(TMX, "data.tmx"), columns=("en", "de"))
    assert found == [("a & dog", "ein Hund"), ("a cat", "eine Katze")]


def test_entities_of_a_translation_memory_are_refused(write):
    bomb = '<!DOCTYPE tmx [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><tmx>&b;</tmx>'
    with pytest.raises(DataError, match=r"data.tmx, line 1: declares an entity, 'a'"):
        read_pairs(write(bomb, "data.tmx"))
    outside = '<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/passwd">]><tmx>&a;</tmx>'
    with pytest.raises(DataError, match="declares an entity"):
        read_pairs(write(outside, "data.tmx"))
    with pytest.raises(DataError, match="is no XML that can be read: .*line 1"):
        read_pairs(write("<tmx><tu></tmx>", "data.tmx"))


@pytest.mark.parametrize("pack", [gzip, bz2, lzma])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.tsv", "ein Hund\ta dog\neine Katze\ta cat\n"),
        ("data.csv", "de,en\nein Hund,a dog\neine Katze,a cat\n"),
        ("data.jsonl", "\n".join(map(json.dumps, ROWS))),
    ],
)
def test_packed_files(write, pack, name, text):
    suffix = {gzip: ".gz", bz2: ".bz2", lzma: ".xz"}[pack]
    path = write(pack.compress(text.encode()), name + suffix)
    assert read_pairs(path) == PAIRS
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="cannot be read"):
        read_pairs(path)


def test_packed_parallel_files(write):
    sides = zip(*PAIRS, strict=True)
    paths = [
        write(gzip.compress("\n".join(texts).encode()), f"x.{n}.gz")
        for n, texts in enumerate(sides)
    ]
    assert read_pairs(tuple(paths)) == PAIRS


def test_a_file_is_read_as_it_is_asked_for(write):
    path = write("a,b\n" * 100_000 + '"never closed', "data.csv")
    pairs = iterate_pairs(path)
    assert [next(pairs) for _ in range(3)] == [("a", "b")] * 3
    with pytest.raises(DataError, match="the row that begins in line 100001: unexpected end"):
        list(pairs)


def test_dicts_and_iterables_of_them():
    assert read_pairs(ROWS) == read_pairs(iter(ROWS)) == PAIRS
    nested = [{"id": 1, "translation": {"de": de, "en": en}} for de, en in PAIRS]
    assert read_pairs(nested) == PAIRS
    assert read_pairs(nested, columns=("en", "de")) == [(en, de) for de, en in PAIRS]
    summaries = [{"dialogue": "long", "summary": "short", "id": "7"}]
    assert read_pairs(summaries) == [("long", "short")]


def test_a_dict_of_columns_and_an_array():
    columns = {"id": [1, 2], "de": [de for de, _ in PAIRS], "en": np.array([en for _, en in PAIRS])}
    assert read_pairs(columns) == PAIRS
    nested = {"id": ["1", "2"], "translation": [{"de": de, "en": en} for de, en in PAIRS]}
    assert read_pairs(nested, columns=("de", "en")) == PAIRS
    with pytest.raises(DataError, match="the dict has columns of different lengths: de 2, en 1"):
        read_pairs({"de": ["a", "b"], "en": ["c"]})
    array = np.array(PAIRS)
    assert read_pairs(array) == read_pairs(array.astype(object)) == PAIRS
    assert type(read_pairs(array)[0][0]) is str


def test_a_frame_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([*ROWS, {"id": 3, "de": float("nan"), "en": "x"}, {"de": "y"}])
    with pytest.warns(UserWarning, match="Skipped 2 of 4"):
        assert read_pairs(frame) == PAIRS
    assert read_pairs(pandas.DataFrame(PAIRS)) == PAIRS
    with pytest.raises(DataError, match=r"row 1, column 'id': expected text. Received: 0"):
        read_pairs(frame, columns=("id", "en"))


def test_a_frame_of_polars():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame([*ROWS, {"id": 3, "de": None, "en": "x"}])
    with pytest.warns(UserWarning, match="Skipped 1 of 3"):
        assert read_pairs(frame) == read_pairs(frame.lazy()) == PAIRS


def test_parquet_and_a_table_of_arrow(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.Table.from_pylist(ROWS)
    parquet.write_table(table, tmp_path / "data.parquet")
    assert read_pairs(table) == read_pairs(tmp_path / "data.parquet") == PAIRS


def test_a_data_set_of_hugging_face():
    datasets = pytest.importorskip("datasets")
    nested = [{"translation": {"de": de, "en": en}} for de, en in PAIRS]
    for rows in (ROWS, nested):
        found = datasets.Dataset.from_list(rows)
        assert read_pairs(found) == read_pairs(found.to_iterable_dataset()) == PAIRS
    splits = datasets.DatasetDict({"train": found})
    with pytest.raises(
        DataError, match=r"a DatasetDict of train. Choose one, such as data\['train"
    ):
        read_pairs(splits)


def test_a_data_set_of_tensorflow():
    tf = pytest.importorskip("tensorflow")
    sides = tuple(map(list, zip(*PAIRS, strict=True)))
    assert read_pairs(tf.data.Dataset.from_tensor_slices(sides)) == PAIRS
    named = tf.data.Dataset.from_tensor_slices({"en": sides[1], "de": sides[0]})
    assert read_pairs(named, columns=("de", "en")) == PAIRS


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (ROWS, ("de", "enn"), r"the list: Unknown column. Received: 'enn'. Did you mean 'en'"),
        ([*ROWS, {"de": "x", "english": "y"}], None, r"the list, row 3: Unknown column.*'en'"),
        ([*ROWS, ("a", "b")], None, "row 3: expected a row with columns"),
        (
            [{"a": "x", "b": "y", "c": "z"}],
            None,
            r"the columns 'a', 'b', 'c': which are the source",
        ),
        ([{"de": 3, "en": "x"}], None, "row 1, column 'de': expected text. Received: 3"),
        ([{"de": b"\xff", "en": "x"}], None, "row 1, column 'de': not valid UTF-8 at byte 1"),
        (ROWS, "de", r"Expected columns=\(source, target\)"),
        ({"train": ROWS}, None, r"a dict of train. Choose one, such as data\['train'\]"),
        (3, None, "Expected a path, a tuple of two paths, or pairs. Received: 3"),
    ],
)
def test_rows_that_cannot_be_used(rows, columns, message):
    with pytest.raises(DataError, match=message):
        read_pairs(rows, columns=columns)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", "de,en\na,b\nc\n", r"x.csv, line 3: expected 2 columns.*Received: 'c'"),
        ("x.csv", "de,en\na,b\nc,d,e\n", "line 3: expected 2 columns.*Received: 'c,d,e'"),
        ("x.csv", 'de,en\n"a"b,c\n', "the row that begins in line 2"),
        ("x.csv", b"de,en\na,\xff\n", "x.csv, line 2: not valid UTF-8"),
        ("x.csv", b"de,en\na,b\0\n", "x.csv, line 2: a NUL byte"),
        ("x.csv", "de,en\na,b\n".encode("utf-16"), "x.csv is UTF-16"),
        ("x.csv", "de,de,en\na,b,c\n", "which are|twice"),
        ("x.tsv", "de\ten\tfr\na\tb\tc\n", "the columns 'de', 'en', 'fr': which are the source"),
        ("x.jsonl", '{"de": "a", "en": "b"}\n[1]\n', r"x.jsonl, line 2: expected a JSON object"),
        ("x.jsonl", '{"de": "a", "en": "b"}\n{"de": "a"}\n', "row 2: Unknown column.*'en'"),
        ("x.json", '[{"de": "a"', "x.json is no list in JSON.*Get the file again"),
        ("x.json", '[{"de": "a", "en": "b"}, [1]]', r"line 2: expected a JSON object.*'\[1\]'"),
        ("x.csv", "de^en\na^b\n", "none of .* parts its lines into columns. Received: 'de.en'"),
        ("x.csv", "de,en\ra,b\r", "Its lines end with carriage returns alone"),
        ("train.de", "ein Hund\n", "Parallel files are given as two: .*--data FILE FILE"),
        ("x.xlsx", b"PK\3\4", "x.xlsx cannot be read as it is. Save the sheet as CSV"),
        ("x.po", 'msgid "a"\n', "x.po cannot be read as it is. Save it as TMX"),
        ("x.zip", b"PK\3\4", "Unpack it first"),
    ],
)
def test_files_that_cannot_be_used(write, name, content, message):
    with pytest.raises(DataError, match=message):
        read_pairs(write(content, name))


def test_other_packages_are_not_imported():
    code = (
        "import sys; from s2s_zoo.data import read_pairs; read_pairs([{'de': 'a', 'en': 'b'}]); "
        "print({'pandas', 'polars', 'datasets', 'pyarrow', 'tensorflow', 'keras'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
