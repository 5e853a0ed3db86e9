"""TMX 1.4: what a memory holds, as other programs of translators read it."""

import itertools
import os
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s_zoo import read_pairs
from s2s_zoo.pipeline import memory as memory_module
from s2s_zoo.pipeline.memory import Memory, Remembered
from s2s_zoo.pipeline.tmx import NOT_IN_XML, Unit, write_tmx
from s2s_zoo.protocol.errors import DataError

LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def read(path):
    """A list of (source, target) of a TMX, whose shape is that of the standard."""
    root = ElementTree.parse(path).getroot()
    assert (root.tag, root.attrib) == ("tmx", {"version": "1.4"})
    header, body = root
    assert {"creationtool", "segtype", "o-tmf", "adminlang", "srclang", "datatype"} <= set(
        header.attrib
    )
    units = []
    for unit in body:
        sides = [child for child in unit if child.tag == "tuv"]
        assert [side.get(LANG) for side in sides][0] == header.get("srclang")
        assert {child.tag for child in unit} <= {"note", "prop", "tuv"}
        units.append(tuple("".join(side.find("seg").itertext()) for side in sides))
    return units


text = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)


@settings(max_examples=60, deadline=None)
@given(units=st.lists(st.tuples(text, text), max_size=4))
def test_any_text_is_read_as_it_was_but_for_what_xml_has_not(tmp_path_factory, units):
    path = tmp_path_factory.mktemp("any") / "out.tmx"
    odd = sum(bool(NOT_IN_XML.search("".join(unit))) for unit in units)
    wanted = (Unit(*unit) for unit in units)
    if odd:
        with pytest.warns(UserWarning, match=f"{odd} of {len(units)} translations have char"):
            write_tmx(path, wanted, "de", "en")
    else:
        assert write_tmx(path, wanted, "de", "en") == len(units)
    assert read(path) == [tuple(NOT_IN_XML.sub("\ufffd", side) for side in u) for u in units]


def test_every_character_that_is_replaced_is_one_that_xml_refuses():
    for number in itertools.chain(range(0xD7FF), range(0xE000, 0x10000), (0x10000, 0x10FFFF)):
        document = f"<a>{chr(number)}</a>" if chr(number) not in "<&" else "<a/>"
        if NOT_IN_XML.match(chr(number)):
            with pytest.raises(ElementTree.ParseError):
                ElementTree.fromstring(document)
        else:
            ElementTree.fromstring(document)


def test_scores_and_warnings_stand_beside_a_translation(tmp_path):
    path = tmp_path / "out.tmx"
    write_tmx(path, [Unit("a & b", "c < d", -0.25, "Check <it>.")], "deu_Latn", "pt-BR")
    [unit] = ElementTree.parse(path).getroot()[1]
    note, score, source, target = unit
    assert note.text == "Check <it>." and (score.get("type"), score.text) == ("x-score", "-0.25")
    assert [source.get(LANG), target.get(LANG)] == ["deu-Latn", "pt-BR"]
    assert [source[0].text, target[0].text] == ["a & b", "c < d"]


def test_units_are_written_as_they_come(tmp_path):
    """Nothing is held of what was written: the file grows with the units."""
    part, sizes = tmp_path / "out.tmx.part", []

    def units():
        for i in range(4000):
            yield Unit(f"Satz {i}", "x" * 100)
            if i % 1000 == 999:
                sizes.append(part.stat().st_size)

    assert write_tmx(tmp_path / "out.tmx", units(), "de", "en") == 4000
    assert sizes == sorted(sizes) and sizes[0] > 100_000


def test_what_was_there_stays_until_all_is_written(tmp_path):
    path = tmp_path / "out.tmx"
    path.write_text("before")

    def units():
        yield Unit("a", "b")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tmx(path, units(), "de", "en")
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["out.tmx"]
    with pytest.raises(DataError, match="A TMX expected the code of a language, such as de"):
        write_tmx(path, [], 'de" x="', "en")
    assert path.read_text() == "before"
    with pytest.raises(DataError, match="cannot be written: No such file or directory"):
        write_tmx(tmp_path / "no" / "out.tmx", [], "de", "en")


@pytest.fixture
def memory(tmp_path):
    """The path of a memory of two checkpoints from German to English and one to French."""
    path = tmp_path / "memory.db"
    for key, languages, answers in (
        ("old", ("de", "en"), {"eins": "one", "zwei": "too", "\0": "nul"}),
        ("new", ("de", "en"), {"zwei": "two", "drei": "three"}),
        ("french", ("de", "fr"), {"eins": "un"}),
        ("unknown", (), {"vier": "four"}),
    ):
        with Memory(path, key, languages) as memory:
            memory.store({k: [Remembered(v, -0.5), Remembered("no")] for k, v in answers.items()})
    return path


def test_the_best_answers_of_all_checkpoints_between_two_languages(memory, tmp_path, monkeypatch):
    monkeypatch.setattr(memory_module, "PAGE", 2)
    path = tmp_path / "out.tmx"
    with Memory(memory) as opened:
        assert opened.pairs() == {(None, None): 1, ("de", "en"): 5, ("de", "fr"): 1}
        with pytest.warns(UserWarning, match="1 of 5 translations have characters"):
            assert opened.export_tmx(path, "de", "en") == 5
    found = {("eins", "one"), ("zwei", "two"), ("drei", "three"), ("vier", "four")}
    assert set(read(path)) == found | {("\ufffd", "nul")}


def test_the_answers_of_one_key(memory, tmp_path):
    path = tmp_path / "out.tmx"
    with Memory(memory, "new") as opened:
        assert opened.export_tmx(path, "de", "en") == 2
    assert read(path) == [("drei", "three"), ("zwei", "two")]


def test_a_memory_is_written_to_while_it_is_exported(memory, tmp_path):
    with Memory(memory, "new") as opened:
        units = opened._units("de", "en")
        first = next(units)
        with Memory(memory, "other") as other:
            other.store({"x": [Remembered("y")]})
        assert [first, *units] == [("drei", "three", -0.5, None), ("zwei", "two", -0.5, None)]


def test_the_memory_itself_is_not_overwritten(memory):
    content = memory.read_bytes()
    with Memory(memory) as opened, pytest.raises(DataError, match="is the memory itself"):
        opened.export_tmx(memory, "de", "en")
    assert memory.read_bytes() == content


def test_read_pairs_reads_what_an_export_wrote(memory, tmp_path):
    path = tmp_path / "out.tmx"
    with Memory(memory, "new", ("de", "en")) as opened:
        opened.export_tmx(path, "de", "en")
    assert list(read_pairs(path)) == [("drei", "three"), ("zwei", "two")]
