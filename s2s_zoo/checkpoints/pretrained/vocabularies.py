"""Vocabularies as CTranslate2 and Marian write them: a list of pieces, their places the ids."""

import json
import re
from pathlib import Path

from s2s_zoo.checkpoints.layout import MARIAN
from s2s_zoo.checkpoints.pretrained.limits import LONGEST_PIECE
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import FOREIGN, check_file

# What stands for a character between double quotes: its number, or a sign.
ESCAPE = re.compile(
    r"\\(?:x(?P<x>[0-9A-Fa-f]{2})|u(?P<u>[0-9A-Fa-f]{4})|U(?P<U>[0-9A-Fa-f]{8})|(?P<sign>.))"
)
SIGNS = {
    **{"0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"},
    **{"e": "\x1b", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029"},
}
AGAIN = "Download the checkpoint again."


def read_pieces_list(name: str, data: bytes) -> list[str]:
    """Returns the pieces of a .json file, a list, or a .txt file, one a line.

    Raises:
        CheckpointError: for anything else, and pieces that are there twice.
    """
    try:
        text = data.decode("utf-8")
        pieces = json.loads(text) if name.endswith(".json") else text.split("\n")
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{name} is no list of pieces: {error!s:.200}. {AGAIN}") from error
    if isinstance(pieces, list) and pieces and pieces[-1] == "" and name.endswith(".txt"):
        pieces = pieces[:-1]
    return _checked(name, pieces)


def read_numbered(name: str, data: bytes) -> list[str]:
    """Returns the pieces of a .yml file of Marian, a line `"piece": id` for each.

    Raises:
        CheckpointError: for anything else, and ids that are not 0, 1, 2, …
    """
    found: dict[int, str] = {}
    try:
        text = re.sub(r"^\? (.*)\n: ", r"\1: ", data.decode("utf-8"), flags=re.MULTILINE)
        for line in text.split("\n"):
            if not (line := line.rstrip("\r")).strip() or line.startswith("#"):
                continue
            piece, colon, number = line.rpartition(":")
            if not colon:
                raise ValueError(f"no id in {line[:80]!r}")
            found[int(number)] = _unquoted(piece.rstrip())
    except ValueError as error:
        raise CheckpointError(
            f"{name} is no vocabulary of Marian: {error!s:.200}. {AGAIN}"
        ) from error
    if sorted(found) != list(range(len(found))):
        raise CheckpointError(f"{name} expected the ids 0 to {len(found) - 1}, each once. {AGAIN}")
    return _checked(name, [found[i] for i in range(len(found))])


def read_settings_of_yaml(name: str, text: str) -> dict[str, str | list[str]]:
    """Returns what Marian writes into its settings: a text, or a list of them, for each name.

    Raises:
        CheckpointError: for more of YAML than that.
    """
    found: dict[str, str | list[str]] = {}
    last = None
    for line in text.replace("\0", "").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        item = re.fullmatch(r"\s*- (.*)", line)
        named = re.fullmatch(r"([A-Za-z][\w-]*):(?: (.*))?", line)
        if item and last is not None:
            listed = found[last] if isinstance(found[last], list) else []
            found[last] = [*listed, _unquoted(item[1].strip())]
        elif line.strip() == "[]" and last is not None:
            found[last] = []
        elif named:
            last = named[1]
            found[last] = _unquoted((named[2] or "").strip())
        else:
            raise CheckpointError(f"{name} expected settings of Marian. Received: {line[:80]!r}.")
    return found


def marian_files(directory: Path, kind: str) -> list[Path]:
    """The files that decoder.yml names.

    Args:
        directory: path.
        kind: "models" or "vocabs".

    Raises:
        CheckpointError: for files that are missing, too large or elsewhere.
    """
    settings = directory / MARIAN
    check_file(settings, FOREIGN)
    said = read_settings_of_yaml(MARIAN, settings.read_text(encoding="utf-8", errors="replace"))
    named = said.get(kind, [])
    names = named if isinstance(named, list) else [named]
    count = {"models": 1, "vocabs": 2}[kind]
    if len(names) != count:
        raise CheckpointError(
            f"{settings} expected {count} {kind}. Received: {', '.join(names) or 'none'}. Name "
            "one model, and the vocabularies of both sides."
        )
    paths = [directory / Path(name).name for name in names]
    for path in paths:
        check_file(path, FOREIGN)
    return paths


def _unquoted(piece):
    """A scalar of YAML: plain, in single or in double quotes."""
    if piece[:1] == "'" and piece[-1:] == "'" and len(piece) > 1:
        return piece[1:-1].replace("''", "'")
    if piece[:1] == '"' and piece[-1:] == '"' and len(piece) > 1:
        return ESCAPE.sub(_unescaped, piece[1:-1])
    return piece


def _unescaped(found):
    code = found["x"] or found["u"] or found["U"]
    return chr(int(code, 16)) if code else SIGNS.get(found["sign"], found["sign"])


def _checked(name, pieces):
    if not isinstance(pieces, list) or not all(
        isinstance(piece, str) and len(piece) <= LONGEST_PIECE for piece in pieces
    ):
        raise CheckpointError(
            f"{name} expected a list of pieces of at most {LONGEST_PIECE:,} characters. {AGAIN}"
        )
    if len(set(pieces)) < len(pieces):
        twice = next(piece for i, piece in enumerate(pieces) if piece in pieces[:i])
        raise CheckpointError(
            f"{name} has {twice!r:.60} twice, so it has no id of its own. {AGAIN}"
        )
    return pieces
