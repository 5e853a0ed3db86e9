"""Attention mechanisms: one file and one line of a table each."""

import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip  # before Keras is loaded

from s2s_zoo.attention.bahdanau import BahdanauAttention
from s2s_zoo.attention.gated import GatedAttention
from s2s_zoo.attention.hybrid import HybridAttention
from s2s_zoo.attention.local import LocalAttention
from s2s_zoo.attention.location import LocationAttention
from s2s_zoo.attention.location_sensitive import LocationSensitiveAttention
from s2s_zoo.attention.luong import LuongAttention
from s2s_zoo.attention.monotonic import MonotonicAttention
from s2s_zoo.attention.multi_head import MultiHeadAttention
from s2s_zoo.attention.plain import PLAIN

__all__ = [
    "ATTENTIONS",
    "BahdanauAttention",
    "GatedAttention",
    "HybridAttention",
    "LocalAttention",
    "LocationAttention",
    "LocationSensitiveAttention",
    "LuongAttention",
    "MonotonicAttention",
    "MultiHeadAttention",
]

ATTENTIONS = {**PLAIN, "gated": GatedAttention}
