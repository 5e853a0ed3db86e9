"""Which installed fonts have the characters of a text."""

from __future__ import annotations

import functools
import warnings

DEFAULT = "DejaVu Sans"  # comes with matplotlib: Latin, Greek, Cyrillic, Arabic and more


def families(text: str) -> list[str]:
    """The names of fonts for matplotlib that together have the characters of a text.

    Args:
        text: str.

    Returns:
        list of str, `DEFAULT` first; further ones only where it lacks a character. Fonts that were
        installed after matplotlib was first used are found too.

    Warns:
        UserWarning: for characters that no installed font has, saying what to install.
    """
    from matplotlib import font_manager

    wanted = {ord(char) for char in text if not char.isspace()}
    missing = wanted - _characters(font_manager.findfont(DEFAULT))
    names = [DEFAULT]
    if missing:
        installed = [path for path in sorted(font_manager.findSystemFonts()) if _characters(path)]
        while missing and installed:
            best = max(installed, key=lambda path: len(missing & _characters(path)))
            if not missing & _characters(best):
                break
            missing -= _characters(best)
            font_manager.fontManager.addfont(best)
            names.append(font_manager.get_font(best).family_name)
    if missing:
        shown = "".join(map(chr, sorted(missing)[:20]))
        warnings.warn(
            f"No installed font has {shown}: boxes are drawn instead. Install one that does; for "
            "Chinese, Japanese and Korean: apt install fonts-noto-cjk, dnf install "
            "google-noto-sans-cjk-fonts, brew install font-noto-sans-cjk, or any .ttf file in "
            "~/.local/share/fonts.",
            stacklevel=2,
        )
    return names


@functools.cache
def _characters(path):
    """The code points a font file has; none where the file cannot be read."""
    from matplotlib import font_manager

    try:
        return frozenset(font_manager.get_font(path).get_charmap())
    except (RuntimeError, OSError, ValueError):
        return frozenset()
