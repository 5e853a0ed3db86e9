import pytest

from s2s_zoo.data import mirrored_caption


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a dog runs over grass", "a dog runs over grass"),
        ("the man on the left waves", "the man on the right waves"),
        ("a girl lifts her right hand", "a girl lifts her left hand"),
        ("The Left one and the RIGHT one", "The Right one and the LEFT one"),
        ("a left-handed pitcher", "a right-handed pitcher"),
        ("from left to right", "from right to left"),
        ("a bright light and leftovers", "a bright light and leftovers"),
        ("", ""),
        # What is no side, or may be none.
        ("a dog is left alone", None),
        ("a car parked right outside", None),
        ("a man on the right left his bag", None),
    ],
)
def test_sides_are_swapped_where_they_are_meant(text, expected):
    assert mirrored_caption(text) == expected
    if expected is not None:
        assert mirrored_caption(expected) == text
