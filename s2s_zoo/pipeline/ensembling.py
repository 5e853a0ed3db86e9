"""Several checkpoints as one: by the mean of their weights, or of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

from s2s_zoo.checkpoints.weights import weights_by_name
from s2s_zoo.model.ensemble import Ensemble
from s2s_zoo.pipeline.loading import from_pretrained
from s2s_zoo.pipeline.pipeline import Pipeline
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import StrPath


def average_checkpoints(names: Sequence[StrPath], output: StrPath) -> None:
    """Saves a checkpoint whose weights are the arithmetic mean of those of others.

    Meant for the last or the best checkpoints of one training (Vaswani et al. 2017, 1706.03762,
    section 6.1). The defaults of the search are those of the first.

    Args:
        names: list of at least two names, addresses or directories for `from_pretrained`.
        output: str or path of the directory to write.

    Raises:
        CheckpointError: for fewer than two, or checkpoints whose vocabulary or configuration is
            not that of the first.
    """
    from keras import ops

    if len(names) < 2:
        raise CheckpointError(f"An average needs two checkpoints or more. Received: {len(names)}.")
    first = from_pretrained(names[0], dtype="float32")
    config = first.model.get_config()
    weights = weights_by_name(first.model)
    sums = {name: ops.convert_to_numpy(w).astype("float64") for name, w in weights.items()}
    for name in names[1:]:
        other = from_pretrained(name, dtype="float32")
        check_same_vocabulary(first, other, name)
        if other.model.get_config() != config:
            raise CheckpointError(
                f"{name} is of another model than {names[0]}: their configurations differ. Average "
                "checkpoints of one training, or search with both: s2s_zoo.ensemble."
            )
        for key, weight in weights_by_name(other.model).items():
            sums[key] += ops.convert_to_numpy(weight)
    for key, weight in weights.items():
        weight.assign((sums[key] / len(names)).astype("float32"))
    first.save(output)


def ensemble(members: Sequence[StrPath | Pipeline], dtype: str | None = None) -> Pipeline:
    """Returns a pipeline that searches with several models at once.

    At every step the next token has the mean of the members' probabilities (Sutskever et al. 2014,
    1409.3215, section 3.4). The members may differ in everything but task and vocabulary; the
    defaults of the search are those of the first.

    Args:
        members: list of names, addresses or directories for `from_pretrained`, or of Pipelines.
        dtype: as in `from_pretrained`.

    Raises:
        ValueError: for an empty list.
        CheckpointError: for members of different tasks or vocabularies, a Whisper, or one that
            cannot be loaded.
    """
    if isinstance(members, str) or not len(members):
        raise ValueError(f"ensemble expected a list of checkpoints. Received: {members!r}.")
    pipelines = [
        member if isinstance(member, Pipeline) else from_pretrained(member, dtype=dtype)
        for member in members
    ]
    first = pipelines[0]
    if first.transcriber is not None:
        raise CheckpointError(
            "ensemble expected models whose search several can share. Received: a Whisper, which "
            "goes through a recording window after window. Use one alone."
        )
    for number, pipeline in enumerate(pipelines[1:], 2):
        check_same_vocabulary(first, pipeline, f"Member {number}")
    model = Ensemble([pipeline.model for pipeline in pipelines])
    return Pipeline(first.task, model, first.processor, first.settings, first.languages)


def check_same_vocabulary(first: Pipeline, other: Pipeline, name: StrPath) -> None:
    """Raises CheckpointError unless two pipelines have one task and read and write the same ids."""
    if first.task != other.task:
        raise CheckpointError(
            f"{name} is of another task than the first: {other.task} instead of {first.task}."
        )
    if _vocabulary(first.processor) != _vocabulary(other.processor):
        raise CheckpointError(
            f"{name} has another vocabulary than the first, so their probabilities are of "
            "different tokens. Use checkpoints trained with the same tokenizer files."
        )


def _vocabulary(processor):
    lengths = ("max_source_length", "max_target_length")
    return {key: value for key, value in processor.get_config().items() if key not in lengths}
