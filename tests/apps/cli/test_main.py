"""The command line, mostly in-process on a tiny checkpoint."""

import gc
import io
import json
import os
import subprocess
import sys

import pytest

from s2s_zoo.apps.cli.main import main
from s2s_zoo.apps.cli.shared import _uncollected
from s2s_zoo.checkpoints import catalog as hub
from s2s_zoo.pipeline.pipeline import Pipeline

ENTRY = {
    "task": "translation",
    "languages": ["de", "en"],
    "parameters": 1234567,
    "metrics": [{"name": "BLEU", "value": 37.1, "dataset": "multi30k", "signature": "nrefs:1"}],
    "files": {},
}


@pytest.fixture
def catalog(monkeypatch, tiny_checkpoint):
    """A catalog of one name, the tiny checkpoint."""
    entry = {**ENTRY, "path": str(tiny_checkpoint)}
    monkeypatch.setattr(hub, "_catalog", lambda: {"translation-de-en": entry})


@pytest.fixture
def stdin(monkeypatch):
    def give(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return give


@pytest.fixture
def sources(sentences):
    return [source for source, _ in sentences]


@pytest.fixture
def source_bytes(sources):
    return "".join(source + "\n" for source in sources).encode()


@pytest.fixture
def expected(tiny_pipeline, sources):
    return tiny_pipeline(sources)


def error_of(capsys, code=1):
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("s2s-zoo: error: ") and err.count("\n") == 1, err
    assert code == 1
    return err


def test_list(catalog, capsys):
    assert main(["list"]) == 0
    assert capsys.readouterr().out.split() == (
        "translation-de-en 1.2M bundled BLEU 37.1 on multi30k".split()
    )
    assert main(["list", "--task", "translation", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["translation-de-en"]["parameters"] == 1234567


def test_scores_of_one_set_are_told_together(monkeypatch, capsys, tiny_checkpoint):
    scores = [("bleu", 1, "a"), ("bleu", 2, "b"), ("chrf", 3, "a")]
    names = ("name", "value", "dataset")
    metrics = [dict(zip(names, score, strict=True)) for score in scores]
    entry = {**ENTRY, "path": str(tiny_checkpoint), "metrics": metrics}
    monkeypatch.setattr(hub, "_catalog", lambda: {"translation-de-en": entry})
    assert main(["list"]) == 0
    assert capsys.readouterr().out.endswith("  bundled  bleu 1, chrf 3 on a; bleu 2 on b\n")


def test_the_program_alone_shows_what_it_can_do(capsys):
    assert main([]) == 2
    assert "what is in training data, and what is wrong" in capsys.readouterr().err


def test_list_unknown_task(catalog, capsys):
    assert "Did you mean 'translation'" in error_of(capsys, main(["list", "--task", "translate"]))


def test_show(catalog, capsys, tiny_pipeline):
    assert main(["show", "translation-de-en"]) == 0
    out = capsys.readouterr().out
    assert f"parameters  {tiny_pipeline.model.count_params():,}" in out
    assert "pipeline_tag: translation" in out
    row = next(line for line in out.splitlines() if "encoder/embedding/embeddings" in line)
    assert row.split()[1:] == ["F32", "60", "x", "6"]


def test_show_unknown_name(catalog, capsys):
    assert "Did you mean 'translation-de-en'" in error_of(capsys, main(["show", "translation-de"]))


def test_translate_arguments(tiny_checkpoint, capsys, sources, expected):

    assert main(["translate", "--model", str(tiny_checkpoint), *sources]) == 0
    assert capsys.readouterr().out == "".join(text + "\n" for text in expected)


def test_translate_standard_input_by_default_model(catalog, capsys, stdin, source_bytes, expected):
    stdin(source_bytes)
    assert main(["translate"]) == 0
    assert capsys.readouterr().out == "".join(text + "\n" for text in expected)


def test_blank_lines_carriage_returns_mark_and_missing_newline(
    tiny_checkpoint, capsys, stdin, tiny_pipeline
):
    stdin(b"\xef\xbb\xbfein hund rennt\r\n\n  \t\r\nein\xe2\x80\xa8hund")
    assert main(["translate", "--model", str(tiny_checkpoint)]) == 0
    first, last = tiny_pipeline(["ein hund rennt", "ein\u2028hund"])
    last = last.replace("\u2028", " ")  # one line for each
    assert capsys.readouterr().out == f"{first}\n\n\n{last}\n"


def test_empty_standard_input(tiny_checkpoint, capsys, stdin):
    stdin(b"")
    assert main(["translate", "--model", str(tiny_checkpoint)]) == 0
    assert capsys.readouterr().out == ""


def test_num_beams_reaches_the_search(tiny_checkpoint, monkeypatch, capsys):
    seen = []

    def call(self, texts, **options):
        seen.append(options["num_beams"])
        return list(texts)

    monkeypatch.setattr(Pipeline, "__call__", call)
    assert main(["translate", "--model", str(tiny_checkpoint), "--num-beams", "3", "a\nb"]) == 0
    assert seen == [3]
    assert capsys.readouterr().out == "a b\n"  # one line for each text, whatever is in it


def test_translate_files(tiny_checkpoint, tmp_path, capsys, source_bytes, expected):
    (tmp_path / "in.txt").write_bytes(source_bytes)
    files = ["--input", str(tmp_path / "in.txt"), "--output", str(tmp_path / "out.txt")]
    assert main(["translate", "--model", str(tiny_checkpoint), *files]) == 0
    assert (tmp_path / "out.txt").read_text().splitlines() == expected
    assert capsys.readouterr().out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out.txt"]


def test_output_that_is_a_device(tiny_checkpoint):
    options = ["--model", str(tiny_checkpoint), "--output", os.devnull, "ein hund"]
    assert main(["translate", *options]) == 0
    assert not os.path.isfile(os.devnull)


def test_unfinished_output_does_not_look_complete(tiny_checkpoint, tmp_path, capsys, stdin):
    (tmp_path / "out.txt").write_text("the previous translation")
    stdin(b"ein hund\nein \xff hund\n")
    options = ["--model", str(tiny_checkpoint), "--output", str(tmp_path / "out.txt")]
    assert main(["translate", *options]) == 1
    assert "standard input, line 2" in capsys.readouterr().err
    assert (tmp_path / "out.txt").read_text() == "the previous translation"
    assert (tmp_path / "out.txt.part").read_text().count("\n") == 1


def test_invalid_utf8_is_named_after_the_lines_before_it(tiny_checkpoint, tmp_path, capsys):
    (tmp_path / "in.txt").write_bytes(b"ein hund\nein \xff hund\n")
    options = ["--model", str(tiny_checkpoint), "--input", str(tmp_path / "in.txt")]
    assert main(["translate", *options]) == 1
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert err.startswith("s2s-zoo: error: ") and "in.txt, line 2: not valid UTF-8" in err


def test_argument_that_is_no_utf8(tiny_checkpoint, capsys):
    text = os.fsdecode(b"ein \xff")
    message = error_of(capsys, main(["translate", "--model", str(tiny_checkpoint), text]))
    assert "not valid UTF-8" in message


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["translate", "--model", "translation-de-em", "x"], "Did you mean 'translation-de-en'"),
        (["translate", "--from", "fr", "x"], "No checkpoint translates from fr.*de to en"),
        (["translate", "--input", "missing.txt"], "No such file.*missing.txt"),
        (["translate", "--output", "missing/out.txt", "x"], "No such file.*missing/out.txt"),
        (["evaluate", "--model", "translation-de-en", "--data", "no.tsv"], "no.tsv cannot be read"),
    ],
)
def test_one_line_for_each_error(catalog, capsys, arguments, message):
    import re

    assert re.search(message, error_of(capsys, main(arguments)))


