"""From the name of a checkpoint to a verified local directory."""

import functools
import os
from pathlib import Path

from s2s_zoo.checkpoint import CONFIG, read_config, read_json, recover, verify_files
from s2s_zoo.errors import CheckpointError
from s2s_zoo.registry import unknown_name

PACKAGE = Path(__file__).parent
CATALOG = "checkpoints.json"


def list_checkpoints(task=None):
    """Returns the checkpoints that load by name.

    Args:
        task: str, only those of one task.

    Returns:
        dict {name: entry of checkpoints.json}, in alphabetical order.

    Raises:
        CheckpointError: if no checkpoint has this task.
    """
    entries = _catalog()
    tasks = {entry["task"] for entry in entries.values()}
    if task is not None and task not in tasks:
        raise CheckpointError(unknown_name(tasks, task, "task"))
    return {name: entry for name, entry in entries.items() if task in (None, entry["task"])}


def resolve(name_or_path):
    """Returns the directory of a checkpoint, its files verified where the catalog knows them.

    Args:
        name_or_path: a name of `list_checkpoints()`, or a directory. A name wins over a directory
            that is called the same; write `./name` for the directory.

    Raises:
        CheckpointError: if there is no such checkpoint, or the directory is not a complete one.
        TypeError: if `name_or_path` is neither text nor a path.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(
            "from_pretrained expected the name or the directory of a checkpoint. "
            f"Received: {name_or_path!r}."
        )
    entries = _catalog()
    if name_or_path in entries:
        entry = entries[name_or_path]
        directory = PACKAGE / entry["path"]
        verify_files(directory, entry["files"])
        return directory
    directory = Path(name_or_path)
    recover(directory)
    if not directory.is_dir():
        raise CheckpointError(
            f"{unknown_name(entries, os.fspath(name_or_path), 'checkpoint')} A directory that "
            "`save` wrote is accepted too; `s2s-zoo list` shows the names."
        )
    if not is_pretrained(directory):
        read_config(directory)
    return directory


def is_pretrained(directory):
    """Whether a directory is in the layout of transformers: its config.json has a model_type."""
    path = directory / CONFIG
    return path.is_file() and "model_type" in read_json(path)


@functools.cache
def _catalog():
    """checkpoints.json: inside an installed package, at the root of a source tree."""
    for folder in (PACKAGE, PACKAGE.parent):
        if (folder / CATALOG).is_file():
            return dict(sorted(read_json(folder / CATALOG).items()))
    raise CheckpointError(f"{CATALOG} is not part of this installation. Install s2s-zoo again.")
