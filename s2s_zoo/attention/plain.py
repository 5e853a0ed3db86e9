"""The attentions that hold no other: what may stand inside a gate."""

from s2s_zoo.attention.bahdanau import BahdanauAttention
from s2s_zoo.attention.hybrid import HybridAttention
from s2s_zoo.attention.local import LocalAttention
from s2s_zoo.attention.location import LocationAttention
from s2s_zoo.attention.location_sensitive import LocationSensitiveAttention
from s2s_zoo.attention.luong import LuongAttention
from s2s_zoo.attention.monotonic import MonotonicAttention
from s2s_zoo.attention.multi_head import MultiHeadAttention

PLAIN = {
    "bahdanau": BahdanauAttention,
    "hybrid": HybridAttention,
    "local": LocalAttention,
    "location": LocationAttention,
    "location_sensitive": LocationSensitiveAttention,
    "luong": LuongAttention,
    "monotonic": MonotonicAttention,
    "multi_head": MultiHeadAttention,
}
