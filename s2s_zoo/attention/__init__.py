"""Attention mechanisms: one file and one line of the table each."""

from s2s_zoo.attention.bahdanau import BahdanauAttention
from s2s_zoo.attention.luong import LuongAttention

ATTENTIONS = {
    "bahdanau": BahdanauAttention,
    "luong": LuongAttention,
}
