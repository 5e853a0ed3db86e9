"""From the name of a checkpoint to a verified local directory."""

import functools
import json
import os
import re
from pathlib import Path

from s2s_zoo.checkpoints.contents import Opened, check_opened, open_directory
from s2s_zoo.checkpoints.download import download
from s2s_zoo.checkpoints.elsewhere import known_as
from s2s_zoo.checkpoints.replacing import recover
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import read_json, verify_files
from s2s_zoo.protocol.registry import unknown_name
from s2s_zoo.protocol.tasks import TRANSLATION
from s2s_zoo.protocol.types import Config, StrPath

PACKAGE = Path(__file__).parent
CATALOG = "checkpoints.json"
REMOTE = "hf://"


def list_checkpoints(task: str | None = None) -> dict[str, Config]:
    """Returns the checkpoints that load by name.

    Args:
        task: str, only those of one task.

    Returns:
        dict of names to their entries of checkpoints.json, in alphabetical order.

    Raises:
        CheckpointError: if no checkpoint has this task.
    """
    entries = _catalog()
    tasks = {entry["task"] for entry in entries.values()}
    if task is not None and task not in tasks:
        raise CheckpointError(unknown_name(tasks, task, "task"))
    return {name: entry for name, entry in entries.items() if task in (None, entry["task"])}


def find_translation(source: str | None, target: str | None) -> str:
    """Returns the name of the only checkpoint that translates between two languages.

    Args:
        source, target: str, or None for any.

    Raises:
        CheckpointError: if there is none, or more than one; where two would do, one after the
            other, it says so.
    """
    names = {
        (read, entry["languages"][-1]): name
        for name, entry in list_checkpoints(TRANSLATION.name).items()
        for read in entry["languages"][:-1]
    }
    fits = [pair for pair in names if source in (None, pair[0]) and target in (None, pair[1])]
    found = {names[pair] for pair in fits}
    if len(found) == 1:
        return found.pop()
    known = ", ".join(f"{f} to {t}" for f, t in names)
    between = [t for f, t in names if f == source and (t, target) in names]
    through = f" Through {between[0]} two of them do: via={between[0]!r}." if between else ""
    raise CheckpointError(
        f"{'No' if not found else 'More than one'} checkpoint translates from "
        f"{source or 'any language'} to {target or 'any language'}. Known: {known}.{through} Give "
        "both languages, or the name or the directory of a checkpoint."
    )


def resolve(name_or_path: StrPath, revision: str | None = None, local_only: bool = False) -> Opened:
    """Returns the directory of a checkpoint as an `Opened`, downloaded if need be.

    Its files are verified where the catalog, or the config.json on the Hub, records them.

    Args:
        name_or_path: a name of `list_checkpoints()`, "hf://organization/name" with or without
            "@revision", or a directory. A name wins over a directory that is called the same;
            write `./name` for the directory.
        revision: str, a branch, a tag or a commit of a repository on the Hub.
        local_only: bool, download nothing.

    Raises:
        CheckpointError: if there is no such checkpoint, it cannot be downloaded, or the directory
            is not a complete one.
        TypeError: if `name_or_path` is neither text nor a path.
        ValueError: if a revision is given for anything but a repository.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(
            "from_pretrained expected the name or the directory of a checkpoint. "
            f"Received: {name_or_path!r}."
        )
    if isinstance(name_or_path, str) and name_or_path.startswith(REMOTE):
        repo_id, inline = _parse_address(name_or_path)
        if inline is not None and revision is not None:
            raise ValueError(
                f"Give one revision. Received: {name_or_path!r} and revision={revision!r}."
            )
        return download(repo_id, inline or revision, local_only=local_only)
    if revision is not None:
        raise ValueError(
            "A revision belongs to a repository, hf://organization/name; a name of the catalog "
            f"has its own. Received: {name_or_path!r} and revision={revision!r}."
        )
    entries = _catalog()
    if name_or_path in entries:
        entry = entries[name_or_path]
        languages = entry.get("languages")
        if "path" not in entry:
            opened = download(entry["repo_id"], entry["revision"], entry["files"], local_only)
            return opened._replace(languages=languages)
        directory = PACKAGE / entry["path"]
        verify_files(directory, entry["files"])
        return open_directory(directory, entry["files"], languages)
    directory = Path(name_or_path)
    recover(directory)
    if not directory.is_dir():
        if directory.is_file() and (known := known_as(directory)) is not None:
            raise CheckpointError(known)
        raise CheckpointError(
            f"{unknown_name(entries, os.fspath(name_or_path), 'checkpoint')} A directory that "
            "`save` wrote and hf://organization/name are accepted too; `s2s-zoo list` shows the "
            "names."
        )
    opened = open_directory(directory)
    if opened.layout == "s2s_zoo":
        if not opened.config and (known := known_as(directory)) is not None:
            raise CheckpointError(known)
        check_opened(opened)
    return opened


def _parse_address(address: str) -> tuple[str, str | None]:
    """Returns (repo_id, revision or None) of "hf://organization/name@revision"."""
    found = re.fullmatch(rf"{REMOTE}([^/@]+/[^/@]+)(?:@(.+))?", address)
    if not found:
        raise CheckpointError(
            f"{address!r} is not the address of a repository. The form is "
            "hf://organization/name, or hf://organization/name@revision."
        )
    return found[1], found[2]


def _catalog_path() -> Path:
    """checkpoints.json: inside an installed package, at the root of a source tree."""
    for folder in (PACKAGE, PACKAGE.parents[1]):
        if (folder / CATALOG).is_file():
            return folder / CATALOG
    raise CheckpointError(f"{CATALOG} is not part of this installation. Install s2s-zoo again.")


@functools.cache
def _catalog() -> dict[str, Config]:
    return dict(sorted(read_json(_catalog_path()).items()))


def write_entry(name: str, entry: Config) -> None:
    """Replaces one entry of the catalog: the file is the former one or the new one, never half."""
    path = _catalog_path()
    catalog = {**read_json(path), name: entry}
    new = path.with_name(f"new-{CATALOG}")
    new.write_text(json.dumps(catalog, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    new.replace(path)
    _catalog.cache_clear()
