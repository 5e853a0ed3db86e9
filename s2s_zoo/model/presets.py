"""Published architectures by name: the wiring of the paper, at sizes that train on a CPU."""

import copy

from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config


def _config(encoder, decoder, share_embeddings=False, **training):
    common = {"embedding_dim": 256, "dropout": 0.3}
    return {
        "model": {
            "encoder": {**common, **encoder},
            "decoder": {**common, **decoder},
            "share_embeddings": share_embeddings,
        },
        "training": training,
    }


def _luong(attention):
    """Stacked LSTMs over the reversed source; with an attention its answer is fed back."""
    stack = {"name": "recurrent", "units": 256, "layers": 2}
    return _config(
        {**stack, "direction": "reversed"},
        {**stack, "attention": attention, "input_feeding": attention is not None},
    )


def _transformer(encoder_layers, decoder, decoder_layers):
    """Three matrices in one, both embeddings and the output; dropout as in the paper."""
    part = {"heads": 4, "hidden_dim": 1024, "dropout": 0.1}
    return _config(
        {"name": "transformer", **part, "layers": encoder_layers},
        {"name": decoder, **part, "layers": decoder_layers, "tie_embeddings": True},
        share_embeddings=True,
        **SLOW_START,
    )


# What attends in every layer takes smaller steps, and longer to begin.
SLOW_START = {"learning_rate": 0.001, "warmup_steps": 800}

PRESETS = {
    # Sutskever, Vinyals & Le, 1409.3215: the source reaches the decoder as its first state.
    "sutskever-2014": _luong(None),
    # Cho et al., 1406.1078: GRUs, and the summary of the source at every step.
    "cho-2014": _config(
        {"name": "recurrent", "units": 512, "cell": "gru", "direction": "forward"},
        {
            "name": "recurrent",
            "units": 512,
            "cell": "gru",
            "attention": None,
            "summary_feeding": True,
        },
    ),
    # Bahdanau, Cho & Bengio, 1409.0473: a bidirectional encoder that the last state asks.
    "bahdanau-2015": _config(
        {"name": "recurrent", "units": 256, "cell": "gru"},
        {
            "name": "recurrent",
            "units": 512,
            "cell": "gru",
            "query": "previous",
            "attention": {"name": "bahdanau", "units": 256},
        },
    ),
    # Luong, Pham & Manning, 1508.04025: dot was best for global attention, general for local.
    "luong-2015-global": _luong({"name": "luong", "score": "dot"}),
    "luong-2015-local-m": _luong({"name": "local", "position": "monotonic", "scores": "luong"}),
    "luong-2015-local-p": _luong({"name": "local", "position": "predictive", "scores": "luong"}),
    # Wu et al., 1609.08144: a bidirectional bottom, residual layers, the bottom layer asks.
    "gnmt-2016": _config(
        {
            "name": "recurrent",
            "units": 256,
            "layers": 4,
            "direction": "bidirectional_bottom",
            "residual": True,
        },
        {
            "name": "gnmt",
            "units": 256,
            "layers": 4,
            "attention": {"name": "bahdanau", "units": 256, "normalized": True},
        },
    ),
    # Gehring et al., 1705.03122: convolutions; every layer of the decoder attends.
    "convs2s-2017": _config(
        {"name": "conv", "units": 256, "layers": 4, "dropout": 0.1},
        {"name": "conv", "units": 256, "layers": 3, "dropout": 0.1},
        **SLOW_START,
    ),
    # Vaswani et al., 1706.03762.
    "transformer-2017": _transformer(3, "transformer", 3),
    # Kim et al., D19-5632: a deep encoder and a shallow decoder, recurrent in place of
    # self-attention.
    "ssru-2019": _transformer(4, "ssru", 2),
}


def list_presets() -> list[str]:
    """Returns the names of the published architectures, oldest first."""
    return list(PRESETS)


def preset(name: str, vocabulary_size: int | None = None) -> Config:
    """The configuration of a published architecture.

    Args:
        name: str, a key of `PRESETS`.
        vocabulary_size: int, the number of tokens of source and of target; without it the config
            of the model lacks it.

    Returns:
        dict, to be changed as you like: "model", a config for `Seq2Seq.from_config`, and
        "training", what the translation recipe changes of its own settings.

    Raises:
        ValueError: for an unknown name; the message names the nearest.
    """
    config = copy.deepcopy(lookup(PRESETS, name, "preset"))
    if vocabulary_size is not None:
        for part in ("encoder", "decoder"):
            config["model"][part]["vocabulary_size"] = vocabulary_size
    return config
