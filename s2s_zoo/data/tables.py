"""Tables in text files: CSV, and TSV."""

import csv
import itertools
import re
from collections.abc import Iterator

from s2s_zoo.data.columns import Columns, choose, is_header, say
from s2s_zoo.data.lines import read_lines
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.types import StrPath

DELIMITERS = ",;\t|"
SAMPLE = 50  # lines that show which delimiter it is
LARGEST = 1 << 24  # characters of a cell; more is a quote that nobody closed
TOLD = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # a first line that Excel writes and reads


def table_pairs(path: StrPath, columns: Columns | None, is_csv: bool) -> Iterator[tuple[str, str]]:
    """Yields two columns of a file.

    Args:
        path: of a UTF-8 file, perhaps packed. The cells of a CSV may be in double quotes, with
            line ends in them; its delimiter is the one of `DELIMITERS` that parts its first lines
            into most columns, the same number each, or that a first line `sep=;` names. In a TSV a
            tab parts, and a quote is a quote unless all of it was written as a CSV is.
        columns: names, where there is a header, as for `choose`. Without names the first row is
            the header where it has names that data sets use; elsewhere the first two columns are
            taken.
        is_csv: bool.

    Raises:
        DataError: for a row of another number of columns, or a quote that is not closed.
    """
    rows = csv_rows(path) if is_csv else tsv_rows(path)
    first = next(rows, None)
    if first is None:
        return
    _, cells = first
    if is_csv and len(cells) < 2:
        raise DataError(
            f"{path}: none of `,` `;` `|` and tab parts its lines into columns. "
            f"Received: {cells[0]!r:.80}. Save it with one of them."
        )
    places, least = (0, 1), 2
    if columns is not None or is_header(cells):
        found = choose(cells, columns, str(path))
        places = cells.index(found[0]), cells.index(found[1])
        least = max(places) + 1
    else:
        rows = itertools.chain([first], rows)
        if is_csv:
            say(
                f"{path}: no header is recognised; the source is column 1, the target column 2, "
                f"from {cells[0]!r:.30} and {cells[1]!r:.30} on. If it is a header, name columns."
            )
    width = len(cells) if is_csv else None
    for number, row in rows:
        if not any(row):
            yield "", ""
        elif len(row) < least or (width and len(row) != width):
            expected = f"{width} columns, as in the first row" if width else "source, tab, target"
            remedy = "Add the missing column or remove the line."
            if number == 1:
                remedy = "Parallel files are given as two: a tuple of paths, or --data FILE FILE."
            raise DataError(
                f"{path}, line {number}: expected {expected}. "
                f"Received: {(',' if is_csv else chr(9)).join(row)!r:.80}. {remedy}"
            )
        else:
            yield row[places[0]], row[places[1]]


def tsv_rows(path: StrPath) -> Iterator[tuple[int, list[str]]]:
    """Yields the cells of each row of a TSV, and the line that it begins in.

    Raises:
        DataError: as for `csv_rows`.
    """
    lines = read_lines(path)
    sample = list(itertools.islice(lines, SAMPLE))
    lines = itertools.chain(sample, lines)
    if _is_quoted(sample):
        yield from _parsed(path, (line + "\n" for line in lines), "\t", False)
    else:
        for number, line in enumerate(lines, 1):
            yield number, [_unquoted(cell) for cell in line.split("\t")]


def csv_rows(path: StrPath) -> Iterator[tuple[int, list[str]]]:
    """Yields the cells of each row of a CSV, and the line that it begins in.

    Blank lines before the first row are left out.

    Raises:
        DataError: for a quote that is not closed, and what `read_lines` refuses.
    """
    lines = (line + "\n" for line in read_lines(path))
    sample = list(itertools.islice(lines, SAMPLE))
    top = next((number for number, line in enumerate(sample) if line.strip()), 0)
    told = TOLD.fullmatch(sample[top]) if sample else None
    top += told is not None
    delimiter, spaced = (told[1], False) if told else _dialect(sample[top:])
    yield from _parsed(path, itertools.chain(sample[top:], lines), delimiter, spaced, top)


def _parsed(path, lines, delimiter, spaced, above=0):
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=spaced, strict=True)
    before = csv.field_size_limit(LARGEST)
    start = 1
    try:
        for row in reader:
            yield start + above, row
            start = reader.line_num + 1
    except csv.Error as error:
        remedy = (
            'A quote inside a cell is written twice, "", and a cell with quotes stands in quotes.'
        )
        if "new-line" in str(error):
            remedy = "Its lines end with carriage returns alone: make them line feeds."
        raise DataError(
            f"{path}, the row that begins in line {start + above}: {error}. {remedy}"
        ) from error
    finally:
        csv.field_size_limit(before)


def _dialect(sample):
    """The delimiter with which the rows of a sample have the same number of columns, the most.

    And whether a space stands behind it that is not of the cell, as in `a, "b"`.
    """

    def quality(dialect):
        delimiter, spaced = dialect
        rows = []
        try:
            rows.extend(csv.reader(sample, delimiter=delimiter, skipinitialspace=spaced))
        except csv.Error:
            return 0.0, 0, False
        counts = [len(row) for row in rows if row]
        same = max(counts, key=counts.count, default=0)
        share = counts.count(same) / len(counts) if same > 1 else 0.0
        return share, same, not any(cell.startswith(' "') for row in rows for cell in row)

    dialects = [(delimiter, spaced) for spaced in (False, True) for delimiter in DELIMITERS]
    return max(dialects, key=quality)


def _is_quoted(sample):
    """Whether the lines of a TSV were written as those of a CSV: quotes are doubled, or hold tabs.

    Where all cells stand in quotes, they were if the first row is a header.
    """
    rows = []
    reader = csv.reader((line + "\n" for line in sample), delimiter="\t", strict=True)
    try:
        rows.extend(reader)
    except csv.Error:
        if reader.line_num < len(sample) or len(sample) < SAMPLE:  # the last one may be cut off
            return False
    cells = [cell for line in sample for cell in line.split("\t") if cell]
    widths = {len(row) for row in rows if row}
    if len(widths) != 1 or widths == {1}:
        return False
    return (
        len({line.count("\t") for line in sample if line}) > 1
        or any(_unquoted(cell) != cell for cell in cells)
        or (all(cell[0] == cell[-1] == '"' for cell in cells) and is_header(rows[0]))
    )


def _unquoted(cell):
    """A cell that stands in quotes, with its own quotes doubled, as it was; others as they are."""
    inner = cell[1:-1]
    if cell[:1] == cell[-1:] == '"' and '""' in inner and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return cell