def test_more_than_one_checkpoint_fits(monkeypatch, capsys):
    entries = {name: {**ENTRY, "languages": name.split("-")} for name in ("de-en", "zh-en")}
    monkeypatch.setattr(hub, "_catalog", lambda: entries)
    assert "de to en, zh to en" in error_of(capsys, main(["translate", "--to", "en", "x"]))


@pytest.mark.parametrize(
    "arguments",
    [
        ["translte"],
        ["translate", "--num-beams", "0", "x"],
        ["translate", "--num-beams", "two", "x"],
        ["translate", "--model", "m", "--from", "de", "x"],
        ["translate", "--input", "f", "x"],
        ["evaluate", "--model", "m"],
    ],
)
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and "usage: s2s-zoo" in err


def test_evaluate(tiny_checkpoint, tmp_path, capsys, tiny_pipeline, sentences, sources):
    from s2s_zoo.training.metrics import corpus_score

    data = tmp_path / "data.tsv"
    data.write_text("".join(f"{target}\t{source}\n" for source, target in sentences))
    options = ["--model", str(tiny_checkpoint), "--data", str(data), "--swap", "--json"]
    assert main(["evaluate", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    hypotheses = tiny_pipeline(sources)
    score = corpus_score("chrf", hypotheses, [target for _, target in sentences])
    assert [metric["name"] for metric in report["metrics"]] == ["bleu", "chrf"]
    assert report["metrics"][1] == score._asdict()
    assert (report["sources"], report["num_beams"]) == (6, 2)
    assert report["sources_per_second"] > 0
    assert main(["evaluate", *options[:-1], "--num-beams", "1"]) == 0
    assert "nrefs:1|case:mixed" in capsys.readouterr().out
    assert main(["evaluate", *options[:-1], "--lowercase"]) == 0
    assert "nrefs:1|case:lc" in capsys.readouterr().out


def test_long_text_is_parted_with_a_warning(tiny_checkpoint, capsys):
    assert main(["translate", "--model", str(tiny_checkpoint), "hund " * 2000]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert err.startswith("s2s-zoo: warning: A sentence is longer than the model takes")


def test_interrupt(tiny_checkpoint, monkeypatch, capsys):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Pipeline, "__call__", interrupt)
    assert main(["translate", "--model", str(tiny_checkpoint), "x"]) == 130
    out, err = capsys.readouterr()
    assert (out, err) == ("", "\n")


def test_lines_are_answered_as_they_arrive(monkeypatch, tiny_checkpoint, tmp_path):
    """A program that writes one line and waits for its translation gets it."""
    reads, writes = os.pipe()
    monkeypatch.setattr(sys, "stdin", open(reads))
    answered = []

    def call(self, texts, **options):
        answered.append(list(texts))
        if len(answered) == 1:
            os.write(writes, b"two\nthree\nfo")
        elif len(answered) == 2:
            os.write(writes, b"ur")
            os.close(writes)
        return texts

    monkeypatch.setattr(Pipeline, "__call__", call)
    os.write(writes, b"one\n")
    output = tmp_path / "out.txt"
    assert main(["translate", "--model", str(tiny_checkpoint), "--output", str(output)]) == 0
    sys.stdin.close()
    assert answered == [["one"], ["two", "three"], ["four"]]
    assert output.read_text() == "one\ntwo\nthree\nfour\n"


def test_reader_that_leaves(tiny_checkpoint, monkeypatch):
    reads, writes = os.pipe()
    os.close(reads)
    with open(writes, "w") as broken:
        monkeypatch.setattr(sys, "stdout", broken)
        assert main(["translate", "--model", str(tiny_checkpoint), "ein hund"]) == 141


COMMAND = [
    sys.executable,
    "-c",
    "import sys; from s2s_zoo.apps.cli.main import main; sys.exit(main())",
]


@pytest.mark.processes
def test_cold_command(tiny_checkpoint, source_bytes, expected):
    """From a cold shell: the text alone on standard output, TensorFlow silent."""
    command = [*COMMAND, "translate", "--model", str(tiny_checkpoint)]
    result = subprocess.run(command, input=source_bytes, capture_output=True)
    assert result.stdout.decode().splitlines() == expected
    assert (result.returncode, result.stderr) == (0, b"")


def test_what_is_imported_is_no_garbage_to_be():
    enabled, frozen = gc.isenabled(), gc.get_freeze_count()
    try:
        with _uncollected():
            assert not gc.isenabled()
            kept = [object]
        assert gc.isenabled() == enabled
        assert gc.get_freeze_count() > frozen
        assert not any(x is kept for x in gc.get_objects())
    finally:
        gc.unfreeze()


def test_translate_draws_the_alignment(catalog, capsys, tmp_path, sources, expected):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "out.png"
    assert main(["translate", "--plot", str(picture), sources[0]]) == 0
    assert capsys.readouterr().out == expected[0] + "\n"
    assert picture.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(SystemExit):
        main(["translate", "--plot", str(picture), *sources[:2]])
    assert "--plot draws one text" in capsys.readouterr().err


def test_without_attention_there_is_nothing_to_draw(capsys, tmp_path, tiny_pipeline):
    config = tiny_pipeline.model.get_config()
    config["decoder"]["attention"] = None
    model = type(tiny_pipeline.model).from_config(config)
    Pipeline("translation", model, tiny_pipeline.processor).save(tmp_path / "model")
    arguments = ["--model", str(tmp_path / "model"), "--plot", str(tmp_path / "out.png")]
    assert main(["translate", *arguments, "ein hund"]) == 1
    assert "has no attention" in capsys.readouterr().err


ODD = "\ufffd ä \U0001f600 \udcff \ud800"  # as odd names of files have it, too


def test_every_command_writes_utf8_where_standard_output_is_ascii(monkeypatch):
    from s2s_zoo.apps.cli import checkpoints

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    monkeypatch.setattr(checkpoints, "list_checkpoints", lambda task: print(ODD) or {})
    assert main(["list"]) == 0
    assert raw.getvalue().decode().strip() == "\ufffd ä \U0001f600 \\udcff \\ud800"


def test_a_standard_output_that_is_no_file_is_written_as_it_is(catalog, monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    assert main(["list"]) == 0 and "translation-de-en" in written.getvalue()


@pytest.mark.parametrize("command", ["list", "show", "translate", "caption", "bulk"])
def test_a_closed_standard_output_is_an_error_in_one_line(command, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert main([command]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("s2s-zoo: error: standard output is closed") and "/dev/null" in line


def test_closed_standard_input_and_error_are_empty(catalog, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["list"]) == 0
    with sys.stdin, sys.stderr:
        assert sys.stdin.read() == "" and sys.stderr.write("x") == 1
    monkeypatch.undo()  # pytest has its own again
    assert "translation-de-en" in capsys.readouterr().out
