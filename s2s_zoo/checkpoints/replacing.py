"""A directory that takes the place of another, whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s2s_zoo.checkpoints.layout import CARD, CONFIG, REQUIRED
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import read_json


def _siblings(directory):
    return (directory.with_name(f".{directory.name}.{kind}") for kind in ("saving", "previous"))


def recover(directory: Path) -> None:
    """Brings back a checkpoint whose replacement was killed between its two renames."""
    _, previous = _siblings(directory.resolve())
    if previous.is_dir() and not directory.exists():
        previous.rename(directory)


@contextmanager
def replace_directory(directory: Path) -> Iterator[Path]:
    """Yields a new directory that takes the place of `directory` if the block succeeds."""
    aside, previous = _siblings(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    recover(directory)
    _refuse_foreign_files(directory)
    for leftover in (aside, previous):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        aside.mkdir()
        yield aside
        for path in aside.iterdir():
            with path.open("r+b") as file:
                os.fsync(file.fileno())
        if directory.exists():
            directory.rename(previous)
        aside.rename(directory)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        recover(directory)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def _refuse_foreign_files(directory):
    """Raises CheckpointError if replacing `directory` would delete anything but a checkpoint."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise CheckpointError(f"{directory} is a file. Choose the name of a directory to save to.")
    known = set(REQUIRED) | {CARD}
    if (directory / CONFIG).is_file():
        known |= set(read_json(directory / CONFIG).get("files", ()))
    if foreign := sorted(path.name for path in directory.iterdir() if path.name not in known):
        raise CheckpointError(
            f"{directory} holds files that are no part of a checkpoint and would be lost: "
            f"{', '.join(foreign[:5])}. Choose a new directory."
        )
