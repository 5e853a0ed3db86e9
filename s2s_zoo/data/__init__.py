"""From raw text to ids and batches. TensorFlow is imported only where batches of it are made."""

from importlib import import_module

from s2s_zoo.data.audio_processor import AudioProcessor
from s2s_zoo.data.augmentation import Augmentation
from s2s_zoo.data.copying import CopyingProcessor
from s2s_zoo.data.image_processor import ImageProcessor
from s2s_zoo.data.images import image_files, read_image
from s2s_zoo.data.lines import read_lines
from s2s_zoo.data.mirrored import mirrored_caption
from s2s_zoo.data.pairs import read_pairs
from s2s_zoo.data.patches import in_patches
from s2s_zoo.data.processor import TextProcessor
from s2s_zoo.data.stored import TOKENIZERS
from s2s_zoo.data.tokenizers import SentencePieceTokenizer
from s2s_zoo.data.words import WordTokenizer

# Training batches need Keras, and with it its backend: imported when first asked for.
_LAZY = {
    "AudioBatches": "recordings",
    "CaptionBatches": "captions",
    "FeatureCache": "features",
    "TokenBatches": "batching",
    "batches": "batching",
    "stream_batches": "streaming",
    "stream_pairs": "streaming",
}

__all__ = [
    "TOKENIZERS",
    "AudioProcessor",
    "Augmentation",
    "CopyingProcessor",
    "ImageProcessor",
    "SentencePieceTokenizer",
    "TextProcessor",
    "WordTokenizer",
    "image_files",
    "in_patches",
    "mirrored_caption",
    "read_image",
    "read_lines",
    "read_pairs",
    *_LAZY,
]


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
