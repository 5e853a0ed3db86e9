import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.positions import LearnedPositions, RelativeBias, SinusoidalPositions


def vectors_of(layer, width, positions):
    if not layer.built:
        layer.build((None, None, width))
    return ops.convert_to_numpy(layer(ops.convert_to_tensor(positions, dtype="int32")))


def test_sines_and_cosines():
    found = vectors_of(SinusoidalPositions(), 6, [0, 3])
    np.testing.assert_allclose(found[0], [0, 0, 0, 1, 1, 1], atol=1e-6)
    angles = [3, 3 / 10000 ** (2 / 6), 3 / 10000 ** (4 / 6)]
    np.testing.assert_allclose(found[1], [*np.sin(angles), *np.cos(angles)], atol=1e-6)
    found = vectors_of(SinusoidalPositions("tensor2tensor", offset=2), 6, [1])
    angles = [3, 3 / 100, 3 / 10000]
    np.testing.assert_allclose(found[0], [*np.sin(angles), *np.cos(angles)], atol=1e-6)


def test_learned_positions_begin_behind_their_offset():
    layer = LearnedPositions(4, offset=2)
    layer.build((None, None, 3))
    table = np.arange(18.0).reshape(6, 3)
    layer.embeddings.assign(table)
    np.testing.assert_array_equal(vectors_of(layer, 3, [0, 3]), table[[2, 5]])


@pytest.mark.parametrize(
    "bidirectional, expected",
    [
        # 4 buckets a side: distances 0 and 1 exactly, then 2, 3 and on in two by logarithm.
        (True, [3, 3, 3, 3, 3, 2, 2, 1, 0, 5, 6, 6, 7, 7, 7, 7, 7]),
        # 8 buckets: 0 to 3 exactly, 4 to 7 in four by logarithm; later keys are at distance 0.
        (False, [7, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_buckets(bidirectional, expected):
    """Worked by hand: log(d / exact) / log(8 / exact) * (buckets - exact), max_distance 8."""
    layer = RelativeBias(1, buckets=8, max_distance=8, bidirectional=bidirectional)
    layer.build()
    layer.embeddings.assign(np.arange(8.0)[:, None])
    positions = ops.arange(17, dtype="int32")
    found = ops.convert_to_numpy(layer(ops.convert_to_tensor([8], dtype="int32"), positions))
    assert found[0, 0].astype(int).tolist() == expected
    beyond = layer(ops.convert_to_tensor([100], dtype="int32"), positions[:1])
    assert float(ops.convert_to_numpy(beyond)[0, 0, 0]) == found[0, 0, 0]


def test_what_cannot_be():
    with pytest.raises(ValueError, match="spacing='papers'"):
        SinusoidalPositions("papers")
    with pytest.raises(ValueError, match="even embedding_dim of at least 4.*embedding_dim=5"):
        SinusoidalPositions().build((None, None, 5))
