import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders import GNMTDecoder
from tests.decoders.random_weights import built
from tests.decoders.test_recurrent import lstm, random_source, softmax

SIZES = {"vocabulary_size": 7, "embedding_dim": 3, "units": 4}


@pytest.mark.parametrize("tied", [False, True])
def test_the_bottom_layer_asks_and_every_layer_hears(tied):
    decoder = GNMTDecoder(
        **SIZES, attention={"name": "bahdanau", "units": 5}, layers=3, tie_embeddings=tied
    )
    w = built(decoder)

    def cell(i):
        return [w[f"layer_{i}/lstm_cell/{name}"] for name in ("kernel", "recurrent_kernel", "bias")]

    encoded = random_source()
    memory = encoded.memory[0, :2]
    states = [
        [
            np.tanh(encoded.state[0] @ w[f"bridge_{i}_{j}/kernel"] + w[f"bridge_{i}_{j}/bias"])
            for j in range(2)
        ]
        for i in range(3)
    ]
    expected = []
    for token in (1, 5, 3):
        x = w["embedding/embeddings"][token] * 3**0.5
        query = states[0][0] @ w["attention/query/kernel"]
        hidden = np.tanh(query + memory @ w["attention/key/kernel"])
        context = softmax(hidden @ w["attention/vector"]) @ memory
        for i in range(3):
            states[i] = lstm(np.concatenate([x, context]), *states[i], *cell(i))
            x = states[i][0] + x if i == 2 else states[i][0]
        if tied:
            logits = x @ w["readout/kernel"] @ w["embedding/embeddings"].T
        else:
            logits = x @ w["output/kernel"]
        expected.append(logits + w["output/bias"])
    logits = ops.convert_to_numpy(decoder(np.array([[1, 5, 3]]), encoded))
    np.testing.assert_allclose(logits[0], expected, atol=1e-4)


@pytest.mark.parametrize("options", [{"attention": None}, {"attention": "luong", "layers": 1}])
def test_an_attention_and_two_layers_are_needed(options):
    with pytest.raises(ValueError, match="use RecurrentDecoder"):
        GNMTDecoder(**SIZES, **options)
