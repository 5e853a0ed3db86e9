"""A checkpoint directory: written whole or not at all, and verified before it is believed.

    config.json         format_version, task, languages, model (the configuration of `Seq2Seq`)
                        and, for every file that must not change, its sha256 and size
    model.safetensors   the weights by name, in float32, float16 or bfloat16, or matrices in
                        int8 with their scales
    processor.json      how raw input becomes ids and back, beside its tokenizer model
    generation.json     the defaults of the search
    shortlist.safetensors  where there is one, which target tokens a source may become
    README.md           the model card

Nothing in a checkpoint is ever executed or imported.
"""

import inspect
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from s2s_zoo.checkpoints.weights import (
    STORED,
    assign,
    check_header,
    pack,
    read_header,
)
from s2s_zoo.layers.initial import to_be_loaded
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import (
    AGAIN,
    describe_file,
    read_json,
    verify_files,
)
from s2s_zoo.protocol.registry import check_keys, lookup

FORMAT_VERSION = 1
CONFIG, WEIGHTS, PROCESSOR = "config.json", "model.safetensors", "processor.json"
GENERATION, CARD = "generation.json", "README.md"
REQUIRED = (CONFIG, WEIGHTS, PROCESSOR, GENERATION)
SHORTLIST = "shortlist.safetensors"
EDITABLE = (CONFIG, GENERATION, CARD)  # written by people too, so config.json pins no hash of them
LARGEST_OPTION = 1 << 31
CONFIG_KEYS = ("format_version", "task", "languages", "model", "files")


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


def save_checkpoint(
    directory,
    task,
    model,
    processor,
    generation,
    languages=(),
    shortlist=None,
    card="",
    weights_dtype="float32",
):
    """Writes a checkpoint beside `directory`, then renames it into place.

    A full disk or a kill at any moment leaves the previous checkpoint as it was, or complete in
    `.<name>.previous`, from where loading and saving bring it back.

    Args:
        directory: str or path: absent, empty, or holding nothing but a checkpoint.
        task: str.
        model: a built `Seq2Seq`.
        processor: has `save(directory)`.
        generation: dict, plain JSON.
        languages: list of str.
        shortlist: a `Shortlist`, or None.
        card: str, the model card.
        weights_dtype: "float32", "float16", "bfloat16" or "int8", how the weights are stored.

    Raises:
        CheckpointError: if the directory holds anything else, or the disk refuses.
        ValueError: if `weights_dtype` is unknown or cannot hold a weight.
    """
    lookup(STORED, weights_dtype, "weights_dtype")
    description = model.get_config()
    directory = Path(directory).resolve()
    try:
        with _replace_directory(directory) as aside:
            (aside / WEIGHTS).write_bytes(pack(model, weights_dtype))
            processor.save(aside)
            if shortlist is not None:
                (aside / SHORTLIST).write_bytes(shortlist.pack())
            config = {
                "format_version": FORMAT_VERSION,
                "task": task,
                "languages": list(languages),
                "model": description,
                "files": {
                    path.name: describe_file(path)
                    for path in sorted(aside.iterdir())
                    if path.name not in EDITABLE
                },
            }
            for name, value in ((CONFIG, config), (GENERATION, generation)):
                (aside / name).write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
            (aside / CARD).write_text(card, encoding="utf-8")
    except OSError as error:
        raise CheckpointError(
            f"The checkpoint could not be saved to {directory}: {error.strerror or error}. "
            "What was there before is untouched; make room or choose another directory, and save "
            "again."
        ) from error


def load_checkpoint(directory, dtype=None):
    """Reads, verifies and rebuilds what `save_checkpoint` wrote.

    Args:
        directory: str or path.
        dtype: str, the Keras dtype policy of the model; None for the global one.

    Raises:
        CheckpointError: if a file is missing, altered or does not fit the others; the message
            names it and says what to do.
    """
    directory = Path(directory)
    config = read_config(directory)
    verify_files(directory, config["files"])
    generation = read_generation(directory / GENERATION)
    header = read_header(directory / WEIGHTS)

    from s2s_zoo.data.stored import load_processor
    from s2s_zoo.generation.shortlist import load as load_shortlist
    from s2s_zoo.model.seq2seq import Seq2Seq

    processor = load_processor(directory)
    check_header(header, config["model"], directory / WEIGHTS)
    with dtype_policy(dtype), to_be_loaded():
        model = Seq2Seq.from_config(config["model"])
    assign(model, directory / WEIGHTS)
    found = load_shortlist(directory / SHORTLIST) if SHORTLIST in config["files"] else None
    return Checkpoint(config["task"], model, processor, generation, config["languages"], found)


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


def read_generation(path):
    """Returns generation.json: options of the search, each of the kind of its default.

    Raises:
        CheckpointError: for a value of another kind; which options there are, `Pipeline` knows.
    """
    from s2s_zoo.generation import STRATEGIES
    from s2s_zoo.generation.rules import Rules

    options = read_json(path)
    defaults = {
        name: parameter.default
        for made in (*STRATEGIES.values(), Rules)
        for name, parameter in inspect.signature(made).parameters.items()
    }
    for name, value in options.items():
        if not _fits(value, defaults.get(name)):
            raise CheckpointError(
                f"{path} expected a value of {name} like {defaults.get(name)!r}, and no number "
                f"beyond {LARGEST_OPTION}. Received: {value!r:.80}."
            )
    return options


def _fits(value, default):
    """Whether a JSON value is of the kind of a default; None stands for anything plain."""
    if isinstance(default, tuple):
        return isinstance(value, list) and all(
            _fits(part, 0)
            for item in value
            for part in (item if isinstance(item, list) else [item])
        )
    if isinstance(default, bool | str):
        return type(value) is type(default)
    if isinstance(default, int | float):
        return type(value) in {int, type(default)} and abs(value) <= LARGEST_OPTION
    return value is None or any(_fits(value, kind) for kind in (0.0, "", False))


@contextmanager
def dtype_policy(dtype):
    """The Keras dtype policy of what is built in the block; None changes nothing."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(before if dtype is None else dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _siblings(directory):
    return (directory.with_name(f".{directory.name}.{kind}") for kind in ("saving", "previous"))


def recover(directory):
    """Brings back a checkpoint whose replacement was killed between its two renames."""
    _, previous = _siblings(directory.resolve())
    if previous.is_dir() and not directory.exists():
        previous.rename(directory)


@contextmanager
def _replace_directory(directory):
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
