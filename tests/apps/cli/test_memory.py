"""`s2s-zoo memory show` and `export`."""

import xml.etree.ElementTree as ElementTree

import pytest

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
