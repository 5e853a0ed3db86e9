"""Decoders: one file and one line of the table each."""

import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip  # before Keras is loaded

from s2s_zoo.decoders.attention_rnn import AttentionRNN as AttentionRNN
from s2s_zoo.decoders.conditional_gru import ConditionalGRUDecoder
from s2s_zoo.decoders.conv import ConvDecoder
from s2s_zoo.decoders.gnmt import GNMTDecoder
from s2s_zoo.decoders.memory import MemoryDecoder
from s2s_zoo.decoders.prefix import PrefixDecoder
from s2s_zoo.decoders.recurrent import RecurrentDecoder
from s2s_zoo.decoders.show_attend_tell import ShowAttendTellDecoder
from s2s_zoo.decoders.ssru import SSRUDecoder
from s2s_zoo.decoders.top_down import TopDownDecoder
from s2s_zoo.decoders.transformer import TransformerDecoder
from s2s_zoo.decoders.two_stream import TwoStreamDecoder

DECODERS = {
    "recurrent": RecurrentDecoder,
    "show_attend_tell": ShowAttendTellDecoder,
    "top_down": TopDownDecoder,
    "transformer": TransformerDecoder,
    "conditional_gru": ConditionalGRUDecoder,
    "gnmt": GNMTDecoder,
    "memory": MemoryDecoder,
    "ssru": SSRUDecoder,
    "conv": ConvDecoder,
    "prefix": PrefixDecoder,
    "two_stream": TwoStreamDecoder,
}
