"""Pipelines as checkpoints, in a directory and on the Hub."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2s_zoo.checkpoints.card import model_card
from s2s_zoo.checkpoints.directory import save_checkpoint
from s2s_zoo.protocol.types import StrPath

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline


def save(
    pipeline: Pipeline, directory: StrPath, weights_dtype: str = "float32", card: str | None = None
) -> None:
    """Writes a checkpoint directory: see `Pipeline.save`."""
    save_checkpoint(
        directory,
        pipeline.task,
        pipeline.model,
        pipeline.processor,
        pipeline.settings,
        pipeline.languages,
        card=short_card(pipeline, "the path of this directory") if card is None else card,
        weights_dtype=weights_dtype,
        shortlist=pipeline.shortlist,
    )


def push_to_hub(
    pipeline: Pipeline, repo_id: str, weights_dtype: str, card: str | None, **options: Any
) -> Any:
    """Saves, and uploads in one commit: see `Pipeline.push_to_hub`."""
    from s2s_zoo.checkpoints.publish import push

    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "checkpoint"
        save(pipeline, directory, weights_dtype, card or short_card(pipeline, f"hf://{repo_id}"))
        return push(directory, repo_id, **options)


def short_card(pipeline: Pipeline, source: str) -> str:
    """A model card for a checkpoint nobody has written one for; `source` is what loads it."""
    entry = {
        "task": pipeline.task,
        "languages": pipeline.languages,
        "parameters": pipeline.model.count_params(),
    }
    return model_card("-".join([pipeline.task, *pipeline.languages]), entry, source)
