import importlib

import keras
import numpy as np
import pytest

from s2s_zoo import Seq2Seq
from s2s_zoo.layers.policy import dtype_policy
from s2s_zoo.layers.recurrence import CELLS, recurrent_layer, run_layer

WORDS = {"vocabulary_size": 9, "embedding_dim": 4}
TEXTS = {
    "source": np.array([[4, 5, 6, 2], [7, 2, 0, 0]]),
    "target": np.array([[1, 5, 6], [1, 7, 0]]),
}


@pytest.fixture
def cudnn(monkeypatch):
    """The dtypes in which Keras asks JAX's cuDNN routine for an LSTM, as if there were a GPU."""
    rnn = pytest.importorskip("jax.experimental.rnn")
    asked = []

    def lstm(inputs, *args, **kwargs):
        asked.append(str(inputs.dtype))
        raise RuntimeError("no GPU here")  # upon which Keras computes without cuDNN

    monkeypatch.setattr(rnn, "lstm", lstm)
    of_keras = importlib.import_module("keras.src.backend.jax.rnn")
    monkeypatch.setattr(of_keras, "cudnn_ok", lambda *_, **__: True)
    return asked


on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="a routine of JAX")


@on_jax
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16", "float16"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_cudnn_of_jax_gets_no_half_precision_which_it_cannot_take(cudnn, cell, reverse, policy):
    with dtype_policy(policy):
        layer = recurrent_layer(cell, 3, "layer", reverse)
        layer.build((None, None, 4))
        outputs, _ = run_layer(layer, np.ones((2, 5, 4), "float32"))
    assert cudnn == []
    assert keras.backend.standardize_dtype(outputs.dtype) == layer.compute_dtype


@on_jax
def test_cudnn_of_jax_computes_an_lstm_in_float32(cudnn):
    layer = recurrent_layer("lstm", 3, "layer")
    run_layer(layer, np.ones((2, 5, 4), "float32"))
    assert cudnn == ["float32"]


@on_jax
def test_a_policy_given_to_a_layer_that_is_there_already_counts_too(cudnn):
    layer = recurrent_layer("lstm", 3, "layer")
    layer.dtype_policy = layer.cell.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
    run_layer(layer, np.ones((2, 5, 4), "float32"))
    assert cudnn == []


@on_jax
@pytest.mark.parametrize(
    "decoder",
    [
        {"name": "recurrent", "attention": None, "units": 4},
        {"name": "recurrent", "attention": "luong", "units": 4},
        {"name": "gnmt", "attention": {"name": "bahdanau", "units": 4}, "units": 4, "layers": 2},
    ],
)
def test_a_model_trains_in_half_precision_beside_cudnn(cudnn, decoder):
    with dtype_policy("mixed_bfloat16"):
        model = Seq2Seq({"name": "recurrent", **WORDS, "units": 3}, {**decoder, **WORDS})
        model(TEXTS, training=True)
    assert cudnn == []
