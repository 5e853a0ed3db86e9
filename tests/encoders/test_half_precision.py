"""Every encoder that attends, in bfloat16, as a checkpoint may be loaded."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders import ENCODERS
from s2s_zoo.layers.config import build_from
from tests import test_contract
from tests.compilations import one_program
from tests.variants import (
    AUDIO_ENCODERS,
    ENCODER_VARIANTS,
    IMAGE_ENCODERS,
    PATCHES_ENCODERS,
    VOCABULARY,
)

SIZES = {"vocabulary_size": VOCABULARY, "embedding_dim": 4}
ALL = {
    **{name: {**SIZES, **options} for name, options in ENCODER_VARIANTS.items()},
    **IMAGE_ENCODERS,
    **PATCHES_ENCODERS,
    **AUDIO_ENCODERS,
}
OTHERS = ("recurrent", "gnmt", "lstmn", "conv", "cnn", "pyramidal")
CONFIGS = {name: options for name, options in ALL.items() if options["name"] not in OTHERS}


def source_of(name):
    if name in IMAGE_ENCODERS:
        return test_contract.IMAGES
    if name in PATCHES_ENCODERS:
        return test_contract.PATCHES
    return test_contract.SOUND if name in AUDIO_ENCODERS else test_contract.SOURCE


def made(name, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        encoder = build_from(ENCODERS, dict(CONFIGS[name]), "encoder")
        encoder.build(source_of(name).shape)
        return encoder
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("name", CONFIGS)
def test_it_stays_near(name):
    exact, half = made(name, "float32"), made(name, "bfloat16")
    half.set_weights(exact.get_weights())
    memories = []
    for encoder in (exact, half):
        found = one_program(lambda source, encoder=encoder: encoder(source).memory)(source_of(name))
        memories.append(found)
    assert keras.backend.standardize_dtype(memories[1].dtype) == "bfloat16"
    here, there = (ops.convert_to_numpy(ops.cast(x, "float32")) for x in memories)
    assert np.isfinite(there).all()
    if "lsh" not in CONFIGS[name]:  # whose buckets may be others
        np.testing.assert_allclose(there, here, atol=0.3)
