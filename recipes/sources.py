"""What --data of a recipe names: folders with splits, tables, and data sets of the Hub."""

from pathlib import Path

from s2s_zoo import DataError
from s2s_zoo.data import read_pairs
from s2s_zoo.data.columns import is_header
from s2s_zoo.data.hub_datasets import is_address, parse_address, with_split
from s2s_zoo.data.lines import PACKED, kind_of
from s2s_zoo.data.rows import JSON
from s2s_zoo.data.tables import tsv_rows

HELD_OUT = 10  # one pair of so many of a table chooses the epoch
NAMED = (".csv", *JSON, ".parquet", ".tmx")  # whose columns have names
KINDS = (".tsv", *NAMED)
SPLITS = {"train": ("train",), "valid": ("validation", "valid", "val", "dev")}  # on the Hub


def table_of(folder, split):
    """The table of a split in a folder, packed or not, or the .tsv that it might have been."""
    names = [f"{split}{kind}{packing}" for packing in ("", *PACKED) for kind in KINDS]
    return next((folder / name for name in names if (folder / name).exists()), folder / names[0])


def data_source(text):
    """What --data names: a path, or a data set of the Hub."""
    return text if is_address(text) else Path(text)


def is_table(source):
    """Whether what --data names is no folder with its splits, but holds the pairs itself."""
    return is_address(source) or source.is_file()


def has_header(source, columns):
    """Whether the columns of a table have names, these or others that are known: a TSV may not."""
    if is_address(source) or kind_of(source)[1] in NAMED:
        return True
    _, cells = next(tsv_rows(source), (1, []))
    return is_header(cells) or set(columns) <= set(cells)


def part_of_table(source, split, read=read_pairs):
    """The pairs of "train" or "valid": of the Hub the split, of a table every tenth and the others.

    Args:
        source: a file, or the name of a data set of the Hub; where that names a split, this is
            parted like a file.
        split: "train" or "valid".
        read: function of one of both that returns its pairs.
    """
    if is_address(source) and not parse_address(source).split:
        return read(with_split(source, SPLITS[split]))
    pairs = read(source)
    if len(pairs) < HELD_OUT:
        raise DataError(
            f"{source} expected at least {HELD_OUT} pairs, one in {HELD_OUT} being held out to "
            f"choose the epoch. Received: {len(pairs)}. Give more, or a folder with train.csv "
            "and valid.csv."
        )
    held_out = pairs[HELD_OUT - 1 :: HELD_OUT]
    if split == "valid":
        return held_out
    apart = set(held_out)
    return [pair for pair in pairs if pair not in apart]
