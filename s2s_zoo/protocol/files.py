"""Files from elsewhere: which may be read, how large they may be, and whether they are the ones.

A file of a checkpoint is data. Its name cannot lead out of its directory, its kind is one of
`LIMITS`, and its size is looked at before its content.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import Config

LIMITS = {  # bytes
    ".json": 1 << 20,
    ".md": 1 << 20,
    ".txt": 64 << 20,
    ".model": 64 << 20,
    ".spm": 64 << 20,
    ".tokenizer": 64 << 20,
    ".safetensors": 64 << 30,
}
FOREIGN = {
    **LIMITS,
    ".h5": 64 << 30,
    ".bin": 64 << 30,
    ".npz": 64 << 30,
    ".yml": 64 << 20,
}  # in the layout of transformers
LARGE = {  # vocabularies, lists of a few thousand tensors, and what belongs to each token
    "vocab.json": 64 << 20,
    "target_vocab.json": 64 << 20,
    "tokenizer.json": 64 << 20,
    **{f"{side}_vocabulary.json": 64 << 20 for side in ("shared", "source", "target")},
    "model.safetensors.index.json": 16 << 20,
    "pytorch_model.bin.index.json": 16 << 20,
    "shortlist.safetensors": 256 << 20,
}
AGAIN = "Delete the directory and download or copy the checkpoint again."


def check_name(name: Any, kinds: Iterable[str] = LIMITS) -> None:
    """Raises CheckpointError unless `name` is a plain file name of one of the kinds."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", name):
        raise CheckpointError(
            f"A checkpoint lists a file outside itself: {name!r:.80}. Do not use a checkpoint from "
            "where this one came from."
        )
    if Path(name).suffix not in kinds:
        raise CheckpointError(
            f"A checkpoint lists {name!r}, where files end in {', '.join(kinds)}. Do not use a "
            "checkpoint from where this one came from."
        )


def check_size(name: str, size: int) -> None:
    """Raises CheckpointError if a file called `name` may not have `size` bytes."""
    most = LARGE.get(name) or FOREIGN[Path(name).suffix]
    if size > most:
        raise CheckpointError(
            f"{name} has {size:,} bytes, where at most {most:,} are read. "
            "Do not use a checkpoint from where this one came from."
        )


def check_record(name: str, recorded: Any) -> None:
    """Raises CheckpointError unless `name` may be read and `recorded` holds its sha256 and size."""
    check_name(name)
    if (
        not isinstance(recorded, dict)
        or recorded.keys() != {"sha256", "size"}
        or not isinstance(recorded["sha256"], str)
        or type(recorded["size"]) is not int
    ):
        raise CheckpointError(
            f"The record of {name} is expected to hold its sha256 and its size in bytes. "
            f"Received: {recorded!r:.80}. {AGAIN}"
        )
    check_size(name, recorded["size"])


def read_file(path: Path) -> bytes:
    """Returns the bytes of a file, once its name, its place and its size are known to be allowed.

    Raises:
        CheckpointError: if they are not, or there is no such file.
    """
    check_file(path)
    return path.read_bytes()


def read_json(path: Path) -> Config:
    """Returns the JSON object in a file."""
    try:
        value = json.loads(read_file(path))
    except CheckpointError:
        raise
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not readable JSON: {error}. {AGAIN}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} expected a JSON object. Received: {value!r:.50}. {AGAIN}")
    return value


def read_optional_json(path: Path) -> Config:
    """Returns the JSON object in a file, or {} where there is no such file."""
    return read_json(path) if path.is_file() else {}


def describe_file(path: Path) -> Config:
    """Returns {"sha256": hex digest, "size": bytes} of a file."""
    with path.open("rb") as file:
        return {
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
            "size": path.stat().st_size,
        }


def verify_files(
    directory: Path, files: Config, verified: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Raises CheckpointError unless every file has its recorded size and sha256.

    Args:
        directory: path.
        files: dict {file name: {"sha256": hex digest, "size": bytes}}.
        verified: the same of files that were verified already; they are not hashed again.
    """
    for name, recorded in files.items():
        check_record(name, recorded)
        path = directory / name
        check_file(path)
        if (size := path.stat().st_size) != recorded["size"]:
            raise CheckpointError(
                f"{path} is truncated or altered: {size} bytes where {recorded['size']} were "
                f"saved. {AGAIN}"
            )
        if verified.get(name) != recorded and describe_file(path) != recorded:
            raise CheckpointError(
                f"{path} was altered: its sha256 is not the one recorded. {AGAIN}"
            )


def check_file(path: Path, kinds: Iterable[str] = LIMITS) -> None:
    """Raises CheckpointError unless `path` is a file of its own directory, of a name and a size
    that are allowed.

    The Hub's cache holds links to `blobs` in place of files; any other link out of the directory
    is refused.
    """
    check_name(path.name, kinds)
    if not path.is_file():
        raise CheckpointError(f"{path} is missing. {AGAIN}")
    directory = path.parent.resolve()
    blobs = directory.parents[1] / "blobs" if directory.parent.name == "snapshots" else None
    place = directory / path.name
    while place.is_symlink():
        place = place.parent / os.readlink(place)
        folder = place.parent.resolve()
        if folder == blobs:
            break
        if folder != directory:
            raise CheckpointError(
                f"{path} is a link out of its directory, to {place}. Put the file itself there."
            )
    check_size(path.name, path.stat().st_size)
