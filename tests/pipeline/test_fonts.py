"""Which installed fonts have the characters of a text."""

import pytest

pytest.importorskip("matplotlib")

from matplotlib import font_manager

from s2s_zoo.pipeline import fonts


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Makes the installed fonts those of {file name: characters}."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.ttLib.tables._g_l_y_f import Glyph

    def install(**fonts):
        paths = []
        for name, characters in fonts.items():
            glyphs = {".notdef": Glyph(), **{f"u{ord(char):X}": Glyph() for char in characters}}
            builder = FontBuilder(1000, isTTF=True)
            builder.setupGlyphOrder(list(glyphs))
            builder.setupCharacterMap({ord(char): f"u{ord(char):X}" for char in characters})
            builder.setupGlyf(glyphs)
            builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (500, 0)))
            builder.setupHorizontalHeader(ascent=800, descent=-200)
            builder.setupNameTable({"familyName": name, "styleName": "Regular"})
            builder.setupOS2()
            builder.setupPost()
            paths.append(str(tmp_path / f"{name}.ttf"))
            builder.save(paths[-1])
        (tmp_path / "broken.ttf").write_bytes(b"no font")
        found = [str(tmp_path / "broken.ttf"), *paths]
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda: found)

    known = list(font_manager.fontManager.ttflist)
    yield install
    font_manager.fontManager.ttflist = known


def test_latin_needs_no_other_font(installed):
    installed()
    assert fonts.families("Où est-ce, Ελλάδα?") == ["DejaVu Sans"]


def test_the_fewest_fonts_that_have_the_rest(installed):
    installed(Few="你", Many="你好世", Other="한")
    assert fonts.families("a 你好") == ["DejaVu Sans", "Many"]
    assert fonts.families("你好한") == ["DejaVu Sans", "Many", "Other"]


def test_a_character_that_no_font_has_is_named_with_what_to_install(installed):
    installed(Few="你")
    with pytest.warns(UserWarning, match="No installed font has 好: .*fonts-noto-cjk"):
        assert fonts.families("你好") == ["DejaVu Sans", "Few"]
