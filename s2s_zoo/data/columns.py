"""Which two columns of a table are the source and the target."""

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from s2s_zoo.data.language_names import CODES_OF_NAMES
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.registry import unknown_name

Columns: TypeAlias = Sequence[str]  # the names of the source and the target

# What data sets call them.
KNOWN = (
    ("source", "target"),
    ("src", "tgt"),
    ("src", "trg"),
    ("source_text", "target_text"),
    ("input", "output"),
    ("text", "summary"),
    ("document", "summary"),
    ("dialogue", "summary"),
    ("article", "highlights"),
    ("article", "summary"),
    ("text", "title"),
    ("image", "caption"),
    ("file_name", "text"),
)
CODES = frozenset(  # of ISO 639-1
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr ga gd gl gu ha he hi "
    "hr hu hy id ig is it ja jv ka kk km kn ko ku ky la lb lo lt lv mg mi mk ml mn mr ms mt my ne "
    "nl nn no or pa pl ps pt ro ru rw sd si sk sl sm sn so sq sr su sv sw ta te tg th tk tl tr tt "
    "ug uk ur uz vi xh yi yo zh zu".split()
)
NESTED = "translation"  # the column of Hugging Face's translation sets: {"de": …, "en": …}
_said: set[str] = set()


def is_header(cells: Sequence[str]) -> bool:
    """Whether the first row of a file names its columns, by names that data sets use."""
    names = [cell.strip().lower() for cell in cells]
    if any(source in names and target in names for source, target in KNOWN):
        return True
    return len({CODES_OF_NAMES.get(name, name) for name in _languages(names)}) >= 2


def choose(names: Sequence[str], columns: Columns | None, where: str) -> tuple[str, str]:
    """Returns the columns of the source and the target.

    Args:
        names: list of str, the columns there are.
        columns: (source, target), as the user says, "de" also for "de-DE" and "German"; None takes
            a pair of `KNOWN`, of two languages, or the only two there are, and says so on standard
            error, once.
        where: str, what they are the columns of.

    Raises:
        DataError: for a column that is not there, naming the nearest, or where nothing is said and
            several could be meant.
    """
    if columns is not None:
        if isinstance(columns, str) or len(columns) != 2:
            raise DataError(
                f'Expected columns=(source, target), such as ("de", "en"). Received: {columns!r}.'
            )
        source, target = (_find(names, column, where) for column in columns)
        _check_once(names, (source, target), where)
        return source, target
    lower = {name.strip().lower(): name for name in names}
    found = [(lower[a], lower[b]) for a, b in KNOWN if a in lower and b in lower]
    if not found:
        found = [(pair[0], pair[1]) for pair in (names, _languages(names)) if len(pair) == 2]
    if not found:
        raise DataError(
            f"{where} has the columns {', '.join(map(repr, names)) or 'none'}: which are the "
            "source and the target? Say read_pairs(data, columns=(source, target)), or --columns."
        )
    _check_once(names, found[0], where)
    say(f"{where}: the source is {found[0][0]!r}, the target {found[0][1]!r}.")
    return found[0]


def say(line: str) -> None:
    """Writes a line to standard error, once."""
    if line not in _said:
        _said.add(line)
        print(line, file=sys.stderr)


def pairs_of_rows(
    rows: Iterable[dict[str, Any]], columns: Columns | None, where: str, may_lack: bool = False
) -> Iterator[tuple[str, str]]:
    """Yields two columns of rows; a cell of None or NaN is "".

    Args:
        rows: iterable of dict; those of `{"translation": {"de": …, "en": …}}` have the columns
            "de" and "en".
        columns: as for `choose`, which looks at the first row.
        where: str, for errors.
        may_lack: bool, whether rows may be without a column: it is "" there.

    Raises:
        DataError: for a row without one of the columns, or a cell that is no text.
    """
    chosen: tuple[str, str] | None = None
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(
                f"{where}, row {number}: expected a row with columns, as row 1 has. "
                f"Received: {row!r:.80}."
            )
        if isinstance(row.get(NESTED), dict):
            row = row[NESTED]
        if chosen is None:
            chosen = choose(list(map(str, row)), columns, where)
        for name in chosen:
            if name not in row and not may_lack:
                known = unknown_name(row, name, "column")
                raise DataError(f"{where}, row {number}: {known}")
        source, target = (text_of(row.get(name), name, where, number) for name in chosen)
        yield source, target


def text_of(value: Any, column: str, where: str, number: int) -> str:
    """The text of a cell, "" where there is none."""
    if isinstance(value, str):
        return value
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{where}, row {number}, column {column!r}: not valid UTF-8 at byte "
                f"{error.start + 1}. Decode the texts first."
            ) from error
    if isinstance(value, float) and math.isnan(value):
        return ""
    raise DataError(
        f"{where}, row {number}, column {column!r}: expected text. Received: {value!r:.80}. "
        "Name another column, or make texts of these."
    )


def _find(names, column, where):
    """The name that is meant: as it is, in other case, or of a language with its country."""
    if column in names:
        return column
    same = [name for name in names if name.strip().lower() == str(column).lower()]
    code = CODES_OF_NAMES.get(str(column).lower(), str(column).lower())
    same = same or [name for name in names if _code(name.strip().lower()) == code]
    if len(same) == 1:
        return same[0]
    if same:
        raise DataError(f"{where} has {' and '.join(same)}. Received: {column!r}. Name one.")
    raise DataError(f"{where}: {unknown_name(names, column, 'column')}")


def _check_once(names, chosen, where):
    if twice := [name for name in chosen if list(names).count(name) > 1]:
        raise DataError(f"{where} has the column {twice[0]!r} twice. Give one another name.")


def _languages(names):
    """Those of the names that are of languages, or codes; beside two of them "id" is a number."""
    codes = [name for name in names if _code(name.strip().lower()) in CODES]
    return [name for name in codes if name.strip().lower() != "id"] if len(codes) > 2 else codes


def _code(name):
    return CODES_OF_NAMES.get(name) or name.replace("_", "-").partition("-")[0]
