"""s2s_zoo: sequence-to-sequence models for Keras 3, with pretrained checkpoints."""

import importlib
import sys

from s2s_zoo.protocol import short_paths
from s2s_zoo.protocol.version import __version__

_ROOMS = ("attention", "data", "decoders", "encoders", "generation")
# Modules that are called by their last name: `s2s_zoo.callbacks`.
_SHORT = {
    "bulk": "apps.bulk",
    "callbacks": "training.callbacks",
    "distribution": "training.distribution",
    "errors": "protocol.errors",
    "losses": "training.losses",
    "metrics": "training.metrics",
    "optimizers": "training.optimizers",
    "plots": "pipeline.plots",
    "presets": "model.presets",
    "self_critical": "training.self_critical",
    "shortlist": "generation.shortlist",
}
_NAMES = {
    "from_pretrained": "pipeline.loading",
    "Pipeline": "pipeline.pipeline",
    "Pivot": "pipeline.pivoting",
    "Conversation": "pipeline.conversation",
    "Result": "pipeline.result",
    "list_checkpoints": "checkpoints.catalog",
    "average_checkpoints": "pipeline.ensembling",
    "export": "apps.exporting.export",
    "Seq2Seq": "model.seq2seq",
    "load_model": "model.keras_files",
    "preset": "model.presets",
    "list_presets": "model.presets",
    "explain": "apps.explaining.explanation",
    "ensemble": "pipeline.ensembling",
    "enable_lora": "training.lora",
    "RecurrentEncoder": "encoders",
    "RecurrentDecoder": "decoders",
    "TransformerEncoder": "encoders",
    "TransformerDecoder": "decoders",
    "CNNEncoder": "encoders",
    "ShowAttendTellDecoder": "decoders",
    "TopDownDecoder": "decoders",
    "ConvEncoder": "encoders",
    "ConvDecoder": "decoders",
    "LSTMNEncoder": "encoders",
    "VisionTransformerEncoder": "encoders",
    "SwinEncoder": "encoders",
    "PatchesEncoder": "encoders",
    "SpeechTransformerEncoder": "encoders",
    "WhisperEncoder": "encoders",
    "PyramidalEncoder": "encoders",
    "LogMelFeatures": "layers.log_mel",
    "ConditionalGRUDecoder": "decoders",
    "GNMTDecoder": "decoders",
    "MemoryDecoder": "decoders",
    "SSRUDecoder": "decoders",
    "PrefixDecoder": "decoders",
    "TwoStreamDecoder": "decoders",
    "AttentionRNN": "decoders",
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
    "AudioProcessor": "data",
    "WordTokenizer": "data",
    "CopyingProcessor": "data",
    "read_pairs": "data",
    "Generator": "generation",
    "greedy_search": "generation",
    "beam_search": "generation",
    "sample": "generation",
    "SmoothedCrossEntropy": "training.losses",
    "GenerationMetrics": "training.callbacks",
    "TrainingState": "training.callbacks",
    "data_parallel": "training.distribution",
    "fastest_precision": "training.precision",
    "plain_operations": "layers.kernels.native",
    "keep_compiled": "layers.kernels.on_disk",
    "PAD": "protocol",
    "START": "protocol",
    "END": "protocol",
    "UNK": "protocol",
    "S2SZooError": "protocol.errors",
    "TextWarning": "protocol.errors",
    "CheckpointError": "protocol.errors",
    "DataError": "protocol.errors",
    "DistributionError": "protocol.errors",
}

__all__ = ["__version__", *_ROOMS, *_SHORT, *_NAMES]

short_paths.install(__name__, _SHORT)


def __getattr__(name):
    """Imports a public name when it is first used: `import s2s_zoo` alone loads no Keras."""
    if name in _ROOMS or name in _SHORT:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)


if sys.modules.get("keras"):  # whose load_model finds our classes only where they are loaded
    importlib.import_module(f"{__name__}.model.keras_files")
