"""What every encoder x attention x decoder must do, on every backend.

A combination is built once for all of its checks, and they leave its weights alone. Search is
compiled for a few in which every encoder, every decoder and every kind of attention is, training
and scoring for fewer in which every class is, and all run eagerly for the others: it is the tracing
that takes the time. What depends on the decoder alone is looked at once for each of them.
"""

import json

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.generation import Generator, Scorer, Streamer, normalise
from s2s_zoo.model.seq2seq import Seq2Seq
from s2s_zoo.protocol import END, PAD, START
from s2s_zoo.training.losses import SmoothedCrossEntropy
from tests.compilations import one_program
from tests.variants import (
    AUDIO_COMBINATIONS,
    IMAGE_COMBINATIONS,
    MELS,
    PATCH,
    PATCHES_COMBINATIONS,
    VOCABULARY,
    attention_class,
    attention_kind,
    build,
    combinations,
    covering,
    decoder_class,
    encoder_class,
    first_of_each,
)

pytestmark = pytest.mark.contract

ON_TENSORFLOW, ON_JAX = (keras.backend.backend() == name for name in ("tensorflow", "jax"))
COMBINATIONS = list(combinations())
if not ON_TENSORFLOW:
    # JAX compiles each of the hundreds of loops anew.
    COMBINATIONS = covering(COMBINATIONS, attention_kind)
COMPILED = [*covering(COMBINATIONS, attention_kind), *IMAGE_COMBINATIONS, *AUDIO_COMBINATIONS[::2]]
COMPILED += PATCHES_COMBINATIONS
TRAINED = covering(COMPILED, attention_class, encoder_class, decoder_class)
COMBINATIONS += IMAGE_COMBINATIONS + PATCHES_COMBINATIONS + AUDIO_COMBINATIONS
SEARCHED = first_of_each(str if ON_TENSORFLOW else decoder_class, COMPILED)
SOURCE = np.array([[4, 5, 6, 7, END], [8, 9, END, PAD, PAD], [10, END, PAD, PAD, PAD]], "int32")
IMAGES = np.random.default_rng(1).integers(0, 256, (3, 64, 96, 3), "uint8")
SOUND = np.random.default_rng(2).normal(size=(3, 11, MELS)).astype("float32")
SOUND[1, 6:] = SOUND[2, 3:] = 0  # padding
PATCHES = np.random.default_rng(3).normal(size=(3, 11, 4 + 3 * PATCH**2)).astype("float32")
PATCHES[..., 0:4:2], PATCHES[..., 1:4:2] = 0, np.arange(22).reshape(11, 2) % 7 + 1
PATCHES[1, 6:] = PATCHES[2, 3:] = 0
LABELS = np.array([[7, 6, 5, END], [9, 8, END, PAD], [4, END, PAD, PAD]], "int32")
TARGET = np.array([[START, 7, 6, 5], [START, 9, 8, PAD], [START, 4, PAD, PAD]], "int32")
WEIGHTS = (LABELS != PAD).astype("float32")


@pytest.fixture(scope="module", params=COMBINATIONS, ids=" x ".join)
def combination(request):
    return request.param


@pytest.fixture(scope="module")
def eagerly(combination):
    """Whether what has no need of a graph does without."""
    return combination not in COMPILED


@pytest.fixture(scope="module")
def once_a_decoder(combination):
    """Skips what another combination with this decoder does as well."""
    if combination not in SEARCHED:
        pytest.skip("another combination has this decoder")


def forward_of(model, **options):
    """Function of a source and a target to logits."""
    call = one_program(
        lambda source, target: model({"source": source, "target": target}, **options)
    )
    return lambda source, target=TARGET: ops.convert_to_numpy(call(source, target))


@pytest.fixture(scope="module")
def model(combination):
    keras.utils.set_random_seed(3)
    model = build(*combination)
    # Zero biases hide mistakes.
    rng = np.random.default_rng(0)
    for weight in model.weights:
        noise = 0.3 * rng.normal(size=weight.shape)
        noise = abs(noise) if weight.path.endswith("variance") else noise
        weight.assign(ops.convert_to_numpy(weight) + noise)
    return model


def reads_images(model):
    return len(model.encoder.source_shape) == 4


