"""Donut (Kim et al. 2021, 2111.15664): pages to forms, by a Swin and the decoder of an mBART."""

from s2s_zoo.checkpoints.pretrained import bart, mbart, trocr
from s2s_zoo.checkpoints.pretrained.family import Half
from s2s_zoo.protocol.types import Config


def describe(config: Config) -> Config:
    return {**mbart.describe(config)[1], "output_bias": False}


HALF = Half(
    defaults={
        "vocab_size": 50265,
        "d_model": 1024,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": True,
        **{f"{side}_layers": 12 for side in ("encoder", "decoder")},
        **{f"{side}_attention_heads": 16 for side in ("encoder", "decoder")},
        **{f"{side}_ffn_dim": 4096 for side in ("encoder", "decoder")},
        **bart.IDS,
    },
    unify=trocr.unify,
    describe=describe,
    names=bart.names,
)
