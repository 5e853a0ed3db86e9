"""The model directory of CTranslate2, with the pieces of our vocabularies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from s2s_zoo.checkpoints.on_ctranslate2 import check_convertible, package, positions_of, write_model
from s2s_zoo.generation.scorer import after_start, log_probs_of
from s2s_zoo.pipeline.on_ctranslate2 import call_of
from s2s_zoo.protocol import END, UNK

if TYPE_CHECKING:
    from s2s_zoo.generation.searcher import Search
    from s2s_zoo.pipeline.pipeline import Pipeline

TOLERANCE = 1e-3  # of the log-probability of a token
CHECKED = (3, 8)  # source and target lengths


def write_ctranslate2(
    pipeline: Pipeline, search: Search, directory: Path, quantization: str | None = None
) -> None:
    """Writes the model, what a search has to know, and the vocabularies: see `export`."""
    model, processor = pipeline.model, pipeline.processor
    check_convertible(model)
    limit = search.max_length or processor.max_target_length
    lengths = limit, processor.max_target_length, getattr(processor, "max_source_length", 0) or 0
    positions = positions_of(model, max(lengths))
    tokenizers = processor.source_tokenizer, processor.target_tokenizer
    source, target = (
        _distinct(tokenizer.pieces(range(tokenizer.vocabulary_size))) for tokenizer in tokenizers
    )
    about = {
        "task": pipeline.task,
        "translate_batch": {
            **call_of(search, target, positions),
            "max_decoding_length": limit,
        },
        "target_prefix": None if search.prefix is None else [target[x] for x in search.prefix],
    }
    # Other programs have tokenizers of imported checkpoints, which know of special tokens.
    adds_end = processor.TYPE != "pretrained"
    write_model(
        model,
        directory,
        (source, target),
        processor.unknown_id,
        positions,
        quantization,
        adds_end,
    )
    if quantization in (None, "float32"):
        _check(model, directory, source, target, adds_end)
    text = json.dumps(about, indent=2, ensure_ascii=False)
    (directory / "search.json").write_text(text + "\n", encoding="utf-8")
    processor.save_tokenizers(directory)


def _check(model, directory, source, target, adds_end):
    """Scores a little on both sides and compares: a conversion can go wrong without a word."""
    drawn = np.random.default_rng(0)
    rows, tokens = (
        np.append(drawn.integers(UNK + 1, len(pieces), length), END).astype("int32")[None]
        for pieces, length in zip((source, target), CHECKED, strict=True)
    )
    logits = model({"source": rows, "target": after_start(tokens)}, training=False)
    wanted = np.asarray(log_probs_of(tokens, logits))[0]
    translator = package().Translator(str(directory), device="cpu", compute_type="float32")
    read = [source[token] for token in rows[0]]
    written = [target[token] for token in tokens[0, :-1]]
    [found] = translator.score_batch([read[:-1] if adds_end else read], [written])
    if not np.allclose(found.log_probs, wanted, atol=TOLERANCE):
        raise ValueError(
            "The model in CTranslate2 does not give what the model gives: "
            f"{np.abs(found.log_probs - wanted).max():.3g} is between the log-probabilities of a "
            "token. Use another format."
        )


def _distinct(pieces):
    """The pieces of ids, each once: one that was there before gets its id behind it."""
    found: dict[str, int] = {}
    for i, piece in enumerate(pieces):
        found[f"{piece}#{i}" if piece in found else piece] = i
    return list(found)