def vectors_of(model):
    """What a model reads that is vectors of some length, or None."""
    shape = model.encoder.source_shape
    found = {SOUND.shape[2]: SOUND, PATCHES.shape[2]: PATCHES}
    return found[shape[2]] if len(shape) == 3 else None


def source_of(model):
    if (vectors := vectors_of(model)) is not None:
        return vectors
    return IMAGES if reads_images(model) else SOURCE


@pytest.fixture(scope="module")
def forward(model):
    return forward_of(model)


@pytest.fixture(scope="module")
def logits(model, forward):
    """Those of the whole batch."""
    return forward(source_of(model))


def shapes_and_dtypes(nest):
    return keras.tree.map_structure(
        lambda x: (tuple(x.shape), keras.backend.standardize_dtype(x.dtype)), nest
    )


def test_call_equals_step_unrolled(model, logits):
    begin = one_program(
        lambda source: model.decoder.init(model.encode(source), max_length=TARGET.shape[1])
    )
    step = one_program(model.decoder.step)
    memory, state = begin(source_of(model))
    before = shapes_and_dtypes(state)
    steps = []
    for index in range(TARGET.shape[1]):
        found, state = step(TARGET[:, index], index, state, memory)
        steps.append(ops.convert_to_numpy(found))
        assert shapes_and_dtypes(state) == before
    np.testing.assert_allclose(np.stack(steps, axis=1), logits, atol=1e-5)


def test_every_layer_is_built(model):
    """Or Keras runs a model on JAX outside its compiled function, at every call."""
    assert [layer for layer in model._flatten_layers() if not layer.built] == []


def second_alone(model):
    """The second source, without the padding that the others ask for."""
    if (vectors := vectors_of(model)) is not None:
        return vectors[1:2, :6]
    return IMAGES[1:2] if reads_images(model) else SOURCE[1:2, :3]


def test_training_path_equals_inference_path(model, logits):
    trained, real = forward_of(model, training=True)(source_of(model)), WEIGHTS[..., None]
    np.testing.assert_allclose(trained * real, logits * real, atol=1e-5)


def test_more_padding_changes_nothing(model, forward, logits):
    source = source_of(model)
    if not reads_images(model):
        source = np.pad(source, [(0, 0), (0, 3), (0, 0)][: source.ndim])
    target = np.pad(TARGET, [(0, 0), (0, 2)])
    longer = forward(source, target)[:, : TARGET.shape[1]]
    np.testing.assert_allclose(longer, logits, atol=1e-5)


def test_rows_are_independent(model, forward, logits):
    order = [2, 0, 1]
    turned = forward(source_of(model)[order], TARGET[order])
    np.testing.assert_allclose(turned, logits[order], atol=1e-5)
    alone = forward(second_alone(model), TARGET[1:2])
    np.testing.assert_allclose(alone, logits[1:2], atol=1e-5)


@pytest.fixture(scope="module")
def again(model):
    """Another model from its config. Tests set its weights before they use it."""
    return Seq2Seq.from_config(json.loads(json.dumps(model.get_config())))


def test_config_is_json_and_rebuilds_the_model(model, again, logits):
    text = json.dumps(model.get_config())
    assert [w.path for w in again.weights] == [w.path for w in model.weights]
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(forward_of(again)(source_of(model)), logits)
    assert json.dumps(again.get_config()) == text


def test_fit_moves_every_weight_and_the_loss_falls(model, again, combination):
    if ON_JAX and combination not in TRAINED:
        pytest.skip("of each class one: XLA takes longer than TensorFlow trains eagerly")
    again.set_weights(model.get_weights())
    model = again
    if hasattr(model.encoder, "freeze"):
        model.encoder.freeze("conv_dw_13")  # tracing all of a large network takes a minute
    before = [ops.convert_to_numpy(w) for w in model.trainable_weights]
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=SmoothedCrossEntropy(),
        run_eagerly=combination not in TRAINED,
    )
    history = model.fit(
        {"source": source_of(model), "target": TARGET},
        LABELS,
        sample_weight=WEIGHTS,
        epochs=3,
        batch_size=3,
        verbose=0,
    )
    assert history.history["loss"][-1] < history.history["loss"][0]
    still = [
        w.path
        for w, old in zip(model.trainable_weights, before, strict=True)
        if np.array_equal(ops.convert_to_numpy(w), old)
    ]
    assert still == []


def test_logits_cover_the_vocabulary(model, logits):
    width = VOCABULARY + getattr(model.decoder, "extra_ids", 0)
    assert logits.shape == (*TARGET.shape, width)


