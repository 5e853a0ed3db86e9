"""The unknown token of an answer, replaced by what the attention looked at in the source."""

from __future__ import annotations

from typing import Any

from s2s_zoo.protocol import END, PAD, UNK
from s2s_zoo.protocol.types import Config, Tensor


def allow_unknown(processor: Any, options: Config, defaults: Config) -> Config:
    """The options of a search that may write the unknown token.

    Args:
        processor: the processor of the pipeline.
        options: dict, those of the call.
        defaults: dict, those of the pipeline; where `suppress_tokens` has the unknown token it is
            taken out.

    Raises:
        ValueError: where the vocabulary never needs the unknown token, or the call suppresses it.
    """
    if processor.reads != "text" or not processor.target_tokenizer.has_unknown:
        raise ValueError(
            "replace_unknown=True needs a model that can write the unknown token, and a source of "
            "text. This one cannot: its vocabulary writes every character, or the unknown token is "
            "never written, as in checkpoints of the Hub. Leave replace_unknown=False."
        )
    if UNK in options.get("suppress_tokens", ()):
        raise ValueError(
            f"replace_unknown=True lets the search write the unknown token, {UNK}. Received: "
            f"suppress_tokens={options['suppress_tokens']!r}. Leave it out of them."
        )
    suppressed: Any = options.get("suppress_tokens", defaults["suppress_tokens"])
    return {**options, "suppress_tokens": [token for token in suppressed if token != UNK]}


def replace_unknown(
    processor: Any, tokens: Tensor, alignment: Tensor, text: str, source: str
) -> str:
    """An answer with the source in place of what is unknown.

    Each unknown token becomes the source unit with the most attention in its step (Luong et al.
    2015, 1410.8206, section 3, with the attention in place of their alignment).

    Args:
        processor: has a source and a target tokenizer.
        tokens: (T,) ids.
        alignment: (T, S) weights.
        text: str, the answer as it is.
        source: str.

    Returns:
        str.
    """
    tokens = tokens[(tokens != PAD) & (tokens != END)]
    if UNK not in tokens:
        return text
    units = processor.source_tokenizer.units(source)
    written = list(processor.target_pieces(tokens, source))
    for place in (tokens == UNK).nonzero()[0]:
        written[place] = units[alignment[place, : len(units)].argmax()]
    return processor.target_tokenizer.assemble(written)
