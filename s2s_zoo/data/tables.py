"""Tables in text files: CSV, and TSV."""

import csv
import itertools
from collections.abc import Iterator

from s2s_zoo.data.columns import Columns, choose, is_header, say
from s2s_zoo.data.lines import read_lines
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.types import StrPath

DELIMITERS = ",;\t|"
SAMPLE = 50  # lines that show which delimiter it is
LARGEST = 1 << 24  # characters of a cell; more is a quote that nobody closed


def table_pairs(path: StrPath, columns: Columns | None, is_csv: bool) -> Iterator[tuple[str, str]]:
    """Yields two columns of a file.

    Args:
        path: of a UTF-8 file, perhaps packed. The cells of a CSV may be in double quotes, with
            line ends in them; its delimiter is the one of `DELIMITERS` that parts its first lines
            into most columns, the same number each. In a TSV a tab parts and a quote is a quote.
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
    places, least = (0, 1), 2
    if columns is not None or is_header(cells):
        found = choose(cells, columns, str(path))
        places = cells.index(found[0]), cells.index(found[1])
        least = max(places) + 1
    else:
        rows = itertools.chain([first], rows)
        if is_csv and len(cells) > 1:
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
            raise DataError(
                f"{path}, line {number}: expected {expected}. "
                f"Received: {(',' if is_csv else chr(9)).join(row)!r:.80}. "
                "Add the missing column or remove the line."
            )
        else:
            yield row[places[0]], row[places[1]]


def tsv_rows(path: StrPath) -> Iterator[tuple[int, list[str]]]:
    """Yields the cells of each line of a TSV, and its number."""
    for number, line in enumerate(read_lines(path), 1):
        yield number, line.split("\t")


def csv_rows(path: StrPath) -> Iterator[tuple[int, list[str]]]:
    """Yields the cells of each row of a CSV, and the line that it begins in.

    Raises:
        DataError: for a quote that is not closed, and what `read_lines` refuses.
    """
    lines = (line + "\n" for line in read_lines(path))
    sample = list(itertools.islice(lines, SAMPLE))
    delimiter = _delimiter(sample)
    reader = csv.reader(itertools.chain(sample, lines), delimiter=delimiter, strict=True)
    before = csv.field_size_limit(LARGEST)
    start = 1
    try:
        for row in reader:
            yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}, the row that begins in line {start}: {error}. A quote inside a cell is "
            'written twice, "", and a cell with quotes stands in quotes.'
        ) from error
    finally:
        csv.field_size_limit(before)


def _delimiter(sample):
    """The delimiter with which the rows of a sample have the same number of columns, the most."""

    def quality(delimiter):
        counts = []
        try:
            for row in csv.reader(sample, delimiter=delimiter):
                counts += [len(row)] if row else []
        except csv.Error:
            return 0.0, 0
        same = max(counts, key=counts.count, default=0)
        return (counts.count(same) / len(counts) if same > 1 else 0.0), same

    return max(DELIMITERS, key=quality)
