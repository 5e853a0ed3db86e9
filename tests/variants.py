"""Every encoder x attention x decoder the tables know, each with the options that matter."""

import itertools

from s2s_zoo.attention import ATTENTIONS
from s2s_zoo.attention.history import history_of
from s2s_zoo.decoders import DECODERS
from s2s_zoo.encoders import ENCODERS
from s2s_zoo.layers.config import build_from
from s2s_zoo.model.seq2seq import Seq2Seq

VOCABULARY = 11
WIDTHS = {"embedding_dim": 6, "hidden_dim": 7}

ENCODER_VARIANTS = {
    "bilstm": {"name": "recurrent", "units": 3},
    "forward-gru": {"name": "recurrent", "units": 6, "cell": "gru", "direction": "forward"},
    "reversed-rnn": {
        "name": "recurrent",
        "units": 6,
        "cell": "simple_rnn",
        "direction": "reversed",
    },
    "stacked-residual": {"name": "recurrent", "units": 3, "layers": 3, "residual": True},
    "gnmt": {
        "name": "recurrent",
        "units": 6,
        "layers": 3,
        "direction": "bidirectional_bottom",
        "residual": True,
    },
    "lstmn": {"name": "lstmn", "units": 6},
    "transformer": {"name": "transformer", "layers": 2, "heads": 2, **WIDTHS},
    "transformer-pre": {
        "name": "transformer",
        "layers": 1,
        "heads": 2,
        **WIDTHS,
        "norm": "pre",
        "positions": {"name": "learned", "length": 12, "offset": 2},
        "activation": "gelu",
        "embedding_norm": True,
        "scale_embedding": False,
    },
    "transformer-relative": {
        "name": "transformer",
        "layers": 2,
        "heads": 2,
        "head_dim": 3,
        **WIDTHS,
        "norm": "pre",
        "normalization": "rms",
        "positions": None,
        "relative_positions": {"buckets": 6, "max_distance": 5},
        "activation": "gelu_tanh",
        "gated": True,
        "scale_scores": False,
        "bias": False,
    },
    "transformer-lsh": {
        "name": "transformer",
        "layers": 1,
        "heads": 2,
        **WIDTHS,
        "lsh": {"buckets": 2, "chunk": 2, "rounds": 2},
    },
    "transformer-window": {
        "name": "transformer",
        "layers": 2,
        "heads": 2,
        **WIDTHS,
        "window": {"size": [2, 4], "first": 1},
    },
    "transformer-sparse": {
        "name": "transformer",
        "layers": 1,
        "heads": 2,
        **WIDTHS,
        "sparse": {"block": 1, "random": 0},
    },
    "transformer-summaries": {
        "name": "transformer",
        "layers": 1,
        "heads": 2,
        **WIDTHS,
        "window": {"size": 2, "block": 2},
        "relative_positions": {"buckets": 6, "max_distance": 5},
    },
    "conv": {"name": "conv", "embedding_dim": 6, "units": 5, "layers": 2, "kernel_size": 5},
}
# Slow to build, so it meets only those that were made for images.
IMAGE_ENCODERS = {
    "cnn": {
        "name": "cnn",
        "backbone": "mobilenet",
        "alpha": 0.25,
        "size": [64, 96],
        "projection": 6,
    },
    "cnn-two-scales": {
        "name": "cnn",
        "backbone": "mobilenet",
        "alpha": 0.25,
        "size": [64, 96],
        "projection": 6,
        "finer": "conv_pw_11_relu",
    },
    "vision-transformer": {
        "name": "vision_transformer",
        "size": [64, 96],
        "patch": 32,
        "class_tokens": 2,
        "embedding_norm": True,
        "activation": "gelu_sigmoid",
        "projection": 6,
        "projection_norm": True,
        "layers": 2,
        "heads": 2,
        **WIDTHS,
    },
    "swin": {
        "name": "swin",
        "size": [64, 96],
        "patch": 8,
        "embedding_dim": 4,
        "layers": [2, 1],
        "heads": [2, 1],
        "window": 3,
        "hidden_ratio": 1.5,
    },
}
IMAGE_COMBINATIONS = [
    ("cnn", "gated", "show-attend-tell"),
    ("cnn", "multi-head", "transformer"),
    ("cnn-two-scales", "bahdanau", "top-down"),
    ("vision-transformer", "multi-head", "transformer-pre"),
    ("swin", "multi-head", "transformer"),
]
PATCH = 2
PATCHES_ENCODERS = {
    "patches": {
        "name": "patches",
        "patch": PATCH,
        "longest": 20,
        "positions": 21,
        "layers": 2,
        "heads": 2,
        **WIDTHS,
    },
}
PATCHES_COMBINATIONS = [("patches", "multi-head", "transformer-pre")]
MELS = 5
AUDIO_ENCODERS = {
    "whisper": {"name": "whisper", "mels": MELS, "layers": 2, "heads": 2, **WIDTHS},
    "whisper-learned": {
        "name": "whisper",
        "mels": MELS,
        "layers": 1,
        "heads": 3,
        **WIDTHS,
        "positions": {"name": "learned", "length": 9},
        "activation": "relu",
    },
    "pyramidal": {"name": "pyramidal", "mels": MELS, "units": 3, "layers": 1},
    "speech-transformer": {
        "name": "speech_transformer",
        "mels": MELS,
        "channels": 4,
        "kernels": [3, 5],
        "layers": 1,
        "heads": 2,
        **WIDTHS,
    },
    "pyramidal-gru": {"name": "pyramidal", "mels": MELS, "units": 3, "layers": 2, "cell": "gru"},
}
OTHER_ENCODERS = IMAGE_ENCODERS | PATCHES_ENCODERS | AUDIO_ENCODERS  # of what is no text
AUDIO_COMBINATIONS = [
    ("whisper", "multi-head", "transformer-pre"),
    ("whisper-learned", "bahdanau", "gru-feeding"),
    ("pyramidal", "location-sensitive", "lstm"),
    ("speech-transformer", "multi-head", "transformer"),
    ("pyramidal-gru", "multi-head", "transformer"),
]
ATTENTION_VARIANTS = {
    "none": None,
    "bahdanau": {"name": "bahdanau", "units": 5},
    "bahdanau-normed": {"name": "bahdanau", "units": 5, "normalized": True},
    "bahdanau-coverage": {"name": "bahdanau", "units": 5, "coverage": True},
    "gated": {"name": "gated", "attention": {"name": "bahdanau", "units": 5}},
    "luong-dot": {"name": "luong", "score": "dot"},
    "luong-dot-scaled": {"name": "luong", "score": "dot", "scaled": True},
    "luong-general": {"name": "luong"},
    "luong-general-scaled": {"name": "luong", "scaled": True},
    "luong-concat": {"name": "luong", "score": "concat", "units": 5},
    "luong-sparsemax": {"name": "luong", "alignment": "sparsemax"},
    "multi-head": {"name": "multi_head", "heads": 2},
    "multi-head-top-k": {
        "name": "multi_head",
        "heads": 3,
        "alignment": {"name": "top_k", "k": 2},
    },
    "location": {"name": "location", "max_source_length": 9},
    "location-sensitive": {"name": "location_sensitive", "units": 5, "filters": 2, "width": 3},
    "local-m": {"name": "local", "position": "monotonic", "window": 1, "scores": "luong"},
    "local-p": {
        "name": "local",
        "window": 2,
        "scores": {"name": "bahdanau", "units": 5, "alignment": "entmax"},
    },
    "hybrid-m": {
        "name": "hybrid",
        "whole": {"name": "luong", "score": "dot"},
        "local": {"name": "local", "position": "monotonic", "window": 1},
    },
    "hybrid-p": {
        "name": "hybrid",
        "whole": {"name": "location", "max_source_length": 9},
        "local": {"name": "local", "window": 1, "renormalize": True},
    },
    "monotonic": {"name": "monotonic", "noise": 0.0, "initial_bias": 0.0},
}
DECODER_VARIANTS = {
    "lstm": {"name": "recurrent"},
    "gru-feeding": {"name": "recurrent", "cell": "gru", "input_feeding": True},
    "previous": {"name": "recurrent", "query": "previous", "tie_embeddings": True},
    "summary": {"name": "recurrent", "summary_feeding": True, "cell": "simple_rnn"},
    "stacked-tied": {
        "name": "recurrent",
        "layers": 2,
        "residual": True,
        "tie_embeddings": True,
        "bridge": "zero",
    },
    "previous-feeding-summary": {
        "name": "recurrent",
        "query": "previous",
        "input_feeding": True,
        "summary_feeding": True,
        "layers": 2,
    },
    "pointer": {"name": "recurrent", "pointer": True},
    "pointer-previous": {
        "name": "recurrent",
        "query": "previous",
        "pointer": True,
        "extra_ids": 3,
        "coverage_loss": 1.0,
    },
    "show-attend-tell": {"name": "show_attend_tell", "doubly_stochastic": 0.5},
    "show-attend-tell-stacked": {
        "name": "show_attend_tell",
        "layers": 2,
        "tie_embeddings": True,
        "reduction": "sum",
    },
}
# Some have their own attention.
OWN_ATTENTION = ("transformer", "ssru", "conv", "prefix", "two_stream")
DECODER_VARIANTS |= {
    name: {**ENCODER_VARIANTS[name.removesuffix("-pointer")], **options}
    for name, options in {
        "transformer": {"tie_embeddings": True, "start_token": 2},
        "transformer-pre": {},
        "transformer-relative": {"output_bias": False, "output_transform": True},
        "transformer-pointer": {"pointer": True, "extra_ids": 3},
        "conv": {"tie_embeddings": True, "kernel_size": 2},
    }.items()
}
DECODER_VARIANTS["ssru"] = {**DECODER_VARIANTS["transformer-pre"], "name": "ssru"}
DECODER_VARIANTS["prefix"] = {**DECODER_VARIANTS["transformer"], "name": "prefix"}
DECODER_VARIANTS["two-stream"] = {
    **DECODER_VARIANTS["transformer"],
    "name": "two_stream",
    "relative_positions": {"buckets": 4, "max_distance": 5},
}
DECODER_VARIANTS |= {
    "conditional-gru": {"name": "conditional_gru", "tie_embeddings": True},
    "gnmt": {"name": "gnmt", "layers": 3},
    "top-down": {"name": "top_down"},
    "top-down-tied": {"name": "top_down", "tie_embeddings": True},
    "memory": {"name": "memory", "cells": 3, "cell_dim": 5},
}


