import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders import RecurrentDecoder
from s2s_zoo.decoders.pointer import Pointer, coverage_loss
from s2s_zoo.generation import Generator
from s2s_zoo.model.seq2seq import Seq2Seq
from s2s_zoo.protocol import END, PAD, START, UNK, EncoderOutput

VOCABULARY, EXTRA = 8, 3
SOURCE = np.array([[5, 9, 5, END], [8, 4, END, PAD]], "int32")  # 8 and above: unknown words
LOGITS = np.random.default_rng(0).normal(size=(2, 3, VOCABULARY)).astype("float32")
ALIGNMENT = np.array(
    [
        [[0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]],
        [[0.5, 0.3, 0.2, 0.0], [0.0, 0.0, 1.0, 0.0], [0.9, 0.1, 0.0, 0.0]],
    ],
    "float32",
)
P_GEN = np.array([[0.2, 0.5, 0.8], [0.6, 0.1, 0.9]], "float32")


def probabilities(logits=LOGITS, alignment=ALIGNMENT, p_gen=P_GEN, source=SOURCE, extra=EXTRA):
    pointer = Pointer(VOCABULARY, extra)
    found = pointer.log_probabilities(
        ops.convert_to_tensor(logits),
        ops.convert_to_tensor(alignment),
        ops.convert_to_tensor(p_gen),
        pointer.memory(ops.convert_to_tensor(source)),
    )
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    return np.exp(ops.convert_to_numpy(found))


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def mixed_by_hand(logits, alignment, p_gen, source, width):
    """Equation 9 in loops."""
    found = np.zeros((*logits.shape[:-1], width))
    for n, t in np.ndindex(*logits.shape[:-1]):
        found[n, t, :VOCABULARY] = p_gen[n, t] * softmax(logits[n, t])
        for i, word in enumerate(source[n]):
            found[n, t, word] += (1 - p_gen[n, t]) * alignment[n, t, i]
    return found


def test_equation_9_by_hand():
    expected = mixed_by_hand(LOGITS, ALIGNMENT, P_GEN, SOURCE, VOCABULARY + EXTRA)
    np.testing.assert_allclose(probabilities(), expected, atol=1e-6)
    np.testing.assert_allclose(expected.sum(axis=-1), 1, atol=1e-6)


def test_one_step_is_a_row_of_all_steps():
    for t in range(3):
        step = probabilities(LOGITS[:, t], ALIGNMENT[:, t], P_GEN[:, t])
        np.testing.assert_allclose(step, probabilities()[:, t], atol=1e-7)


def test_a_repeated_source_word_adds_up():
    only_copying = probabilities(p_gen=np.zeros_like(P_GEN))
    assert only_copying[0, 0, 5] == pytest.approx(0.1 + 0.3, abs=1e-6)
    assert only_copying[0, 0, 9] == pytest.approx(0.2, abs=1e-6)


def test_all_generated_is_the_vocabulary_and_all_copied_is_the_source():
    generated = probabilities(p_gen=np.ones_like(P_GEN))
    np.testing.assert_allclose(generated[..., :VOCABULARY], softmax(LOGITS), atol=1e-6)
    assert generated[..., VOCABULARY:].max() < 1e-6
    copied = probabilities(p_gen=np.zeros_like(P_GEN))
    for row, words in enumerate(SOURCE):
        elsewhere = np.delete(copied[row], words, axis=-1)
        assert elsewhere.max() < 1e-6
    np.testing.assert_allclose(copied.sum(axis=-1), 1, atol=1e-5)


def test_subwords_need_no_further_ids():
    source = np.array([[5, 6, 5, END], [4, 4, END, PAD]], "int32")
    found = probabilities(source=source, extra=0)
    expected = mixed_by_hand(LOGITS, ALIGNMENT, P_GEN, source, VOCABULARY)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("scale", [1, 1000])
def test_sums_to_one_in_float32_whatever_comes_in(scale):
    for alignment in (ALIGNMENT, 0.3 * ALIGNMENT, 0 * ALIGNMENT):  # local attention; no source
        found = probabilities(ops.cast(scale * LOGITS, "bfloat16"), alignment)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)


def test_coverage_loss_by_hand():
    target = np.array([[START, 4, 5], [START, 6, PAD]])
    # Row 0: min(a_1, a_0) = .2; min(a_2, a_0 + a_1) = .1 + .25 + .25 + .25. Row 1: a_1 on .2.
    by_hand = (0 + 0.2 + 0.85 + 0 + 0.2) / 5
    found = coverage_loss(ops.convert_to_tensor(ALIGNMENT), ops.convert_to_tensor(target))
    assert float(found) == pytest.approx(by_hand, abs=1e-6)


