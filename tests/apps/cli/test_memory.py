"""`s2s-zoo memory show` and `export`."""

import xml.etree.ElementTree as ElementTree

import pytest

from s2s_zoo import Pipeline
from s2s_zoo.apps.cli.main import main
from s2s_zoo.pipeline.memory import Memory, Remembered


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "memory.db")


def fill(path, key, languages, **answers):
    with Memory(path, key, languages) as memory:
        memory.store({source: [Remembered(target)] for source, target in answers.items()})


def test_a_memory_of_one_pair_is_exported(path, tmp_path, capsys):
    fill(path, "a", ("de", "en"), ja="yes", nein="no")
    out = tmp_path / "out.tmx"
    assert main(["memory", "export", path, "--tmx", str(out)]) == 0
    assert capsys.readouterr() == (f"2 translations from de to en: {out}\n", "")
    texts = [seg.text for seg in ElementTree.parse(out).iter("seg")]
    assert texts == ["ja", "yes", "nein", "no"]


def test_of_several_pairs_one_is_asked_for(path, tmp_path, capsys):
    fill(path, "a", ("de", "en"), ja="yes", nein="no")
    fill(path, "b", ("de", "fr"), ja="oui")
    assert main(["memory", "show", path]) == 0
    assert capsys.readouterr().out.split()[:8] == "de to en 2 de to fr 1".split()
    out = tmp_path / "out.tmx"
    assert main(["memory", "export", path, "--tmx", str(out)]) == 1
    assert capsys.readouterr().err == (
        "s2s-zoo: error: Several pairs of languages of this memory are from any language to any "
        "language. It holds: de to en (2), de to fr (1). Give --from and --to.\n"
    )
    assert main(["memory", "export", path, "--tmx", str(out), "--from", "zh"]) == 1
    assert "No pairs of languages of this memory are from zh to any" in capsys.readouterr().err
    assert not out.exists()
    assert main(["memory", "export", path, "--tmx", str(out), "--to", "fr"]) == 0
    assert [seg.text for seg in ElementTree.parse(out).iter("seg")] == ["ja", "oui"]


def test_languages_that_a_memory_does_not_know_are_said_by_the_user(path, tmp_path, capsys):
    fill(path, "a", (), ja="yes")
    export = ["memory", "export", path, "--tmx", str(tmp_path / "out.tmx")]
    assert main(export) == 1
    assert "It holds: unknown to unknown (1). Give --from and --to." in capsys.readouterr().err
    assert main([*export, "--from", "de", "--to", "en"]) == 0
    assert capsys.readouterr().out.startswith("1 translations from de to en")


def test_what_is_no_memory_is_one_line(path, tmp_path, capsys):
    assert main(["memory", "show", path]) == 1
    assert "cannot be opened: No such file" in capsys.readouterr().err
    (tmp_path / "letter.txt").write_text("Dear reader,\n" * 100)
    assert main(["memory", "show", str(tmp_path / "letter.txt")]) == 1
    err = capsys.readouterr().err
    assert "is no translation memory, and was left as it is" in err and err.count("\n") == 1


def test_characters_that_xml_has_not_are_told(path, tmp_path, capsys):
    fill(path, "a", ("de", "en"), **{"ja\0": "yes"})
    assert main(["memory", "export", path, "--tmx", str(tmp_path / "out.tmx")]) == 0
    assert "s2s-zoo: warning: 1 of 1 translations have characters that XML" in (
        capsys.readouterr().err
    )


def test_translate_keeps_and_finds(tiny_pipeline, tiny_checkpoint, path, monkeypatch, capsys):
    command = ["translate", "--model", str(tiny_checkpoint), "--memory", path, "ein hund", "wasser"]
    assert main(command) == 0
    expected = capsys.readouterr().out
    assert expected.splitlines() == tiny_pipeline(["ein hund", "wasser"])
    monkeypatch.setattr("s2s_zoo.generation.searcher.Searcher.run", None)
    assert main(command) == 0
    assert capsys.readouterr().out == expected
    assert main(["memory", "show", path]) == 0
    assert capsys.readouterr().out.split()[:4] == "de to en 2".split()


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--via", "en"], "--via needs --from and --to, and no --model"),
        (["--via", "en", "--model", "x", "--from", "de"], "either --model or --from"),
        (["--memory", "m", "--strategy", "sample"], "--memory keeps what is the same every time"),
        (["--memory", "m", "--plot", "x.png"], "leave --via and --memory"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(flags, message, capsys):
    with pytest.raises(SystemExit) as error:
        main(["translate", *flags, "ein hund"])
    assert error.value.code == 2 and message in capsys.readouterr().err


def test_translate_through_another_language(tiny_pipeline, tiny_checkpoint, monkeypatch, capsys):
    legs = [("de", "en"), ("en", "fr")]
    names = {}

    def found(source, target):
        names[source, target] = name = tiny_checkpoint.parent / f"{source}-{target}"
        if not name.exists():
            Pipeline(
                "translation",
                tiny_pipeline.model,
                tiny_pipeline.processor,
                {"num_beams": 2},
                [source, target],
            ).save(name)
        return str(name)

    monkeypatch.setattr("s2s_zoo.apps.cli.text.find_translation", found)
    monkeypatch.setattr("s2s_zoo.pipeline.reading.Reading.foreign", lambda self, sentence: None)
    command = ["translate", "--from", "de", "--to", "fr", "--via", "en", "ein hund rennt"]
    assert main(command) == 0
    assert list(names) == legs
    assert capsys.readouterr().out.strip() == tiny_pipeline(tiny_pipeline("ein hund rennt"))
    with pytest.raises(SystemExit):
        main([*command, "--num-beams", "2", "--length-penalty-form", "none"])
    with pytest.raises(SystemExit):
        main([*command, "--max-length", "21"])
    assert "the model writes 20 tokens at most" in capsys.readouterr().err
