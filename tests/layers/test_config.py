"""Every layer of the tables is what its config says, and says so again."""

import json

import keras
import pytest

from s2s_zoo.attention import ATTENTIONS
from s2s_zoo.decoders import DECODERS
from s2s_zoo.encoders import ENCODERS
from s2s_zoo.layers.config import ConfiguredLayer, build_from, config_of
from tests.variants import (
    ATTENTION_VARIANTS,
    DECODER_VARIANTS,
    ENCODER_VARIANTS,
    IMAGE_ENCODERS,
    OWN_ATTENTION,
)

SIZES = {"vocabulary_size": 11, "embedding_dim": 4}


def layers():
    for name, config in (ENCODER_VARIANTS | IMAGE_ENCODERS).items():
        yield name, ENCODERS, config if name in IMAGE_ENCODERS else {**SIZES, **config}
    for name, config in ATTENTION_VARIANTS.items():
        if config is not None:
            yield name, ATTENTIONS, config
    for name, config in DECODER_VARIANTS.items():
        own = config["name"] in OWN_ATTENTION
        recurrent = {} if own else {"units": 6, "attention": {"name": "luong"}}
        yield name, DECODERS, {**SIZES, **recurrent, **config}


@pytest.mark.parametrize(
    ("table", "config"),
    [
        pytest.param(table, config, id=f"{config['name']}-{name}")
        for name, table, config in layers()
    ],
)
def test_a_layer_is_made_again_from_its_config(table, config):
    layer = build_from(table, config, "layer")
    config = layer.get_config()
    json.dumps({key: value for key, value in config.items() if key != "dtype"})
    again = type(layer).from_config(config)
    assert again.get_config() == config
    assert json.dumps(config_of(table, again)) == json.dumps(config_of(table, layer))


def test_arguments_that_are_kept_as_something_else():
    class Scaled(ConfiguredLayer):
        def __init__(self, scale, shift=0, **kwargs):
            super().__init__(**kwargs)
            self.scale, self.add = scale, keras.layers.Identity(name=str(shift))

        def in_config(self):
            return {"shift": int(self.add.name), "unknown": 1}

    config = Scaled(2, shift=3, name="s").get_config()
    assert list(config)[-2:] == ["scale", "shift"] and config["shift"] == 3
    assert Scaled.from_config(config).get_config() == config