def attention_kind(attention):
    """What a decoder can tell attentions apart by: the class, and what it asks of the past."""
    options = ATTENTION_VARIANTS[attention]
    if options is None:
        return None
    return options["name"], history_of(build_from(ATTENTIONS, options, "attention"))


def _decoder_kind(decoder):
    """How a decoder asks its attention: the paths through the code that an attention can see."""
    options = DECODER_VARIANTS[decoder]
    if options["name"] in OWN_ATTENTION:
        return "its own"
    if options.get("query") == "previous" or options["name"] in (
        "gnmt",
        "show_attend_tell",
        "memory",
    ):
        return "before the cell"
    feeds = options.get("input_feeding") or options["name"] in ("conditional_gru", "top_down")
    return "in a loop" if feeds else "at once"


def _by_kind(variants, kind_of):
    kinds = {}
    for variant in variants:
        kinds.setdefault(kind_of(variant), []).append(variant)
    return kinds


def combinations():
    """(encoder, attention, decoder) names: every two kinds meet, and every variant is there.

    The whole product would run the same lines many times over. A decoder sees of its attention
    only what it asks of the past and the structure of its keys, and an attention of its decoder
    only how its queries come: all at once, one by one after the cell, or one by one before it. So
    each kind of attention meets each kind of decoder, the variants of both taking turns; more often
    if the kind has more variants than it has kinds to meet. An encoder is seen through its memory
    and mask alone, so encoders go round.
    """
    for table, variants in (
        (ENCODERS, ENCODER_VARIANTS | OTHER_ENCODERS),
        (ATTENTIONS, ATTENTION_VARIANTS),
        (DECODERS, DECODER_VARIANTS),
    ):
        missing = set(table) - {v["name"] for v in variants.values() if v}
        if missing:
            raise ValueError(f"No variant in the contract test for: {sorted(missing)}.")
    encoders = itertools.cycle(ENCODER_VARIANTS)
    decoders = _by_kind(DECODER_VARIANTS, _decoder_kind)
    for decoder in decoders.pop("its own"):
        yield next(encoders), "multi-head", decoder
    # The one decoder that looks for more than memory and mask.
    yield "conv", "multi-head", "conv"
    # Nothing of the source would reach the others.
    for decoder in ("lstm", "summary"):
        yield next(encoders), "none", decoder
    turns = {kind: itertools.cycle(names) for kind, names in decoders.items()}
    for kind, attentions in _by_kind(ATTENTION_VARIANTS, attention_kind).items():
        if kind is None:
            continue
        count = max(len(attentions), len(turns))
        pairs = zip(itertools.cycle(attentions), itertools.cycle(turns), strict=False)
        for attention, decoder_kind in itertools.islice(pairs, count):
            yield next(encoders), attention, next(turns[decoder_kind])


