"""mT5 (Xue et al. 2020, 2010.11934): a T5 that never scales its logits."""

from dataclasses import replace
from pathlib import Path

from s2s_zoo.checkpoints.pretrained import t5
from s2s_zoo.checkpoints.pretrained.tensors import Tensors
from s2s_zoo.protocol.types import Config


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    return {**config, "scale_decoder_outputs": False, "tie_word_embeddings": True}, tensors


FAMILY = replace(t5.FAMILY, unify=unify, defaults={**t5.IDS, "feed_forward_proj": "gated-gelu"})
