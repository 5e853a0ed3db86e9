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

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2s_zoo.checkpoints.contents import (
    Checkpoint,
    Opened,
    check_generation,
    check_opened,
    open_directory,
)
from s2s_zoo.checkpoints.layout import (
    CARD,
    CONFIG,
    EDITABLE,
    GENERATION,
    SHORTLIST,
    WEIGHTS,
)
from s2s_zoo.checkpoints.processors import load_processor
from s2s_zoo.checkpoints.replacing import replace_directory
from s2s_zoo.checkpoints.weights import STORED, assign, check_header, pack
from s2s_zoo.layers.initial import to_be_loaded
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import describe_file, read_json, verify_files
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.safetensors_file import read_header
from s2s_zoo.protocol.types import Config, StrPath

if TYPE_CHECKING:
    from s2s_zoo.generation.shortlist import Shortlist
    from s2s_zoo.model.seq2seq import Seq2Seq


def save_checkpoint(
    directory: StrPath,
    task: str,
    model: Seq2Seq,
    processor: Any,
    generation: Config,
    languages: Iterable[str] = (),
    shortlist: Shortlist | None = None,
    card: str = "",
    weights_dtype: str = "float32",
) -> None:
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
        ValueError: if `weights_dtype` is unknown or cannot hold a weight, or for a model that is
            quantized.
    """
    lookup(STORED, weights_dtype, "weights_dtype")
    description = model.get_config()
    if "quantized" in description:
        raise ValueError(
            "A checkpoint expected a model in floats. Received: a quantized one. Save it before "
            '`quantize`, small with weights_dtype="int8", or as Keras does: model.save("x.keras").'
        )
    directory = Path(directory).resolve()
    try:
        with replace_directory(directory) as aside:
            (aside / WEIGHTS).write_bytes(pack(model, weights_dtype))
            processor.save(aside)
            if shortlist is not None:
                (aside / SHORTLIST).write_bytes(shortlist.pack())
            config = {
                "format_version": processor.format_version,
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


def load_checkpoint(checkpoint: Opened | StrPath, dtype: str | None = None) -> Checkpoint:
    """Reads, verifies and rebuilds what `save_checkpoint` wrote.

    Args:
        checkpoint: str or path of a directory, or one that is `Opened`.
        dtype: str, the Keras dtype policy of the model; None for the global one.

    Raises:
        CheckpointError: if a file is missing, altered or does not fit the others; the message
            names it and says what to do.
    """
    if not isinstance(checkpoint, Opened):
        checkpoint = open_directory(Path(checkpoint))
    check_opened(checkpoint)
    directory, config = checkpoint.directory, checkpoint.config
    verify_files(directory, config["files"], checkpoint.verified)
    generation = read_json(directory / GENERATION)
    check_generation(generation, directory / GENERATION)
    header = read_header(directory / WEIGHTS)

    from s2s_zoo.checkpoints.shortlists import load_shortlist
    from s2s_zoo.layers.policy import dtype_policy
    from s2s_zoo.model.seq2seq import Seq2Seq

    processor = load_processor(directory)
    check_header(header, config["model"], directory / WEIGHTS)
    with dtype_policy(dtype), to_be_loaded():
        model = Seq2Seq.from_config(config["model"])
    assign(model, directory / WEIGHTS)
    found = load_shortlist(directory / SHORTLIST) if SHORTLIST in config["files"] else None
    languages = checkpoint.languages or config["languages"]
    return Checkpoint(config["task"], model, processor, generation, languages, found)
