"""Weights that an equation worked by hand can be compared with."""

import numpy as np
from keras import ops

from s2s_zoo.protocol import EncoderOutput


def built(decoder, rng=None):
    """Builds a decoder for memories of width 4 and draws its weights.

    Returns:
        dict from the path of each weight, without the name of the decoder, to its array.
    """
    rng = rng or np.random.default_rng(5)
    decoder.build((None, None), EncoderOutput((None, None, 4), (None, None), (None, 4)))
    weights = {}
    for weight in decoder.weights:
        weight.assign(rng.normal(size=weight.shape))
        weights["/".join(weight.path.split("/")[1:])] = ops.convert_to_numpy(weight)
    return weights