@pytest.fixture(scope="module")
def greedy(model, eagerly):
    """What greedy search finds."""
    return Generator(model, "greedy", max_length=6, run_eagerly=eagerly).generate(source_of(model))


@pytest.fixture(scope="module")
def wide(model, eagerly):
    """A search with several beams."""
    options = {"num_beams": 3, "num_return": 3, "length_penalty": 1.0}
    return Generator(model, "beam", max_length=6, run_eagerly=eagerly, **options)


@pytest.fixture(scope="module")
def found(model, wide):
    """What it finds."""
    return wide.generate(source_of(model))


def test_a_beam_of_one_is_greedy_search(model, greedy):
    options = {"num_beams": 1, "length_penalty": 0.0, "run_eagerly": ON_TENSORFLOW}
    one = Generator(model, "beam", max_length=6, **options).generate(source_of(model))
    np.testing.assert_array_equal(one.tokens, greedy.tokens)
    np.testing.assert_allclose(one.scores, greedy.scores, atol=1e-4)


def test_token_by_token_is_greedy_search(once_a_decoder, model, greedy):
    *_, last = Streamer(model, max_length=6, run_eagerly=True).stream(source_of(model))
    steps = last.tokens.shape[2]
    np.testing.assert_array_equal(last.tokens, np.asarray(greedy.tokens)[:, :, :steps])
    np.testing.assert_allclose(last.scores, greedy.scores, atol=1e-4)


def test_hypotheses_end_once_and_score_what_the_model_gives_their_text(model, found, combination):
    tokens = np.asarray(found.tokens)
    ends = (tokens == END).cumsum(axis=-1)
    assert (ends[..., -1] == 1).all() and (tokens[ends > (tokens == END)] == PAD).all()
    sources, texts = np.repeat(source_of(model), 3, axis=0), tokens.reshape(9, -1)
    scorer = Scorer(model, run_eagerly=ON_TENSORFLOW and combination not in TRAINED)
    log_probs, lengths = scorer.score(sources, texts)
    scores = normalise(log_probs, lengths, 1.0, "power")
    np.testing.assert_allclose(np.reshape(found.scores, 9), scores, atol=1e-4)


def test_compiled_search_equals_eager(once_a_decoder, model, found):
    options = {"num_beams": 3, "num_return": 3, "run_eagerly": True}
    eager = Generator(model, "beam", max_length=6, **options).generate(source_of(model))
    np.testing.assert_array_equal(eager.tokens, found.tokens)
    np.testing.assert_allclose(eager.scores, found.scores, atol=1e-5)


def test_rows_of_a_search_do_not_depend_on_their_neighbours(once_a_decoder, model, wide, found):
    order = [2, 0, 1]
    turned = wide.generate(source_of(model)[order])
    np.testing.assert_array_equal(turned.tokens, np.asarray(found.tokens)[order])
    one = Generator(model, "beam", max_length=6, num_beams=3, num_return=3, run_eagerly=True)
    alone = one.generate(second_alone(model))  # of another shape, which would be traced anew
    np.testing.assert_array_equal(alone.tokens[0], found.tokens[1])


def test_search_among_some_tokens(once_a_decoder, model):
    """All tokens in another order change nothing, and few are those left by suppressing others."""
    if getattr(model.decoder, "pointer", None) is not None:
        pytest.skip("a pointer writes more than the output matrix")

    def tokens(strategy, ids=None, allowed=None, **options):
        generator = Generator(model, strategy, max_length=3, run_eagerly=True, **options)
        return generator.generate(source_of(model), ids=ids, allowed=allowed).tokens

    turned = np.array([0, 1, 2, 3, *range(VOCABULARY - 1, 3, -1)])
    everything = {"ids": turned, "allowed": np.ones((len(TARGET), VOCABULARY), bool)}
    np.testing.assert_array_equal(tokens("beam", **everything), tokens("beam"))
    ids = np.array([0, 1, 2, 3, 9, 5, 6])
    allowed = np.tile([True] * 6 + [False], (len(TARGET), 1))
    others = tuple({*range(VOCABULARY)} - {0, 1, 2, 3, 9, 5})
    np.testing.assert_array_equal(
        tokens("greedy", ids, allowed), tokens("greedy", suppress_tokens=others)
    )
