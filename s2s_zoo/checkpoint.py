"""A checkpoint directory: written whole or not at all, and verified before it is believed.

    config.json         format_version, task, languages, model (the configuration of `Seq2Seq`)
                        and, for every file that must not change, its sha256 and size
    model.safetensors   the weights by name, in float32, float16 or bfloat16
    processor.json      how raw input becomes ids and back, beside its tokenizer model
    generation.json     the defaults of the search
    README.md           the model card

Nothing in a checkpoint is ever executed or imported.
"""

import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from s2s_zoo.errors import CheckpointError, S2SZooError
from s2s_zoo.initial import to_be_loaded
from s2s_zoo.registry import check_keys, lookup

FORMAT_VERSION = 1
CONFIG, WEIGHTS, PROCESSOR = "config.json", "model.safetensors", "processor.json"
GENERATION, CARD = "generation.json", "README.md"
REQUIRED = (CONFIG, WEIGHTS, PROCESSOR, GENERATION)
EDITABLE = (CONFIG, GENERATION, CARD)  # written by people too, so config.json pins no hash of them
CONFIG_KEYS = ("format_version", "task", "languages", "model", "files")
DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
AGAIN = "Delete the directory and download or copy the checkpoint again."


class Checkpoint(NamedTuple):
    """What a directory holds.

    Attributes:
        task: str, such as "translation".
        model: a built `Seq2Seq` with its weights.
        processor: raw input to ids and back.
        generation: dict, the defaults of the search.
        languages: list of str, the codes of source and target, or empty.
    """

    task: str
    model: Any
    processor: Any
    generation: dict
    languages: list


def save_checkpoint(
    directory, task, model, processor, generation, languages=(), card="", weights_dtype="float32"
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
        card: str, the model card.
        weights_dtype: "float32", "float16" or "bfloat16", how the weights are stored.

    Raises:
        CheckpointError: if the directory holds anything else, or the disk refuses.
        ValueError: if `weights_dtype` is unknown or cannot hold a weight.
    """
    lookup(DTYPES, weights_dtype, "weights_dtype")
    directory = Path(directory).resolve()
    try:
        with _replace_directory(directory) as aside:
            (aside / WEIGHTS).write_bytes(_pack(model, weights_dtype))
            processor.save(aside)
            config = {
                "format_version": FORMAT_VERSION,
                "task": task,
                "languages": list(languages),
                "model": model.get_config(),
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


def load_checkpoint(directory):
    """Reads, verifies and rebuilds what `save_checkpoint` wrote.

    Raises:
        CheckpointError: if a file is missing, altered or does not fit the others; the message
            names it and says what to do.
    """
    directory = Path(directory)
    config = read_config(directory)
    verify_files(directory, config["files"])

    from s2s_zoo.data.processor import load_processor
    from s2s_zoo.model import Seq2Seq

    try:
        with to_be_loaded():
            model = Seq2Seq.from_config(config["model"])
        processor = load_processor(directory)
    except S2SZooError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{directory} does not describe a model of this version of s2s_zoo: {error}"
        ) from error
    _assign(model, directory / WEIGHTS)
    generation = read_json(directory / GENERATION)
    return Checkpoint(config["task"], model, processor, generation, config["languages"])


def read_config(directory):
    """Returns config.json as a dict, once the directory is known to look like a checkpoint."""
    missing = [name for name in REQUIRED if not (directory / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{directory} is not a complete checkpoint: {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing. A checkpoint directory holds "
            f"{', '.join(REQUIRED)} and the tokenizer; pass one that `save` wrote."
        )
    path = directory / CONFIG
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


def read_json(path):
    """Returns the JSON object in a file."""
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not readable JSON: {error}. {AGAIN}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} expected a JSON object. Received: {value!r:.50}. {AGAIN}")
    return value


def describe_file(path):
    """Returns {"sha256": hex digest, "size": bytes} of a file."""
    with path.open("rb") as file:
        return {
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
            "size": path.stat().st_size,
        }


def verify_files(directory, files):
    """Raises CheckpointError unless every file has its recorded size and sha256.

    Args:
        directory: path.
        files: dict {file name: {"sha256": hex digest, "size": bytes}}.
    """
    for name, recorded in files.items():
        path = directory / name
        if Path(name).name != name:
            raise CheckpointError(f"{directory} lists a file outside itself: {name!r}. {AGAIN}")
        if not path.is_file():
            raise CheckpointError(f"{path} is missing. {AGAIN}")
        found = describe_file(path)
        if found != recorded:
            sizes = [found["size"], recorded.get("size") if isinstance(recorded, dict) else None]
            raise CheckpointError(
                f"{path} is truncated or altered: {sizes[0]} bytes where {sizes[1]} were saved. "
                f"{AGAIN}"
                if sizes[0] != sizes[1]
                else f"{path} was altered: its sha256 is not the one recorded. {AGAIN}"
            )


def weights_by_name(model):
    """Returns {name: variable}: the path of each weight below the name of the model."""
    named = {weight.path.split("/", 1)[1]: weight for weight in model.weights}
    if len(named) != len(model.weights):
        raise ValueError("Two weights of the model share a path: give its layers distinct names.")
    return named


def _pack(model, weights_dtype):
    """Returns the bytes of the safetensors file."""
    import ml_dtypes
    import numpy as np
    from keras import ops
    from safetensors.numpy import save

    dtype = np.dtype(getattr(ml_dtypes, weights_dtype, weights_dtype))
    arrays, weights = {}, weights_by_name(model)
    for name, weight in weights.items():
        if "/lora_kernel_" in name:
            continue
        value = ops.convert_to_numpy(weight.value)
        factors = [name.removesuffix("kernel") + f"lora_kernel_{x}" for x in "ab"]
        if name.endswith("/kernel") and factors[0] in weights:
            value = value + np.matmul(*(ops.convert_to_numpy(weights[x]) for x in factors))
        with np.errstate(over="ignore"):
            arrays[name] = np.ascontiguousarray(value, dtype).reshape(value.shape)
        if not np.isfinite(arrays[name].astype("float32")).all():
            raise ValueError(
                f"save expected finite weights that fit {weights_dtype}. Received: {name} up to "
                f"{np.abs(value).max()}. Save in float32 or bfloat16, or train again if it is nan."
            )
    return save(arrays)


def _assign(model, path):
    """Gives `model` the tensors of the file, after comparing every name, shape and dtype."""
    import ml_dtypes
    import numpy as np
    import safetensors

    try:
        tensors = dict(safetensors.deserialize(path.read_bytes()))
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is corrupt: {error}. {AGAIN}") from error
    weights = weights_by_name(model)
    faults = [f"{name} is missing" for name in weights if name not in tensors]
    faults += [f"{name} is unexpected" for name in tensors if name not in weights]
    for name in weights.keys() & tensors.keys():
        shape, dtype = tuple(tensors[name]["shape"]), tensors[name]["dtype"]
        if shape != tuple(weights[name].shape):
            faults.append(f"{name} is {shape} where {tuple(weights[name].shape)} is expected")
        elif dtype not in DTYPES.values():
            faults.append(f"{name} is {dtype} where {', '.join(DTYPES.values())} is expected")
    if faults:
        listed = "; ".join(sorted(faults)[:10]) + ("; …" if len(faults) > 10 else "")
        raise CheckpointError(f"{path} does not fit the model of {CONFIG}: {listed}. {AGAIN}")
    kinds = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}
    for name, weight in weights.items():
        tensor = tensors[name]
        values = np.frombuffer(tensor["data"], kinds[tensor["dtype"]]).reshape(tensor["shape"])
        weight.assign(values.astype("float32"))


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
