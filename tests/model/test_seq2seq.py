import warnings

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders import RecurrentDecoder
from s2s_zoo.encoders import RecurrentEncoder
from s2s_zoo.generation import Generator
from s2s_zoo.model.seq2seq import Seq2Seq
from s2s_zoo.training.losses import SmoothedCrossEntropy
from tests.variants import VOCABULARY, config


def batch(rows, source_length, target_length):
    rng = np.random.default_rng(0)
    source = rng.integers(4, VOCABULARY, (rows, source_length)).astype("int32")
    target = rng.integers(4, VOCABULARY, (rows, target_length)).astype("int32")
    weights = np.ones((rows, target_length), "float32")
    return {"source": source, "target": target}, target, weights


class Batches(keras.utils.PyDataset):
    shapes = [(2, 3, 4), (3, 5, 2), (2, 6, 6)]

    def __len__(self):
        return len(self.shapes)

    def __getitem__(self, index):
        return batch(*self.shapes[index])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="traces of TensorFlow")
def test_fit_traces_once_for_every_shape():
    model = Seq2Seq.from_config(config("bilstm", "luong-general", "lstm"))
    traces = []
    call = model.call

    def counted(inputs, training=False):
        traces.append(tuple(inputs["source"].shape))
        return call(inputs, training=training)

    model.call = counted
    model.compile(optimizer="sgd", loss=SmoothedCrossEntropy(), jit_compile=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(Batches(), epochs=3, verbose=0)
    assert sorted(set(traces)) == [(2, 3), (2, 6), (3, 5)]
    assert len(traces) <= 4  # Keras looks at the first batch once more


def test_shared_embeddings_are_one_weight_and_survive_the_config():
    shared = {**config("bilstm", "luong-general", "lstm"), "share_embeddings": True}
    model = Seq2Seq.from_config(shared)
    apart = Seq2Seq.from_config({**shared, "share_embeddings": False})
    assert model.decoder.embedding is model.encoder.embedding
    assert model.count_params() == apart.count_params() - VOCABULARY * 4
    again = Seq2Seq.from_config(model.get_config())
    assert again.decoder.embedding is again.encoder.embedding


@pytest.mark.parametrize(
    "shared, tied, matrices",
    [(False, False, 3), (False, True, 2), (True, False, 2), (True, True, 1)],
)
def test_source_target_and_output_may_be_one_matrix(shared, tied, matrices):
    """Press & Wolf 2017, 1608.05859: in and out, source and target, all three."""
    tie = {**config("transformer", "multi-head", "transformer"), "share_embeddings": shared}
    tie["decoder"] = {**tie["decoder"], "tie_embeddings": tied}
    model = Seq2Seq.from_config(tie)
    shape = sorted((VOCABULARY, model.encoder.embedding.embedding_dim))
    assert sum(sorted(weight.shape) == shape for weight in model.weights) == matrices
    assert all(layer.built for layer in model._flatten_layers())


def test_embeddings_of_two_sizes_cannot_be_shared():
    shared = {**config("bilstm", "luong-general", "lstm"), "share_embeddings": True}
    shared["decoder"]["vocabulary_size"] += 1
    with pytest.raises(ValueError, match="encoder 11 x 4, decoder 12 x 4"):
        Seq2Seq.from_config(shared)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encodr": {}}, "Did you mean 'encoder'"),
        ({"encoder": {"name": "recurent"}}, "Did you mean 'recurrent'"),
        ({"encoder": {"name": "os.system"}}, "Unknown encoder"),
        ({"encoder": {"units": 3}}, "a dict with a 'name'"),
        ({"decoder": "recurrent"}, "needs vocabulary_size, embedding_dim, units"),
    ],
)
def test_a_bad_config_is_refused_by_name(change, message):
    good = config("bilstm", "luong-general", "lstm")
    with pytest.raises(ValueError, match=message):
        Seq2Seq.from_config({**good, **change})


def test_layers_can_be_assembled_without_a_config():
    from s2s_zoo.attention import LuongAttention
    from s2s_zoo.decoders import RecurrentDecoder
    from s2s_zoo.encoders import RecurrentEncoder

    model = Seq2Seq(
        RecurrentEncoder(9, 4, units=3), RecurrentDecoder(9, 4, 6, attention=LuongAttention("dot"))
    )
    assert model.get_config()["decoder"]["attention"] == {
        "name": "luong",
        "score": "dot",
        "scaled": False,
        "units": None,
        "alignment": "softmax",
    }


