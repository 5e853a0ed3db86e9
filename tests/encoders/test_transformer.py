import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders import TransformerEncoder

SOURCE = np.array([[4, 5, 6, 2], [7, 2, 0, 0]], "int32")
SIZES = {"vocabulary_size": 9, "embedding_dim": 4, "layers": 1, "heads": 1, "hidden_dim": 5}


def normalised(x, gamma, beta):
    deviation = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return (x - x.mean(-1, keepdims=True)) / deviation * gamma + beta


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_one_block_by_hand(norm):
    encoder = TransformerEncoder(**SIZES, norm=norm, positions=None)
    encoder.build()
    rng = np.random.default_rng(0)
    weights = {}
    for weight in encoder.weights:
        weight.assign(rng.normal(size=weight.shape))
        weights[weight.path.split("layer_0/")[-1]] = ops.convert_to_numpy(weight)
    memory, mask, state = map(ops.convert_to_numpy, encoder(SOURCE)[:3])
    np.testing.assert_array_equal(mask, SOURCE != 0)

    def dense(x, name):
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    def norm_of(x, name):
        return normalised(x, weights[f"{name}/gamma"], weights[f"{name}/beta"])

    def attend(x):
        q, k, v = (dense(x, f"self_attention/{name}") for name in ("query", "key", "value"))
        scores = np.exp(q @ k.T / 2)
        return dense(scores / scores.sum(-1, keepdims=True) @ v, "self_attention/output")

    def feed(x):
        return dense(np.maximum(dense(x, "feed_forward/hidden"), 0), "feed_forward/output")

    for row, length in ((0, 4), (1, 2)):
        x = weights[_embedding(weights)]
        x = x[SOURCE[row, :length]] * 2
        if norm == "post":
            x = norm_of(x + attend(x), "self_attention_norm")
            x = norm_of(x + feed(x), "feed_forward_norm")
        else:
            x = x + attend(norm_of(x, "self_attention_norm"))
            x = x + feed(norm_of(x, "feed_forward_norm"))
            last = [name for name in weights if "final_norm" in name]
            x = normalised(x, *(weights[name] for name in sorted(last, reverse=True)))
        np.testing.assert_allclose(memory[row, :length], x, atol=1e-4)
        np.testing.assert_allclose(state[row], x.mean(0), atol=1e-4)


def _embedding(weights):
    return next(name for name in weights if name.endswith("embedding/embeddings"))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"norm": "middle"}, "norm='middle'"),
        ({"layers": 0}, "layers=0"),
        ({"normalization": "batch"}, "Unknown normalization"),
        ({"activation": "rely"}, "Did you mean 'relu'"),
        ({"positions": "sinusodial"}, "Did you mean 'sinusoidal'"),
        ({"relative_positions": {"bucket": 3}}, "Did you mean 'buckets'"),
    ],
)
def test_unknown_options(options, message):
    with pytest.raises(ValueError, match=message):
        TransformerEncoder(**{**SIZES, **options})


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="width 4, heads=3"):
        TransformerEncoder(**{**SIZES, "heads": 3}).build()
