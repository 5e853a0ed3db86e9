"""What searches in place of Keras, with the same weights: its models, converted once, and where."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from s2s_zoo.checkpoints.on_ctranslate2 import (
    check_convertible,
    package,
    positions_of,
    write_model,
)
from s2s_zoo.pipeline.fingerprint import fingerprint_of_model
from s2s_zoo.pipeline.on_ctranslate2 import (
    CTranslate2Scorer,
    CTranslate2Searcher,
    names_of,
    settings_of,
)
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.kept import private_folder
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config

if TYPE_CHECKING:
    from s2s_zoo.generation.searcher import Searcher

ENGINES = {"keras": None, "ctranslate2": package}
LAYOUT = 1  # of what is written; another number is converted anew


class Engine(NamedTuple):
    """What searches in place of Keras.

    Attributes:
        name: str, "ctranslate2".
        dtype: str, the precision that it computes in.
    """

    name: str
    dtype: str = "float32"


def named_engine(name: str, dtype: str | None = None) -> Engine | None:
    """The engine of a name, None for Keras.

    Raises:
        ValueError: for an unknown engine.
        CheckpointError: where it is not installed, or has no such precision on this machine.
    """
    load = lookup(ENGINES, name, "engine")
    if load is None:
        return None
    kinds = sorted(load().get_supported_compute_types("cpu"))
    if dtype is not None and dtype not in kinds:
        raise CheckpointError(
            f"CTranslate2 computes in {', '.join(kinds)} on this machine. Received: "
            f"dtype={dtype!r}. Choose one of these."
        )
    return Engine(name, dtype or "float32")


def check_trains(engine: Engine | None) -> None:
    """Raises ValueError where a pipeline has an engine, which would not learn with its model."""
    if engine is not None:
        raise ValueError(
            f"A pipeline that searches in {engine.name} has the weights of its checkpoint and does "
            f"not train. Received: engine={engine.name!r}. Load the checkpoint without it."
        )


def engine_of(
    engine: Engine, searcher: Searcher, processor: Any, generation: Mapping[str, Any]
) -> tuple[CTranslate2Searcher, CTranslate2Scorer, Config]:
    """The searcher, the scorer and the defaults of the search of a pipeline with an engine.

    Args:
        engine: an `Engine`.
        searcher: the `Searcher` of the pipeline in Keras.
        processor: its processor.
        generation: dict, the defaults of its search.

    Raises:
        ValueError: for a model that the engine cannot hold.
        CheckpointError: where it is not installed, or the cache cannot be used.
    """
    model = searcher.model
    check_convertible(model)
    lengths = getattr(processor, "max_source_length", None), processor.max_target_length
    positions = positions_of(model, max(length or 0 for length in lengths))
    translator = _translator(model, processor.unknown_id, positions, engine.dtype)
    found = CTranslate2Searcher(searcher, translator, positions)
    return found, CTranslate2Scorer(found), settings_of(generation)


def _translator(model, unknown, positions, dtype):
    """The `ctranslate2.Translator` of a model, converted where it is not in the cache."""
    library, names = package(), names_of(model)
    about = {
        "model": fingerprint_of_model(model),
        "layout": LAYOUT,
        "positions": positions,
        "dtype": dtype,
        "ctranslate2": library.__version__,
    }
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
    kept = private_folder("ctranslate2", "converted models") / key

    def opened():
        return library.Translator(str(kept), device="cpu", compute_type=dtype)

    if kept.is_dir():
        try:
            return opened()
        except (RuntimeError, ValueError):  # something took a part of it away
            shutil.rmtree(kept, ignore_errors=True)
    sizes = model.encoder.vocabulary_size, model.decoder.vocabulary_size
    try:
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".converting-") as folder:
            made, vocabularies = Path(folder) / key, tuple(names[:size] for size in sizes)
            write_model(model, made, vocabularies, unknown, positions, dtype)
            if not kept.is_dir():  # another process may have been faster
                os.replace(made, kept)
        return opened()
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"The model could not be converted into {kept.parent}: {error}. Make room, or set "
            "XDG_CACHE_HOME to another directory."
        ) from error
