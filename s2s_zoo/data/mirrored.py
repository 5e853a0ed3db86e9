"""What the caption of a photo says of its mirror image."""

import re

SIDES = {"left": "right", "right": "left"}
SIDE = re.compile(r"\b(left|right)\b", re.IGNORECASE)
# "Left" is also a form of "leave", and "right" has many senses: these words tell the sides.
BEFORE = set(
    "the his her its their on to at from in of with and or far further "
    "top bottom upper lower front back facing face faces look looks looking "
    "turn turns turning lean leans leaning point points pointing".split()
)
AFTER = set(
    "hand hands handed arm arms leg legs foot feet eye eye's ear shoulder knee elbow wrist wrists "
    "thumb fist paw paws wing side lane corner half of".split()
)
WORD = re.compile(r"[\w']+")


def mirrored_caption(text: str) -> str | None:
    """Returns an English caption with left and right swapped, as the mirror image has them.

    Args:
        text: str.

    Returns:
        str, the same text where it names no side; None where it cannot be told whether a side is
        meant, as in "a dog is left alone": such a photo is better not mirrored.
    """
    for side in SIDE.finditer(text):
        before = WORD.findall(text[: side.start()].lower())[-1:]
        after = WORD.findall(text[side.end() :].lower())[:1]
        if not (BEFORE.intersection(before) or AFTER.intersection(after)):
            return None
    return SIDE.sub(_other, text)


def _other(side):
    word = side.group()
    other = SIDES[word.lower()]
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other
