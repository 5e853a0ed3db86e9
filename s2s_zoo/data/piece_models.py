"""What a SentencePiece model asks for, before it is believed.

A model is a message of protocol buffers: pieces (field 1) and rules that normalize a text (3) or
undo that (5), which hold a table of what becomes what (2).
"""

from collections.abc import Iterator

LONGEST_PIECE = 4096  # bytes
SHORT_PIECE = 10  # what a piece begins with; of one below 128 bytes the next byte is the length
LONGEST_RULE = 1024  # bytes that a rule may write; the longest of Unicode's has 33


def check_model(model: bytes) -> None:
    """Raises ValueError if a model could make a long text of a short one."""
    place, last = 0, len(model) - 1
    while place < last and model[place] == SHORT_PIECE and model[place + 1] < 128:
        place += 2 + model[place + 1]
    for field, value in _fields(model[place:]):
        if field == 1 and len(value) > LONGEST_PIECE:
            raise ValueError(f"a piece of {len(value):,} bytes, where {LONGEST_PIECE:,} are read")
        if field in (3, 5):
            for inner, rules in _fields(value):
                if inner == 2:
                    check_rules(rules)


def check_rules(rules: bytes) -> int:
    """Returns how many bytes a table of normalizations writes for a character at most.

    It begins with the size of an index; the texts follow, each with a zero at its end.

    Raises:
        ValueError: if they are more than `LONGEST_RULE`, or it is no such table.
    """
    index = int.from_bytes(rules[:4], "little")
    longest = max(map(len, rules[4 + index :].split(b"\0")))
    if longest > LONGEST_RULE or (rules and 4 + index > len(rules)):
        raise ValueError(f"a rule that writes {longest:,} bytes for a character")
    return longest


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields (number, content) of the fields of a message that have a length."""
    place = 0

    def number():
        nonlocal place
        value = shift = 0
        while True:
            if place >= len(message) or shift > 63:
                raise ValueError("it is cut off")
            byte = message[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(message):
        key = number()
        kind = key & 7
        if kind == 0:
            number()
            continue
        size = {1: 8, 5: 4}.get(kind) or number()
        if kind not in (1, 2, 5) or place + size > len(message):
            raise ValueError("it is cut off")
        if kind == 2:
            yield key >> 3, message[place : place + size]
        place += size
