"""Every preset builds at its own size and takes a step at a small one."""

import json
import re

import keras
import numpy as np
import pytest

from s2s_zoo.model.presets import PRESETS, list_presets, preset
from s2s_zoo.model.seq2seq import Seq2Seq
from s2s_zoo.protocol import END, START
from s2s_zoo.training.losses import SmoothedCrossEntropy

SMALL = {"embedding_dim": 8, "units": 8, "hidden_dim": 8, "layers": 2, "dropout": 0.1}
SOURCE = np.array([[4, 5, 6, END], [7, 8, END, 0]], "int32")
TARGET = np.array([[START, 6, 5], [START, 8, 0]], "int32")
LABELS = np.array([[6, 5, END], [8, END, 0]], "int32")


def small(name):
    config = preset(name, 12)["model"]
    for part in ("encoder", "decoder"):
        config[part].update({key: value for key, value in SMALL.items() if key in config[part]})
    if config["encoder"].get("direction", "bidirectional") == "bidirectional":
        config["encoder"].update({"units": 4} if "units" in config["encoder"] else {})
    return config


@pytest.mark.parametrize("name", PRESETS)
def test_it_is_json_that_takes_a_step(name):
    keras.utils.set_random_seed(0)
    model = Seq2Seq.from_config(json.loads(json.dumps(small(name))))
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer=optimizer, loss=SmoothedCrossEntropy(), run_eagerly=True)
    inputs, weights = {"source": SOURCE, "target": TARGET}, (LABELS != 0).astype("float32")
    before = model.get_weights()
    loss = model.train_on_batch(inputs, LABELS, sample_weight=weights)
    assert np.isfinite(loss)
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert all(moved)


@pytest.mark.parametrize("name", PRESETS)
def test_its_own_size_trains_on_a_cpu(name):
    model = Seq2Seq.from_config(preset(name, 8000)["model"])
    assert 4e6 < model.count_params() < 13e6


def test_a_preset_is_a_copy_and_an_unknown_one_is_named():
    preset("cho-2014", 9)["model"]["encoder"]["units"] = 1
    assert preset("cho-2014")["model"]["encoder"]["units"] == 512
    assert "vocabulary_size" not in preset("cho-2014")["model"]["encoder"]
    with pytest.raises(ValueError, match="Did you mean 'luong-2015-global'"):
        preset("luong-2015-globl")


def test_the_names_are_in_the_order_of_their_years():
    years = [int(re.search(r"-(\d{4})", name)[1]) for name in list_presets()]
    assert len(years) == 10 and years == sorted(years)
