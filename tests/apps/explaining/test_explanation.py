"""Explanations of a model: the value function, its derivative, the axioms, the picture."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo import explain
from s2s_zoo.apps.explaining.explanation import Game
from s2s_zoo.layers.embedding import blended
from s2s_zoo.protocol import END, START, UNK
from tests.variants import ENCODER_VARIANTS, build

SOURCE, TARGET = "ein hund rennt", "a dog runs"


@pytest.fixture(scope="module")
def game(tiny_pipeline):
    processor = tiny_pipeline.processor
    ids = processor.encode_source([SOURCE])[0], processor.encode_target([TARGET])[0]
    return Game(tiny_pipeline, *ids, batch_size=4)


def test_the_value_is_the_log_probability_of_each_token(tiny_pipeline, game):
    masks = np.ones((3, game.players), bool)
    masks[1, 1] = masks[2, :2] = False
    found = game.value(masks)
    source = game.source.copy()
    source[1] = UNK
    inputs = {"source": source[None], "target": np.array([[START, *game.target[:-1]]])}
    logits = ops.convert_to_numpy(tiny_pipeline.model(inputs))[0]
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = log_probs[np.arange(len(game.target)), game.target]
    np.testing.assert_allclose(found[1], expected, atol=1e-5)
    np.testing.assert_allclose(
        found[0].sum(), tiny_pipeline.score([SOURCE], [TARGET])[0], atol=1e-5
    )
    assert game.source[-1] == END and game.players == len(game.source) - 1


def test_the_derivative_is_that_of_finite_differences(tiny_pipeline, game):
    shares = np.random.default_rng(0).random((2, game.players)).astype("float32")
    found = game.derivative(shares)
    assert found.shape == (2, len(game.target), game.players)
    table = ops.convert_to_numpy(tiny_pipeline.model.encoder.embedding.embeddings)
    before = table.copy()
    step, row = 0.05, 1

    def value(row, place, step):
        """v where the embeddings themselves are blended: each place has an id of its own."""
        vectors = table[game.source]
        blend = shares[row].copy()
        blend[place] += step
        blend = np.append(blend, 1.0)[:, None]
        ids = np.arange(len(game.source)) + 20
        changed = before.copy()
        changed[ids] = blend * vectors + (1 - blend) * table[UNK]
        tiny_pipeline.model.encoder.embedding.embeddings.assign(changed)
        inputs = {"source": ids[None], "target": np.array([[START, *game.target[:-1]]])}
        logits = ops.convert_to_numpy(tiny_pipeline.model(inputs))[0].astype("float64")
        log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        return log_probs[np.arange(len(game.target)), game.target]

    try:
        for place in range(game.players):
            slope = (value(row, place, step) - value(row, place, -step)) / (2 * step)
            np.testing.assert_allclose(found[row, :, place], slope, rtol=0.02, atol=1e-4)
    finally:
        tiny_pipeline.model.encoder.embedding.embeddings.assign(before)


@pytest.mark.parametrize("method", ["integrated_gradients", "kernel_shap"])
def test_completeness_and_efficiency(tiny_pipeline, method):
    explanation = explain(tiny_pipeline, SOURCE, TARGET, method)
    assert explanation.values.shape == (
        len(explanation.target_tokens),
        len(explanation.source_tokens),
    )
    difference = explanation.whole - explanation.without
    assert np.abs(difference).max() > 1e-3
    np.testing.assert_allclose(explanation.values.sum(axis=1), difference, atol=1e-4)


@pytest.mark.parametrize("encoder", ENCODER_VARIANTS)
def test_every_encoder_of_text_can_be_blended(encoder):
    keras.utils.set_random_seed(0)
    model = build(encoder, "luong-general", "lstm")
    source, others = np.array([[5, 4, 6, END]]), np.array([[UNK, UNK, UNK, END]])
    for share, expected in ((1.0, source), (0.0, others)):
        with blended(np.full((1, 4), share, "float32"), others):
            found = model.encode(source)
        np.testing.assert_allclose(
            ops.convert_to_numpy(found.memory),
            ops.convert_to_numpy(model.encode(expected).memory),
            atol=1e-5,
        )


@pytest.mark.filterwarnings("ignore:1 of 1 target texts are longer")
def test_what_the_pipeline_writes_is_explained_where_no_target_is_given(tiny_pipeline):
    explanation = explain(tiny_pipeline, SOURCE, method="lime", samples=50)
    processor = tiny_pipeline.processor
    assert explanation.source_tokens == processor.source_tokenizer.pieces(
        processor.encode_source([SOURCE])[0][:-1]
    )
    written = processor.encode_target([tiny_pipeline(SOURCE)])[0]
    assert explanation.target_tokens == processor.target_pieces(written, SOURCE)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("ein hund", "a dog", "oclusion"), "Did you mean 'occlusion'"),
        ((" ", "a dog"), "with some text"),
    ],
)
def test_bad_arguments_are_refused(tiny_pipeline, arguments, message):
    with pytest.raises(ValueError, match=message):
        explain(tiny_pipeline, *arguments)
    with pytest.raises(ValueError, match="Did you mean 'samples'"):
        explain(tiny_pipeline, SOURCE, TARGET, "lime", sample=3)


def test_recordings_are_refused_and_what_draws_them_is_named():
    from types import SimpleNamespace

    listens = SimpleNamespace(task="transcription", processor=SimpleNamespace(reads="audio"))
    with pytest.raises(ValueError, match="transcription.*recording is drawn.*plot_transcription"):
        explain(listens, "talk.mp3")


def test_images_are_refused(tiny_captioner):
    with pytest.raises(ValueError, match="expected a pipeline of texts"):
        explain(tiny_captioner, "photo.jpg")


def test_the_picture(tiny_pipeline, tmp_path):
    pytest.importorskip("matplotlib")
    explanation = explain(tiny_pipeline, SOURCE, TARGET)
    figure = explanation.plot(tmp_path / "out.png")
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), explanation.values)
    assert (tmp_path / "out.png").read_bytes()[:4] == explanation._repr_png_()[:4] == b"\x89PNG"
