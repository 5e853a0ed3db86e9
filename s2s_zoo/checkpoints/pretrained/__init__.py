"""Checkpoints of the Hugging Face Hub in their own layout, read without torch or transformers.

Each family is a file with its `Family`: which of our Transformers a published config describes,
what its tensors are called, how its tokenizer is read. The attention, the blocks and the search
are those of the package.
"""

from s2s_zoo.checkpoints.pretrained import (
    bart,
    bigbird_pegasus,
    blenderbot,
    blenderbot_small,
    blip,
    ctranslate2,
    encoder_decoder,
    faster_whisper,
    git,
    led,
    longt5,
    m2m_100,
    marian,
    marian_npz,
    mbart,
    mt5,
    mvp,
    pegasus,
    plbart,
    speech_to_text,
    t5,
    umt5,
    vision_encoder_decoder,
    whisper,
)
from s2s_zoo.checkpoints.pretrained.family import Family

FAMILIES: dict[str, Family] = {
    "marian": marian.FAMILY,
    "bart": bart.FAMILY,
    "mbart": mbart.FAMILY,
    "m2m_100": m2m_100.FAMILY,
    "pegasus": pegasus.FAMILY,
    "t5": t5.FAMILY,
    "mt5": mt5.FAMILY,
    "umt5": umt5.FAMILY,
    "vision-encoder-decoder": vision_encoder_decoder.FAMILY,
    "whisper": whisper.FAMILY,
    "blip": blip.FAMILY,
    "encoder-decoder": encoder_decoder.FAMILY,
    "blenderbot": blenderbot.FAMILY,
    "blenderbot-small": blenderbot_small.FAMILY,
    "ctranslate2": ctranslate2.FAMILY,
    "faster-whisper": faster_whisper.FAMILY,
    "marian-npz": marian_npz.FAMILY,
    "plbart": plbart.FAMILY,
    "mvp": mvp.FAMILY,
    "led": led.FAMILY,
    "git": git.FAMILY,
    "longt5": longt5.FAMILY,
    "bigbird_pegasus": bigbird_pegasus.FAMILY,
    "speech_to_text": speech_to_text.FAMILY,
}
