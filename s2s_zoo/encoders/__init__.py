"""Encoders: one file and one line of the table each."""

import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip  # before Keras is loaded

from s2s_zoo.encoders.cnn import CNNEncoder
from s2s_zoo.encoders.conv import ConvEncoder
from s2s_zoo.encoders.lstmn import LSTMNEncoder
from s2s_zoo.encoders.patches import PatchesEncoder
from s2s_zoo.encoders.pyramidal import PyramidalEncoder
from s2s_zoo.encoders.recurrent import RecurrentEncoder
from s2s_zoo.encoders.speech_transformer import SpeechTransformerEncoder
from s2s_zoo.encoders.swin import SwinEncoder
from s2s_zoo.encoders.transformer import TransformerEncoder
from s2s_zoo.encoders.vision_transformer import VisionTransformerEncoder
from s2s_zoo.encoders.whisper import WhisperEncoder

ENCODERS = {
    "cnn": CNNEncoder,
    "recurrent": RecurrentEncoder,
    "transformer": TransformerEncoder,
    "conv": ConvEncoder,
    "lstmn": LSTMNEncoder,
    "vision_transformer": VisionTransformerEncoder,
    "pyramidal": PyramidalEncoder,
    "whisper": WhisperEncoder,
    "swin": SwinEncoder,
    "speech_transformer": SpeechTransformerEncoder,
    "patches": PatchesEncoder,
}