def test_coverage_loss_of_the_first_step_is_0():
    one = coverage_loss(ops.convert_to_tensor(ALIGNMENT[:, :1]), np.array([[START], [START]]))
    assert float(one) == 0


def model(seed=1, **options):
    keras.utils.set_random_seed(seed)
    size = {"vocabulary_size": VOCABULARY, "embedding_dim": 4}
    decoder = {"attention": {"name": "bahdanau", "units": 5}, "pointer": True, "extra_ids": EXTRA}
    return Seq2Seq.from_config(
        {
            "encoder": {"name": "recurrent", "units": 3, **size},
            "decoder": {"name": "recurrent", "units": 6, **size, **decoder, **options},
        }
    )


def test_unknown_words_enter_as_unk():
    unknown = np.where(SOURCE >= VOCABULARY, UNK, SOURCE)
    encoder = model().encoder
    for ours, theirs in zip(encoder(SOURCE)[:1], encoder(unknown)[:1], strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs))


def test_coverage_loss_is_added_in_training_only():
    inputs = {"source": SOURCE, "target": np.array([[START, 9], [START, 8]], "int32")}
    with_loss = model(coverage_loss=1.0)
    with_loss(inputs, training=True)
    (loss,) = with_loss.losses
    assert 0 < ops.convert_to_numpy(loss) < 1
    with_loss(inputs, training=False)
    assert with_loss.losses == []


def transformer(**options):
    keras.utils.set_random_seed(1)
    size = {"vocabulary_size": VOCABULARY, "embedding_dim": 4, "layers": 1, "heads": 2}
    side = {"name": "transformer", "hidden_dim": 5, **size}
    return Seq2Seq.from_config(
        {"encoder": side, "decoder": {**side, "pointer": True, "extra_ids": EXTRA, **options}}
    )


def test_the_alignment_of_a_transformer_is_what_it_copies_by():
    copier = transformer()
    copier.decoder.pointer.gate.bias.assign([-50.0])  # p_gen = 0
    memory, state = copier.decoder.init(copier.encode(SOURCE), 3)
    found, state = copier.decoder.step(np.array([START, START]), 0, state, memory)
    found, alignment = ops.convert_to_numpy(found), ops.convert_to_numpy(state["alignment"])
    assert alignment[1, 3] == 0 and state["p_gen"].shape == (2,)
    for n, row in enumerate(SOURCE):
        for word in {*row} - {PAD}:
            share = alignment[n][row == word].sum()
            assert np.exp(found[n][word]) == pytest.approx(share, abs=1e-5)
    inputs = {"source": SOURCE, "target": np.array([[START, 4], [START, 5]], "int32")}
    whole = ops.convert_to_numpy(copier(inputs))
    np.testing.assert_allclose(np.exp(whole[:, 0]), np.exp(found), atol=1e-5)


@pytest.mark.parametrize("model", [model, transformer])
def test_search_writes_unknown_words_of_the_source(model):
    copier = model()
    copier.decoder.pointer.gate.bias.assign([-50.0])  # p_gen = 0
    found = Generator(copier, "greedy", max_length=4).generate(SOURCE)
    assert set(found.tokens[0, 0]) <= {*SOURCE[0], PAD}
    assert set(found.tokens[1, 0]) <= {*SOURCE[1], PAD}


def test_what_a_pointer_cannot_do_is_an_error():
    options = {"vocabulary_size": VOCABULARY, "embedding_dim": 4, "units": 6}
    with pytest.raises(ValueError, match="Give an attention"):
        RecurrentDecoder(**options, attention=None, pointer=True)
    with pytest.raises(ValueError, match="pointer=True"):
        RecurrentDecoder(**options, extra_ids=3)
    with pytest.raises(ValueError, match="extra_ids from 0 to 10000"):
        RecurrentDecoder(**options, pointer=True, extra_ids=-1)
    with pytest.raises(ValueError, match="extra_ids from 0 to 10000"):
        RecurrentDecoder(**options, pointer=True, extra_ids=1 << 62)
    regions = EncoderOutput(np.zeros((2, 5, 6), "float32"), np.ones((2, 5), bool), np.zeros((2, 6)))
    with pytest.raises(ValueError, match="encoder of text"):
        model().decoder.init(regions)
    narrower = regions._replace(memory=regions.memory[..., :4])
    with pytest.raises(ValueError, match="encoder of text"):
        transformer().decoder.init(narrower, 3)
    with pytest.raises(ValueError, match="pointer=True"):
        transformer(pointer=False)
    with pytest.raises(ValueError, match="Use `step`"):
        transformer().decoder.read(SOURCE, {}, {})
