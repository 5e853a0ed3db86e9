import numpy as np
from keras import ops

from s2s_zoo.encoders import LSTMNEncoder
from tests.decoders.test_recurrent import lstm, softmax

SOURCE = np.array([[4, 5, 6, 2], [7, 2, 0, 0]], "int32")


def test_equals_a_loop_with_growing_lists():
    encoder = LSTMNEncoder(9, 3, 2)
    encoder.build()
    rng = np.random.default_rng(0)
    w = {}
    for weight in encoder.weights:
        weight.assign(rng.normal(size=weight.shape))
        w["/".join(weight.path.split("/")[1:])] = ops.convert_to_numpy(weight)
    cell = [w[f"lstm/lstm_cell/{name}"] for name in ("kernel", "recurrent_kernel", "bias")]
    memory, mask, state = map(ops.convert_to_numpy, encoder(SOURCE)[:3])
    np.testing.assert_array_equal(mask, SOURCE != 0)
    for row, length in ((0, 4), (1, 2)):
        hs, cs, h, c = [], [], np.zeros(2), np.zeros(2)
        mixed = np.zeros(2)
        for token in SOURCE[row, :length]:
            x = w["embedding/embeddings"][token] * 3**0.5
            query = np.concatenate([x, mixed]) @ w["attention/query/kernel"]
            mixed, kept = np.zeros(2), np.zeros(2)
            if hs:
                hidden = np.tanh(np.stack(hs) @ w["attention/key/kernel"] + query)
                s = softmax(hidden @ w["attention/vector"])
                mixed, kept = s @ np.stack(hs), s @ np.stack(cs)
            h, c = lstm(x, mixed, kept, *cell)
            hs.append(h)
            cs.append(c)
        np.testing.assert_allclose(memory[row, :length], hs, atol=1e-5)
        np.testing.assert_allclose(state[row], hs[-1], atol=1e-5)
