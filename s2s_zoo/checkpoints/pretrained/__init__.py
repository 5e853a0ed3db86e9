"""Checkpoints of the Hugging Face Hub in their own layout, read without torch or transformers.

Each family is a file that says which of our Transformers a published config describes, and what
its tensors are called. The attention, the blocks and the search are those of the package.
"""

from s2s_zoo.checkpoints.pretrained import (
    bart,
    m2m_100,
    marian,
    mbart,
    pegasus,
    t5,
    vision_encoder_decoder,
)

FAMILIES = {
    "marian": marian,
    "bart": bart,
    "mbart": mbart,
    "m2m_100": m2m_100,
    "pegasus": pegasus,
    "t5": t5,
    "mt5": t5,
    "vision-encoder-decoder": vision_encoder_decoder,
}
