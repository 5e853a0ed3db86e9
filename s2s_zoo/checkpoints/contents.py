"""What a checkpoint directory holds, and what its config.json says."""

from typing import Any, NamedTuple

from s2s_zoo.checkpoints.layout import (
    CONFIG,
    CONFIG_KEYS,
    FORMAT_VERSION,
    PROCESSOR,
    REQUIRED,
    WEIGHTS,
)
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import AGAIN, read_json
from s2s_zoo.protocol.registry import check_keys


class Checkpoint(NamedTuple):
    """What a directory holds.

    Attributes:
        task: str, such as "translation".
        model: a built `Seq2Seq` with its weights.
        processor: raw input to ids and back.
        generation: dict, the defaults of the search.
        languages: list of str, the codes of source and target, or empty.
        shortlist: a `Shortlist`, or None.
    """

    task: str
    model: Any
    processor: Any
    generation: dict
    languages: list
    shortlist: Any = None


def read_config(directory):
    """Returns config.json as a dict, once the directory is known to look like a checkpoint."""
    missing = [name for name in REQUIRED if not (directory / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{directory} is not a complete checkpoint: {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing. A checkpoint directory holds "
            f"{', '.join(REQUIRED)} and the tokenizer; pass one that `save` wrote."
        )
    return parse_config(directory / CONFIG)


def parse_config(path):
    """Returns what config.json holds, as a dict of the right keys and kinds."""
    config = read_json(path)
    if isinstance(version := config.get("format_version"), int) and version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format_version {version}; this s2s_zoo reads up to {FORMAT_VERSION}. "
            "Upgrade with `pip install --upgrade s2s-zoo`."
        )
    try:
        check_keys(config, CONFIG_KEYS, "checkpoint")
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error
    absent = [key for key in CONFIG_KEYS if key not in config]
    kinds = {"task": str, "languages": list, "model": dict, "files": dict}
    if absent or not all(isinstance(config[key], kind) for key, kind in kinds.items()):
        raise CheckpointError(
            f"{path} expected {', '.join(CONFIG_KEYS)}: a number, text, a list and two objects. "
            f"Received: {', '.join(config) or 'nothing'}. {AGAIN}"
        )
    unpinned = [name for name in (WEIGHTS, PROCESSOR) if name not in config["files"]]
    if unpinned:
        raise CheckpointError(f"{path} holds no sha256 of {', '.join(unpinned)}. {AGAIN}")
    return config


def is_pretrained(directory):
    """Whether a directory is in the layout of transformers: its config.json has a model_type."""
    path = directory / CONFIG
    return path.is_file() and "model_type" in read_json(path)