def covering(combinations, attention, encoder=str, decoder=str):
    """A few of the combinations with every encoder, attention and decoder among them.

    Each function tells which of them count as one.
    """
    kinds = (encoder, attention, decoder)
    wanted = {
        names: set(enumerate(kind(name) for kind, name in zip(kinds, names, strict=True)))
        for names in combinations
    }
    missing, chosen = set().union(*wanted.values()), []
    while missing:
        chosen.append(max(wanted, key=lambda names: len(wanted[names] & missing)))
        missing -= wanted[chosen[-1]]
    return chosen


def encoder_class(encoder):
    """The name of the class of an encoder."""
    return (ENCODER_VARIANTS | OTHER_ENCODERS)[encoder]["name"]


def attention_class(attention):
    """The name of the class of an attention, None of none."""
    return (ATTENTION_VARIANTS[attention] or {}).get("name")


def decoder_class(decoder):
    """The name of the class of a decoder."""
    return DECODER_VARIANTS[decoder]["name"]


def first_of_each(decoder, combinations):
    """Of every decoder the first combination; the function tells which decoders count as one."""
    found = {}
    for names in combinations:
        found.setdefault(decoder(names[2]), names)
    return list(found.values())


def config(encoder, attention, decoder, **options):
    """The model config of a combination."""
    sizes = {"vocabulary_size": VOCABULARY, "embedding_dim": 4}
    recurrent = {"units": 6, "attention": ATTENTION_VARIANTS[attention]}
    if DECODER_VARIANTS[decoder]["name"] in OWN_ATTENTION:
        recurrent = {}
    return {
        "encoder": OTHER_ENCODERS.get(encoder) or {**sizes, **ENCODER_VARIANTS[encoder], **options},
        "decoder": {**sizes, **DECODER_VARIANTS[decoder], **recurrent, **options},
        "share_embeddings": False,
    }


def build(encoder, attention, decoder, **options):
    return Seq2Seq.from_config(config(encoder, attention, decoder, **options))
