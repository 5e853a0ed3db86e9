"""MVP (Tang et al. 2022, 2206.12131): a BART that was taught many tasks of writing."""

from dataclasses import replace

from s2s_zoo.checkpoints.pretrained import bart
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import Config


def describe(config: Config) -> tuple[Config, Config]:
    """As of a BART.

    Raises:
        CheckpointError: for prompts, keys and values that every layer has before those of a text.
    """
    if config.get("use_prompt", False):
        raise CheckpointError(
            "An MVP expected use_prompt=false: prompts of the layers are not read here. Received: "
            f"use_prompt={config['use_prompt']!r}. Use one without, such as RUCAIBox/mvp or "
            "RUCAIBox/mtl-summarization."
        )
    return bart.describe(config)


FAMILY = replace(bart.FAMILY, task="text2text", describe=describe)
