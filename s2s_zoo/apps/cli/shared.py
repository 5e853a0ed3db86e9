"""What several commands need."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import s2s_zoo
from s2s_zoo.checkpoints.catalog import list_checkpoints
from s2s_zoo.protocol.errors import CheckpointError, S2SZooError
from s2s_zoo.protocol.tasks import Task

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline
    from s2s_zoo.pipeline.pivoting import Pivot

ENGINES = ("keras", "ctranslate2")
NAME = "a name of `list`, hf://organization/name[@revision], or a directory"


def positive(text: str) -> int:
    """The type of an argument that is a number of at least 1."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


class OneOrTwo(argparse.Action):
    """What `read_pairs` takes: a file, or a tuple of two parallel ones."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        if len(values) > 2:
            message = f"expected a file, or two parallel ones. Received: {' '.join(values)}"
            raise argparse.ArgumentError(self, message)
        setattr(namespace, self.dest, tuple(values) if len(values) == 2 else values[0])


def called(data: str | tuple[str, str]) -> str:
    """What `OneOrTwo` has found, in a line for users."""
    return data if isinstance(data, str) else " and ".join(data)


def add_pairs(command: Any, help: str, positional: bool = False) -> None:
    """Adds --data, or DATA, --columns and --swap to a command that reads pairs."""
    add = command.add_argument
    kinds = "TSV, CSV, JSON, Parquet, TMX, or two parallel files; .gz too; hf://datasets/NAME"
    name: dict[str, Any] = {"metavar": "DATA"} if positional else {"required": True}
    of_files = {"metavar": "FILE", "nargs": "+", "action": OneOrTwo, **name}
    add("data" if positional else "--data", **of_files, help=f"{help}: {kinds}")
    add("--columns", nargs=2, metavar="NAME", help="of the source and of the target")
    add("--swap", action="store_true", help="exchange source and target")


def only_checkpoint(task: Task) -> str:
    """The name of the only checkpoint of a `Task`, or of several the one that bears its name.

    Raises:
        CheckpointError: if there are several others, or none.
    """
    found = [name for name, entry in list_checkpoints().items() if entry["task"] == task.name]
    if len(found) == 1:
        return found[0]
    if (plain := f"{task.name}-en") in found:
        return plain
    raise CheckpointError(
        f"{task.name.capitalize()} has {len(found)} checkpoints of its own: "
        f"{', '.join(found) or 'none'}. Give --model with a name or a directory."
    )


def add_engine(command: Any) -> None:
    """Adds --engine and --dtype to a command that searches."""
    add = command.add_argument
    add("--engine", choices=ENGINES, help="what searches (default: keras)")
    add("--dtype", metavar="DTYPE", help="in which precision: float32, bfloat16; int8 of an engine")


def engine_options(arguments: Any) -> dict[str, str]:
    """What of --engine and --dtype was given, for `load`."""
    given = {name: getattr(arguments, name) for name in ("engine", "dtype")}
    return {name: value for name, value in given.items() if value is not None}


def load(name: str | list[str], **options: Any) -> Pipeline | Pivot:
    """Returns the pipeline of a checkpoint, or the `Pivot` of several.

    What TensorFlow has to say first is not shown.

    Args:
        name: str, or list of str.
        **options: "engine" and "dtype", of `from_pretrained`.

    Raises:
        CheckpointError: for a checkpoint that cannot be loaded so.
    """
    if "keras" not in sys.modules:
        with _silent_on_success(), _uncollected():
            from s2s_zoo.protocol import onednn  # noqa: F401  # isort: skip  # before Keras
            import keras  # noqa: F401
    s2s_zoo.keep_compiled()
    try:
        return s2s_zoo.from_pretrained(name, **options)
    except ValueError as error:
        if not options or isinstance(error, S2SZooError):
            raise
        raise CheckpointError(error) from error


@contextmanager
def _uncollected():
    """Collects no garbage in the block, nor later among what there was at its end.

    Looking through the hundred thousands of objects that TensorFlow is made of takes a quarter
    of the time of a process that imports it, in between and once more at its end.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


@contextmanager
def _silent_on_success():
    """Holds back what native code writes to standard error, unless the block raises an error.

    TensorFlow tells of its options while it is imported, whatever TF_CPP_MIN_LOG_LEVEL says
    (tensorflow issue 100442).
    """
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except Exception:
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
