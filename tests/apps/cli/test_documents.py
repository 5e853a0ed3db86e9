"""`translate --document`, `--keep` and `--terms`, with a translator that is a dictionary."""

import io
import json
import sys
from types import SimpleNamespace

import pytest

from s2s_zoo.apps.cli import text
from s2s_zoo.apps.cli.main import main
from s2s_zoo.pipeline.result import Result


class Dictionary:
    """Stands for a Pipeline."""

    task = "translation"
    languages = ("de", "en")
    doubt = None
    processor = SimpleNamespace(max_target_length=100)

    def __init__(self):
        self.calls = []

    def plan(self, options):
        return None

    def __call__(self, texts, return_scores=False, **options):
        self.calls.append((list(texts), options))
        found = [one.replace("Tag", "day").replace("Guten", "Good") for one in texts]
        return [Result(one, warning="Who?") for one in found] if return_scores else found


@pytest.fixture
def pipeline(monkeypatch):
    pipeline = Dictionary()
    monkeypatch.setattr(text, "load", lambda name: pipeline)
    return pipeline


def translate(*arguments):
    return main(["translate", "--model", "any", *map(str, arguments)])


def test_a_document_is_translated_as_a_whole(pipeline, tmp_path, capsys):
    source, output = tmp_path / "a.md", tmp_path / "b.md"
    source.write_bytes(b"# Guten Tag\r\n\r\n- *Guten* Tag  \r\n")
    assert translate("--document", "--input", source, "--output", output) == 0
    assert output.read_bytes() == b"# Good day\r\n\r\n- *Good* day  \r\n"
    [(texts, options)] = pipeline.calls
    assert texts == ["Guten Tag", "*Guten* Tag"] and options["markdown"] is True
    assert capsys.readouterr() == ("", "s2s-zoo: warning: Who?\n")


def test_a_file_of_a_known_format_is_a_document_without_being_told(pipeline, tmp_path):
    source, output = tmp_path / "a.json", tmp_path / "b.json"
    source.write_text('{"greeting": "Guten Tag"}', encoding="utf-8")
    assert translate("--input", source, "--output", output) == 0
    found = json.loads(output.read_text(encoding="utf-8"))
    assert list(found) == ["greeting"] and found["greeting"] != "Guten Tag"


def test_a_document_comes_from_standard_input_too(pipeline, monkeypatch, capsysbinary):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'["Guten Tag",\r\n1.0]')))
    assert translate("--document", "--format", "json", "--num-beams", 2) == 0
    assert capsysbinary.readouterr().out == b'["Good day",\r\n1.0]'
    assert pipeline.calls[0][1]["num_beams"] == 2


def test_words_of_the_user_reach_the_pipeline(pipeline, tmp_path, capsys):
    terms = tmp_path / "terms.tsv"
    terms.write_text("Rotor\trotor\nHaus\thome\n", "utf-8")
    assert translate("--keep", "A B", "--keep", "C", "--terms", terms, "Guten Tag") == 0
    expected = {"keep": ["A B", "C"], "terms": {"Rotor": "rotor", "Haus": "home"}}
    assert pipeline.calls == [(["Guten Tag"], {"progress": False, **expected})]
    assert capsys.readouterr().out == "Good day\n"


def test_a_term_with_two_translations_is_refused(pipeline, tmp_path, capsys):
    terms = tmp_path / "terms.tsv"
    terms.write_text("Rotor\trotor\nRotor\twheel\n", "utf-8")
    assert translate("--terms", terms, "x") == 1
    assert "'Rotor' has two translations, 'rotor' and 'wheel'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--document", "x"], "without TEXT and --plot"),
        (["--format", "po", "x"], "without TEXT and --plot"),
        (["--retranslate"], "--retranslate is for documents"),
        (["--input", "a.html", "x"], "without TEXT and --plot"),
        (["--document", "--format", "pdf"], "invalid choice: 'pdf'"),
        (
            ["--format", "json", "--retranslate"],
            "--retranslate is for po and xliff. Received: json",
        ),
        (["--keep", "a", "--keep", " ", "x"], "keep and terms expected words"),
    ],
)
def test_flags_that_do_not_go_together_are_wrong_usage(arguments, message, pipeline, capsys):
    with pytest.raises(SystemExit) as caught:
        translate(*arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_an_archive_is_not_written_to_a_terminal(pipeline, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(SystemExit):
        translate("--document", "--input", "a.docx")
    assert "give --output for a .docx file" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [[], ["--document"]])
def test_pdf_is_refused_with_the_remedy(flags, pipeline, tmp_path, capsys):
    path = tmp_path / "a.PDF"
    path.write_bytes(b"%PDF-1.7")
    assert translate(*flags, "--input", path) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("s2s-zoo: error: .pdf files are not read. Open what")
    assert err.count("\n") == 1


def test_an_output_that_cannot_be_written_is_said_before_any_work(pipeline, tmp_path, capsys):
    path = tmp_path / "a.txt"
    path.write_text("Guten Tag")
    assert translate("--document", "--input", path, "--output", tmp_path / "no" / "b") == 1
    assert "No such file" in capsys.readouterr().err and not pipeline.calls


def test_a_malformed_document_is_named_and_leaves_the_output(pipeline, tmp_path, capsys):
    path, output = tmp_path / "a.json", tmp_path / "b.json"
    path.write_text('{"a": ')
    output.write_text("as it was")
    assert translate("--document", "--input", path, "--output", output) == 1
    assert "a.json: Line 1 of the JSON file" in capsys.readouterr().err
    assert output.read_text() == "as it was" and len(list(tmp_path.iterdir())) == 2
