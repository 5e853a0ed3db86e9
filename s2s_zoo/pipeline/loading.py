"""From a name, an address or a directory to a pipeline."""

import itertools
from collections.abc import Sequence
from typing import Any, overload

from s2s_zoo.checkpoints.catalog import find_translation, resolve
from s2s_zoo.checkpoints.directory import load_checkpoint
from s2s_zoo.pipeline.engines import named_engine
from s2s_zoo.pipeline.pipeline import Pipeline
from s2s_zoo.pipeline.pivoting import Pivot
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.forked import use
from s2s_zoo.protocol.registry import check_keys
from s2s_zoo.protocol.types import StrPath


@overload
def from_pretrained(
    name_or_path: StrPath,
    revision: str | None = None,
    dtype: str | None = None,
    engine: str = "keras",
    **options: Any,
) -> Pipeline: ...


@overload
def from_pretrained(
    name_or_path: list[str] | tuple[str, ...], *, dtype: str | None = None, engine: str = "keras"
) -> Pivot: ...


@overload
def from_pretrained(
    *, source: str, target: str, via: None = None, dtype: str | None = None, engine: str = "keras"
) -> Pipeline: ...


@overload
def from_pretrained(
    *,
    source: str,
    target: str,
    via: str | Sequence[str],
    dtype: str | None = None,
    engine: str = "keras",
) -> Pivot: ...


def from_pretrained(
    name_or_path: StrPath | list[str] | tuple[str, ...] | None = None,
    revision: str | None = None,
    dtype: str | None = None,
    engine: str = "keras",
    **options: Any,
) -> Pipeline | Pivot:
    """Loads a pipeline, ready to call and compiled for `fit`.

        from_pretrained("translation-de-en")
        from_pretrained(source="de", target="en")  # the checkpoint that is listed for these
        from_pretrained(["translation-fr-en", "translation-en-de"])  # one after the other
        from_pretrained(source="fr", target="de", via="en")  # the same

    Args:
        name_or_path: a name of `list_checkpoints()`, "hf://organization/name", or a directory
            that `save` wrote; the last two also in the layout of transformers, of a family of
            `s2s_zoo.checkpoints.pretrained.FAMILIES`, or as CTranslate2 or Marian wrote it. A list
            of them is a `Pivot`, which translates through the languages in between;
            `s2s_zoo.ensemble` is another thing, several models of one vocabulary that search
            together.
        revision: str, a branch, a tag or a commit of a repository on the Hub. A commit that is
            in the cache is loaded without a network.
        dtype: str, the dtype policy of the model: "float32"; "bfloat16", the fastest to call
            where the machine has bfloat16 products, too coarse to train; "mixed_bfloat16" or
            "mixed_float16" to train. None takes `keras.config.dtype_policy()`. With another
            engine the precision that it computes in: "float32", which None is, "int8", …
        engine: "keras", or "ctranslate2" (`pip install 's2s-zoo[ctranslate2]'`), which searches
            with the same weights, converted once into a private cache, on the CPU: Transformers
            that read and write text. What it cannot do is refused, and its beam search always has
            `early_stopping=True, renormalize=True`. Such a pipeline does not train.
        **options: for the layout of transformers: "task", and the language codes "source" and
            "target". Without a name: "source", "target" and, for a `Pivot`, "via", the language in
            between, or a list of them.

    Raises:
        ValueError: for options that the checkpoint does not have.
        CheckpointError: if there is no such checkpoint, it cannot be downloaded, or it is
            incomplete, altered or does not fit together.
    """
    use()
    if name_or_path is None:
        names = _between(**options)
        return from_pretrained(names if len(names) > 1 else names[0], revision, dtype, engine)
    if isinstance(name_or_path, list | tuple):
        if revision is not None or options:
            said = ", ".join([*options, *(["revision"] if revision is not None else [])])
            raise ValueError(
                f"{said} belongs to one checkpoint. Received: a list of {len(name_or_path)}. Load "
                "each with its own, and give the pipelines to s2s_zoo.Pivot([…])."
            )
        return Pivot([from_pretrained(name, dtype=dtype, engine=engine) for name in name_or_path])
    if "via" in options:
        raise ValueError(
            f"via finds checkpoints by source=… and target=… alone. Received: {name_or_path!r} "
            "with it. Give the names of all, in a list."
        )
    searches = named_engine(engine, dtype)
    dtype = dtype if searches is None else "float32"
    opened = resolve(name_or_path, revision)
    if opened.layout == "transformers":
        from s2s_zoo.checkpoints.pretrained.loader import load_pretrained

        check_keys(options, ("task", "source", "target"), "pretrained checkpoint")
        checkpoint = load_pretrained(opened, dtype, **options)
    else:
        check_keys(options, ("task",), "checkpoint")
        checkpoint = load_checkpoint(opened, dtype)
        if options.get("task", checkpoint.task) != checkpoint.task:
            raise ValueError(
                f"{name_or_path} is a checkpoint for {checkpoint.task}. Received: task="
                f"{options['task']!r}. Leave it out."
            )
    try:
        pipeline = Pipeline(*checkpoint, engine=searches)
    except CheckpointError:
        raise
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{opened.directory} cannot be used: {error}") from error
    pipeline.origin = str(name_or_path) + (f"@{revision}" if revision else "")
    if searches is None:
        pipeline.compile()
    return pipeline


def _between(source=None, target=None, via=(), **options):
    """The names of the checkpoints from a language to another, through those in between."""
    check_keys(options, ("source", "target", "via"), "choice of a checkpoint by its languages")
    if source is None or target is None:
        raise ValueError(
            "from_pretrained expected a name, a list of names, or source=… and target=…. "
            f"Received: source={source!r}, target={target!r}."
        )
    middle = [via] if isinstance(via, str) else list(via or ())
    return [find_translation(*pair) for pair in itertools.pairwise([source, *middle, target])]
