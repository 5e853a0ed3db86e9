import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo import Seq2Seq

PART = {"name": "transformer", "vocabulary_size": 9, "embedding_dim": 4, "layers": 1, "heads": 2}
RELATIVE = {"buckets": 4, "max_distance": 3}
SOURCE = np.array([[4, 5, 6, 2], [7, 2, 0, 0]], "int32")
TARGET = np.array([[1, 5, 6], [1, 7, 8]], "int32")


def model(**options):
    made = Seq2Seq({**PART, "hidden_dim": 5}, {**PART, "hidden_dim": 5, **options})
    rng = np.random.default_rng(0)
    for weight in made.weights:
        weight.assign(rng.normal(size=weight.shape))
    return made


def logits(made, target=TARGET):
    return ops.convert_to_numpy(made({"source": SOURCE, "target": target}))


def test_a_position_knows_nothing_of_later_ones():
    made = model()
    changed = TARGET.copy()
    changed[:, 2] = 3
    before, after = logits(made), logits(made, changed)
    np.testing.assert_allclose(before[:, :2], after[:, :2], atol=1e-5)
    assert np.abs(before[:, 2] - after[:, 2]).max() > 1e-3


def test_the_start_token_stands_in_at_the_first_position_alone():
    """Whatever the target holds there; elsewhere every id is itself."""
    started = model(start_token=5)
    other = TARGET.copy()
    other[:, 0] = 8
    np.testing.assert_array_equal(logits(started, other), logits(started))
    assert np.abs(logits(started) - logits(model())).max() > 1e-3
    other[:, 1] = 1
    assert np.abs(logits(started, other) - logits(started)).max() > 1e-3
    memory, state = started.decoder.init(started.encode(SOURCE), 3)
    step, _ = started.decoder.step(TARGET[:, 0], 0, state, memory)
    np.testing.assert_allclose(ops.convert_to_numpy(step), logits(started)[:, 0], atol=1e-5)


def test_the_alignment_is_that_of_the_last_layer():
    made = model(layers=2)
    memory, state = made.decoder.init(made.encode(SOURCE), 3)
    _, state = made.decoder.step(TARGET[:, 0], 0, state, memory)
    alignment = ops.convert_to_numpy(state["alignment"])
    np.testing.assert_allclose(alignment.sum(-1), 1, atol=1e-5)
    np.testing.assert_array_equal(alignment[1, 2:], 0)


def test_relative_positions_of_each_layer():
    made = model(layers=2, relative_positions={**RELATIVE, "shared": False})
    names = [weight.path for weight in made.decoder.weights if "relative_bias" in weight.path]
    assert [name.split("/")[-3] for name in names] == ["layer_0", "layer_1"]
    stack, positions = made.decoder.stack, ops.arange(3)
    bias = stack.bias(positions, positions)
    found = [ops.convert_to_numpy(bias(block.attentions[0])) for block in stack.blocks]
    for block, values in zip(stack.blocks, found, strict=True):
        own = ops.convert_to_numpy(block.relative_bias(positions, positions))
        np.testing.assert_array_equal(values, own)
    assert np.abs(found[0] - found[1]).max() > 0.1


def test_where_embedded_tokens_are_normalized():
    made = [model(embedding_norm=where) for where in (False, True, "before")]
    apart = [np.abs(logits(x) - logits(y)).max() for x, y in zip(made, made[1:], strict=False)]
    assert min(apart) > 1e-3
    with pytest.raises(ValueError, match="embedding_norm to be one of .*'after'"):
        model(embedding_norm="after")


def test_tied_and_untied_outputs():
    assert any("output/kernel" in weight.path for weight in model().decoder.weights)
    names = [weight.path for weight in model(tie_embeddings=True, output_bias=False).weights]
    assert not any("decoder/output" in name for name in names)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"relative_positions": RELATIVE},
        {"relative_positions": {**RELATIVE, "shared": False}, "layers": 2},
        {"embedding_norm": "before", "output_transform": True},
    ],
)
def test_what_is_read_at_once_is_what_steps_read(count, options):
    made = model(**options)
    decoder, encoded = made.decoder, made.encode(SOURCE)
    memory, state = decoder.init(encoded, 4)
    x, read = decoder.read(TARGET[:, :count], state, memory)
    last = len(decoder.stack.blocks) - 1
    looked = decoder.weights_of(TARGET, encoded, [(last, 1), (last, 0)])
    for index in range(count):
        expected, state = decoder.step(TARGET[:, index], index, state, memory)
        found = ops.convert_to_numpy(decoder.logits(x[:, index]))
        np.testing.assert_allclose(found, ops.convert_to_numpy(expected), atol=1e-5)
        mean = ops.convert_to_numpy(looked)[:, :, index].mean(axis=1)
        np.testing.assert_allclose(mean, ops.convert_to_numpy(state["alignment"]), atol=1e-5)
    for one, other in zip(keras.tree.flatten(read), keras.tree.flatten(state), strict=True):
        one, other = ops.convert_to_numpy(one), ops.convert_to_numpy(other)
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_decoder_without_self_attention_reads_step_by_step():
    decoder = model(name="ssru").decoder
    with pytest.raises(ValueError, match="SSRUDecoder.read needs self-attention.*step"):
        decoder.read(TARGET, {}, {})
