"""Every encoder x attention x decoder the tables know, each with the options that matter."""

import itertools

from s2s_zoo.attention import ATTENTIONS
from s2s_zoo.decoders import DECODERS
from s2s_zoo.encoders import ENCODERS
from s2s_zoo.model import Seq2Seq

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
    "conv": {"name": "conv", "embedding_dim": 6, "units": 5, "layers": 2, "kernel_size": 5},
}
ATTENTION_VARIANTS = {
    "none": None,
    "bahdanau": {"name": "bahdanau", "units": 5},
    "bahdanau-normed": {"name": "bahdanau", "units": 5, "normalized": True},
    "bahdanau-coverage": {"name": "bahdanau", "units": 5, "coverage": True},
    "luong-dot": {"name": "luong", "score": "dot"},
    "luong-dot-scaled": {"name": "luong", "score": "dot", "scaled": True},
    "luong-general": {"name": "luong"},
    "luong-general-scaled": {"name": "luong", "scaled": True},
    "luong-concat": {"name": "luong", "score": "concat", "units": 5},
    "multi-head": {"name": "multi_head", "heads": 2},
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
}
# Some have their own attention.
OWN_ATTENTION = ("transformer", "ssru", "conv")
DECODER_VARIANTS |= {
    name: {**ENCODER_VARIANTS[name], **options}
    for name, options in {
        "transformer": {"tie_embeddings": True, "start_token": 2},
        "transformer-pre": {},
        "transformer-relative": {"output_bias": False},
        "conv": {"tie_embeddings": True, "kernel_size": 2},
    }.items()
}
DECODER_VARIANTS["ssru"] = {**DECODER_VARIANTS["transformer-pre"], "name": "ssru"}
# These meet a few attentions only: what they do with one is what the recurrent decoder does.
MEETINGS = {
    "conditional-gru": ("bahdanau-coverage", "luong-general"),
    "gnmt": ("bahdanau-coverage", "luong-dot"),
}
DECODER_VARIANTS |= {
    "conditional-gru": {"name": "conditional_gru", "tie_embeddings": True},
    "gnmt": {"name": "gnmt", "layers": 3},
}


def combinations():
    """(encoder, attention, decoder) names: every pair of two meets, the rest by turns."""
    for table, variants in (
        (ENCODERS, ENCODER_VARIANTS),
        (ATTENTIONS, ATTENTION_VARIANTS),
        (DECODERS, DECODER_VARIANTS),
    ):
        missing = set(table) - {v["name"] for v in variants.values() if v}
        if missing:
            raise ValueError(f"No variant in the contract test for: {sorted(missing)}.")
    encoders = itertools.cycle(ENCODER_VARIANTS)
    for attention, decoder in itertools.product(ATTENTION_VARIANTS, DECODER_VARIANTS):
        options = DECODER_VARIANTS[decoder]
        refused = {"query": "previous", "input_feeding": True, "bridge": "zero"}
        if options["name"] in OWN_ATTENTION:
            if attention != "multi-head":
                continue
            if decoder == "conv":
                yield "conv", attention, decoder
        elif decoder in MEETINGS:
            if attention not in MEETINGS[decoder]:
                continue
        elif attention == "none" and any(options.get(k) == v for k, v in refused.items()):
            continue
        yield next(encoders), attention, decoder


def covering(combinations):
    """A few of the combinations that together hold every variant: a diagonal of the table."""
    attentions, decoders = list(ATTENTION_VARIANTS), list(DECODER_VARIANTS)

    def diagonal(combination):
        _, attention, decoder = combination
        return (decoders.index(decoder) - attentions.index(attention)) % len(decoders)

    seen, chosen = set(), []
    for combination in sorted(combinations, key=diagonal):
        if not seen.issuperset(enumerate(combination)):
            chosen.append(combination)
            seen.update(enumerate(combination))
    return chosen


def config(encoder, attention, decoder, **options):
    """The model config of a combination."""
    sizes = {"vocabulary_size": VOCABULARY, "embedding_dim": 4}
    recurrent = {"units": 6, "attention": ATTENTION_VARIANTS[attention]}
    if DECODER_VARIANTS[decoder]["name"] in OWN_ATTENTION:
        recurrent = {}
    return {
        "encoder": {**sizes, **ENCODER_VARIANTS[encoder], **options},
        "decoder": {**sizes, **DECODER_VARIANTS[decoder], **recurrent, **options},
        "share_embeddings": False,
    }


def build(encoder, attention, decoder, **options):
    return Seq2Seq.from_config(config(encoder, attention, decoder, **options))
