"""Whole files through a translator that is a dictionary."""

import warnings

import pytest

from s2s_zoo.pipeline.files import translate_bytes, translate_file
from s2s_zoo.pipeline.result import Result
from s2s_zoo.protocol.errors import DataError, TextWarning

WORDS = {"Open": "Öffnen", "Guten Tag.": "Good day.", "Ein *Titel*": "A *title*"}
WORDS[" Guten Tag.\n"] = " Good day.\n"  # a plain text is one block


class Dictionary:
    """A pipeline that knows a few texts and doubts the others."""

    def __init__(self):
        self.calls = []

    def __call__(self, texts, **options):
        self.calls.append((texts, options))
        return [
            Result(WORDS[text]) if text in WORDS else Result(f"{text}?", warning=f"Who? {text}")
            for text in texts
        ]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("a.po", 'msgid "Open"\r\nmsgstr ""\r\n', 'msgid "Open"\r\nmsgstr "Öffnen"\r\n'),
        ("a.json", '{"Open": "Open"}', '{"Open": "Öffnen"}'),
        ("a.properties", "Open = Open\n", "Open = \\u00d6ffnen\n"),
        ("a.html", "<p>Guten Tag.</p>", "<p>Good day.</p>"),
        ("a.md", "# Ein *Titel*\n", "# A *title*\n"),
        ("a.txt", "\ufeff Guten Tag.\n", "\ufeff Good day.\n"),
        ("README", "Guten Tag.", "Good day."),
    ],
)
def test_a_file_is_translated_by_its_ending(name, before, after, tmp_path):
    path = tmp_path / name
    path.write_bytes(before.encode())
    pipeline = Dictionary()
    translate_file(pipeline, path, path, keep=["x"])
    assert path.read_bytes().decode() == after
    [(_, options)] = pipeline.calls
    assert options.pop("markdown", False) == (name == "a.md")
    assert options == {"return_scores": True, "keep": ["x"]}
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_each_warning_is_told_once():
    with pytest.warns(TextWarning) as told:
        found = translate_bytes(Dictionary(), b'["a", "b", "a", "Open"]', "a.json", "json")
    assert found.decode() == '["a?", "b?", "a?", "Öffnen"]'
    assert [str(one.message) for one in told] == ["Who? a", "Who? b"]


def test_a_message_that_is_doubted_is_fuzzy():
    data = b'msgid "Open"\nmsgstr ""\nmsgid "Close"\nmsgstr ""\n'
    with pytest.warns(TextWarning, match="Who. Close"):
        found = translate_bytes(Dictionary(), data, "a.po", "po").decode()
    assert found == data.decode().replace('"Open"\nmsgstr ""', '"Open"\nmsgstr "Öffnen"').replace(
        'msgid "Close"\nmsgstr ""', '#, fuzzy\nmsgid "Close"\nmsgstr "Close?"'
    )


def test_what_is_translated_stays_unless_asked_for(tmp_path):
    data = b'msgid "Open"\nmsgstr "Auf"\n'
    with pytest.warns(UserWarning, match="a.po has nothing to translate"):
        assert translate_bytes(Dictionary(), data, "a.po", "po") == data
    again = translate_bytes(Dictionary(), data, "a.po", "po", retranslate=True)
    assert again.decode() == 'msgid "Open"\nmsgstr "Öffnen"\n'


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.po", b'msgid "Open', r"a\.po: Line 1 of the PO file"),
        ("a.pdf", b"%PDF", r"\.pdf files are not read. Open what it was made of"),
        ("a.txt", b"%PDF-1.4", r"a\.txt: This is a PDF"),
        ("a.docx", b"PK", "no .docx file"),
    ],
)
def test_a_file_that_is_not_read_is_named_and_nothing_is_written(name, data, message, tmp_path):
    path, output = tmp_path / name, tmp_path / "out"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        translate_file(Dictionary(), path, output)
    assert not output.exists() and path.read_bytes() == data


def test_an_error_of_the_pipeline_leaves_the_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Guten Tag.")

    def broken(texts, **options):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        translate_file(broken, path, path)
    assert path.read_text() == "Guten Tag." and len(list(tmp_path.iterdir())) == 1


def test_an_output_that_cannot_be_written_is_known_before_any_work(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Guten Tag.")
    pipeline = Dictionary()
    with pytest.raises(FileNotFoundError):
        translate_file(pipeline, path, tmp_path / "no" / "b.txt")
    assert not pipeline.calls


def test_texts_without_results_are_taken_as_they_are():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = translate_bytes(lambda texts, **_: ["x" for _ in texts], b"a", "a", "text")
    assert found == b"x"
