"""mT5 (Xue et al. 2020, 2010.11934): a T5 that never scales its logits."""

from dataclasses import replace

from s2s_zoo.checkpoints.pretrained import t5


def unify(config, tensors, directory):
    return {**config, "scale_decoder_outputs": False}, tensors


FAMILY = replace(t5.FAMILY, unify=unify)
