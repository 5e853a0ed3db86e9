"""UMT5 (Chung et al. 2023, 2304.09151): a T5 with relative positions of its own in every layer."""

from dataclasses import replace

from s2s_zoo.checkpoints.pretrained import t5
from s2s_zoo.protocol.types import Config


def describe(config: Config) -> tuple[Config, Config]:
    encoder, decoder = (
        {**part, "relative_positions": {**part["relative_positions"], "shared": False}}
        for part in t5.describe(config)
    )
    return encoder, decoder


FAMILY = replace(
    t5.FAMILY, describe=describe, defaults={**t5.IDS, "feed_forward_proj": "gated-gelu"}
)