@pytest.mark.parametrize(
    ("policy", "parts"),
    [
        ("mixed_float16", ("bilstm", "luong-general", "lstm")),
        ("mixed_bfloat16", ("bilstm", "luong-general", "previous-feeding-summary")),
        ("mixed_bfloat16", ("conv", "multi-head", "conv")),
        ("mixed_bfloat16", ("gnmt", "bahdanau-coverage", "gnmt")),
        ("mixed_bfloat16", ("lstmn", "luong-dot", "conditional-gru")),
        ("mixed_float16", ("transformer-lsh", "multi-head", "ssru")),
    ],
    ids=str,
)
def test_mixed_precision_keeps_float32_weights_and_learns(policy, parts):
    keras.utils.set_random_seed(0)
    decoder, parts = parts[2], config(*parts)
    inputs, labels, weights = batch(4, 5, 5)
    plain = Seq2Seq.from_config(parts)
    keras.config.set_dtype_policy(policy)
    try:
        mixed = Seq2Seq.from_config(parts)
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(plain.get_weights())
    logits = mixed(inputs)
    assert keras.backend.standardize_dtype(logits.dtype) == policy.removeprefix("mixed_")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(keras.ops.cast(logits, "float32")),
        keras.ops.convert_to_numpy(plain(inputs)),
        atol=0.05,
    )
    mixed.compile(
        keras.optimizers.Adam(0.01),
        SmoothedCrossEntropy(),
        jit_compile=False,
        run_eagerly=decoder not in ("lstm", "previous-feeding-summary", "ssru"),
    )
    losses = mixed.fit(inputs, labels, sample_weight=weights, epochs=4, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert {w.dtype for w in mixed.trainable_weights} == {"float32"}


def test_of_the_layers_of_a_functional_model():
    source, target = (keras.Input((None,), dtype="int32") for _ in range(2))
    size = {"vocabulary_size": 9, "embedding_dim": 4}
    encoder = RecurrentEncoder(units=4, **size)
    decoder = RecurrentDecoder(units=5, **size)
    functional = keras.Model([source, target], decoder(target, encoder(source)))
    model = Seq2Seq(encoder, decoder)
    assert len(model.weights) == len(functional.weights)
    ids = np.array([[4, 5, 2]], "int32")
    np.testing.assert_allclose(
        ops.convert_to_numpy(model({"source": ids, "target": ids})),
        ops.convert_to_numpy(functional([ids, ids])),
        atol=1e-6,
    )


def functional_encoder():
    ids = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    return keras.Model(ids, keras.layers.GRU(4, return_sequences=True)(embedded))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            lambda encoder, decoder: (decoder, encoder),
            "Received: RecurrentDecoder and RecurrentEncoder; the encoder lacks source_shape, "
            r"memory_dim, state_dim, the decoder lacks init, step. Give them in the other order",
        ),
        (
            lambda encoder, decoder: (functional_encoder(), decoder),
            r"Received: Functional and .*state_dim. Layers and .*decoder\(target, encoder\(source",
        ),
        (
            lambda encoder, decoder: (encoder, keras.layers.Dense(3)),
            "Received: RecurrentEncoder and Dense; the decoder lacks init, step. Layers and models",
        ),
        (lambda encoder, decoder: (encoder, None), "and NoneType; the decoder lacks"),
        (lambda encoder, decoder: (type(encoder), decoder), "Received: the class RecurrentEncoder"),
    ],
)
def test_parts_that_are_no_encoder_and_decoder_are_refused_with_the_remedy(parts, message):
    encoder, decoder = parts(RecurrentEncoder(9, 4, 3), RecurrentDecoder(9, 4, 6))
    with pytest.raises(ValueError, match=message):
        Seq2Seq(encoder, decoder)


def test_an_encoder_of_keras_goes_into_a_functional_model():
    source, target = (keras.Input((None,), dtype="int32") for _ in range(2))
    decoder = RecurrentDecoder(9, 4, 6)
    model = keras.Model([source, target], decoder(target, functional_encoder()(source)))
    generator = Generator(model, "greedy", 3, run_eagerly=True)
    assert generator.steps.decoder is decoder
    found = [generator.generate(x).tokens for x in ([[4, 5, 2]], [[4, 5, 2, 0]])]
    np.testing.assert_array_equal(*found)
