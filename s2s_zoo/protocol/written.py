"""Files that bear their name only when they are complete."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from s2s_zoo.protocol.types import StrPath


@contextmanager
def written(path: StrPath) -> Iterator[BinaryIO]:
    """Yields a new file that bears its name only when the block has succeeded.

    It is opened at once, so that a place that cannot be written is known before any work.
    """
    path = Path(path).resolve()
    special = path.exists() and not path.is_file()  # a pipe or a device cannot be replaced
    part = path if special else path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
    except BaseException:
        if not special:
            part.unlink(missing_ok=True)
        raise
    if not special:
        part.replace(path)
