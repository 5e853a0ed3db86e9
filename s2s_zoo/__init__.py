"""s2s_zoo: sequence-to-sequence models for Keras 3, with pretrained checkpoints."""

import importlib
import os
import platform

__version__ = "0.1.0"

if platform.machine() in ("x86_64", "AMD64"):
    # TensorFlow has its faster products, but uses them unasked only where AVX512 has VNNI.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_MODULES = (
    "attention",
    "callbacks",
    "data",
    "decoders",
    "encoders",
    "generation",
    "losses",
    "metrics",
    "plots",
    "self_critical",
    "shortlist",
)
_NAMES = {
    "from_pretrained": "loading",
    "Pipeline": "pipeline",
    "list_checkpoints": "hub",
    "export": "exporting",
    "Seq2Seq": "model",
    "preset": "presets",
    "explain": "explanation",
    "ensemble": "ensembles",
    "enable_lora": "lora",
    "RecurrentEncoder": "encoders",
    "RecurrentDecoder": "decoders",
    "TransformerEncoder": "encoders",
    "TransformerDecoder": "decoders",
    "CNNEncoder": "encoders",
    "ShowAttendTellDecoder": "decoders",
    "ConvEncoder": "encoders",
    "ConvDecoder": "decoders",
    "LSTMNEncoder": "encoders",
    "VisionTransformerEncoder": "encoders",
    "ConditionalGRUDecoder": "decoders",
    "GNMTDecoder": "decoders",
    "MemoryDecoder": "decoders",
    "SSRUDecoder": "decoders",
    "BahdanauAttention": "attention",
    "GatedAttention": "attention",
    "LuongAttention": "attention",
    "LocationAttention": "attention",
    "LocalAttention": "attention",
    "HybridAttention": "attention",
    "LocationSensitiveAttention": "attention",
    "MonotonicAttention": "attention",
    "MultiHeadAttention": "attention",
    "SentencePieceTokenizer": "data",
    "TextProcessor": "data",
    "ImageProcessor": "data",
    "WordTokenizer": "data",
    "CopyingProcessor": "data",
    "read_pairs": "data",
    "Generator": "generation",
    "greedy_search": "generation",
    "beam_search": "generation",
    "sample": "generation",
}

__all__ = ["__version__", *_MODULES, *_NAMES]


def __getattr__(name):
    """Imports a public name when it is first used: `import s2s_zoo` alone loads no Keras."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
