"""The shortlist of a model, from the pairs it was trained on."""

from __future__ import annotations

from typing import Any

from s2s_zoo.generation.shortlist import Shortlist, build, check_narrow


def shortlist_of(model: Any, processor: Any, pairs: Any, **options: Any) -> Shortlist:
    """Builds the shortlist of a model: see `Pipeline.build_shortlist`."""
    from s2s_zoo.data import read_pairs

    check_narrow(model)
    sources, targets = processor.protected(*zip(*read_pairs(pairs), strict=True))
    return build(
        processor.encode_source(sources),
        processor.encode_target(targets),
        model.encoder.vocabulary_size,
        model.decoder.vocabulary_size,
        **options,
    )
