"""Attention mechanisms: one file and one line of the table each."""

from s2s_zoo.attention.bahdanau import BahdanauAttention
from s2s_zoo.attention.gated import GatedAttention
from s2s_zoo.attention.luong import LuongAttention
from s2s_zoo.attention.multi_head import MultiHeadAttention

ATTENTIONS = {
    "bahdanau": BahdanauAttention,
    "gated": GatedAttention,
    "luong": LuongAttention,
    "multi_head": MultiHeadAttention,
}
