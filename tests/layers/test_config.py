"""Every layer of the tables is what its config says, and says so again."""

import json

import keras
import pytest

from s2s_zoo.attention import ATTENTIONS
from s2s_zoo.decoders import DECODERS
from s2s_zoo.encoders import ENCODERS
from s2s_zoo.layers.config import ConfiguredLayer, build_from, config_of
from s2s_zoo.model.seq2seq import Seq2Seq
from tests.variants import (
    ATTENTION_VARIANTS,
    DECODER_VARIANTS,
    ENCODER_VARIANTS,
    IMAGE_ENCODERS,
    OWN_ATTENTION,
    PATCHES_ENCODERS,
)

SIZES = {"vocabulary_size": 11, "embedding_dim": 4}


def layers():
    others = IMAGE_ENCODERS | PATCHES_ENCODERS
    for name, config in (ENCODER_VARIANTS | others).items():
        yield name, ENCODERS, config if name in others else {**SIZES, **config}
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


@pytest.mark.parametrize(
    ("make", "given", "ours"),
    [
        (ATTENTIONS["bahdanau"], {"units": 4, "normalize": True}, "normalized"),  # of tfa
        (ATTENTIONS["luong"], {"scale": True}, "scaled"),
        (ATTENTIONS["multi_head"], {"num_heads": 2}, "heads"),  # of Keras
        (ATTENTIONS["multi_head"], {"key_dim": 2}, "head_dim"),
        (ENCODERS["transformer"], {**SIZES, "num_heads": 2}, "heads"),
        (ENCODERS["recurrent"], {**SIZES, "units": 4, "layer": 2}, "layers"),
        (DECODERS["recurrent"], {**SIZES, "units": 4, "dropout_rate": 0.1}, "dropout"),
        (Seq2Seq, {"encoder": None, "decoder": None, "share_embedding": True}, "share_embeddings"),
    ],
)
def test_an_unknown_argument_names_the_nearest_of_ours(make, given, ours):
    *_, name = given
    message = f"Unknown argument of {make.__name__}. Received: '{name}'. Did you mean '{ours}'"
    with pytest.raises(ValueError, match=message):
        make(**given)


def test_a_subclass_has_arguments_of_its_own_and_those_of_keras():
    class Named(ATTENTIONS["luong"]):
        def __init__(self, label="", **kwargs):
            super().__init__(**kwargs)
            self.label = label

    layer = Named("a", scaled=True, name="n", dtype="float16", trainable=False, autocast=False)
    assert (layer.label, layer.name, layer.scaled, layer.trainable) == ("a", "n", True, False)
    with pytest.raises(
        ValueError, match="Unknown argument of Named. Received: 'lable'. Did.*'label'"
    ):
        Named(lable="a")


@pytest.mark.parametrize("table", [ENCODERS, ATTENTIONS, DECODERS])
def test_a_class_in_place_of_a_layer_is_named(table):
    layer_class = next(iter(table.values()))
    with pytest.raises(
        ValueError, match=f"Received: the class {layer_class.__name__}. Make a layer"
    ):
        build_from(table, layer_class, "layer")


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
