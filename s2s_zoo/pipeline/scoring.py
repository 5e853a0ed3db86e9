"""What a model gives to targets that are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from s2s_zoo.data.targets import require_text
from s2s_zoo.generation import Scorer
from s2s_zoo.generation.searcher import pad
from s2s_zoo.pipeline.answering import in_batches


def score_targets(
    scorer: Scorer, processor: Any, sources: Sequence[Any], targets: Sequence[str], batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The log-probability of each target and its number of tokens: see `Pipeline.score`.

    Returns:
        (N,) float32 and (N,) int32.

    Raises:
        ValueError: for lists of different lengths.
        TypeError: for a target that is no text.
    """
    if len(sources) != len(targets):
        raise ValueError(
            "score expected one target for each source. "
            f"Received: {len(sources)} sources, {len(targets)} targets."
        )
    texts, _ = processor.collect(list(sources))
    for text in targets:
        require_text(text)
    texts, targets = processor.protected(texts, targets)
    rows = processor.encode_source(texts)
    labels = processor.encode_target(targets, sources=texts)
    log_probs, lengths = np.zeros(len(rows), "float32"), np.zeros(len(rows), "int32")
    size = [(len(row), len(label)) for row, label in zip(rows, labels, strict=True)]
    most = getattr(getattr(scorer.model, "encoder", None), "longest", None)
    for batch in in_batches(sorted(range(len(size)), key=size.__getitem__), batch_size):
        found = scorer.score(pad([rows[i] for i in batch], most), pad([labels[i] for i in batch]))
        log_probs[batch], lengths[batch] = (values[: len(batch)] for values in found)
    return log_probs, lengths
