"""From a name, an address or a directory to a pipeline."""

from typing import Any

from s2s_zoo.checkpoints.catalog import resolve
from s2s_zoo.checkpoints.directory import load_checkpoint
from s2s_zoo.pipeline.pipeline import Pipeline
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.forked import use
from s2s_zoo.protocol.registry import check_keys
from s2s_zoo.protocol.types import StrPath


def from_pretrained(
    name_or_path: StrPath, revision: str | None = None, dtype: str | None = None, **options: Any
) -> Pipeline:
    """Loads a pipeline, ready to call and compiled for `fit`.

    Args:
        name_or_path: a name of `list_checkpoints()`, "hf://organization/name", or a directory
            that `save` wrote; the last two also in the layout of transformers, of a family of
            `s2s_zoo.checkpoints.pretrained.FAMILIES`.
        revision: str, a branch, a tag or a commit of a repository on the Hub. A commit that is
            in the cache is loaded without a network.
        dtype: str, the dtype policy of the model: "float32"; "bfloat16", the fastest to call
            where the machine has bfloat16 products, too coarse to train; "mixed_bfloat16" or
            "mixed_float16" to train. None takes `keras.config.dtype_policy()`.
        **options: for the layout of transformers: "task", and the language codes "source" and
            "target".

    Raises:
        ValueError: for options that the checkpoint does not have.
        CheckpointError: if there is no such checkpoint, it cannot be downloaded, or it is
            incomplete, altered or does not fit together.
    """
    use()
    opened = resolve(name_or_path, revision)
    if opened.layout == "transformers":
        from s2s_zoo.checkpoints.pretrained.loader import load_pretrained

        check_keys(options, ("task", "source", "target"), "pretrained checkpoint")
        checkpoint = load_pretrained(opened, dtype, **options)
    else:
        check_keys(options, (), "checkpoint")
        checkpoint = load_checkpoint(opened, dtype)
    try:
        pipeline = Pipeline(*checkpoint)
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{opened.directory} cannot be used: {error}") from error
    pipeline.origin = str(name_or_path) + (f"@{revision}" if revision else "")
    pipeline.compile()
    return pipeline
