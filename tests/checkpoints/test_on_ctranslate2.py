"""What CTranslate2 computes with our weights is what the model computes."""

import keras
import numpy as np
import pytest

from s2s_zoo import Seq2Seq
from s2s_zoo.checkpoints.on_ctranslate2 import check_convertible, positions_of, write_model
from s2s_zoo.checkpoints.pretrained import FAMILIES
from s2s_zoo.generation.scorer import after_start, log_probs_of
from s2s_zoo.protocol import END, UNK
from s2s_zoo.protocol.padding import pad_rows

ctranslate2 = pytest.importorskip("ctranslate2", reason="needs pip install 's2s-zoo[ctranslate2]'")

SIZE = 40
BART = {
    "vocab_size": SIZE,
    "d_model": 16,
    "max_position_embeddings": 96,
    **{f"{side}_layers": 2 for side in ("encoder", "decoder")},
    **{f"{side}_attention_heads": 4 for side in ("encoder", "decoder")},
    **{f"{side}_ffn_dim": 24 for side in ("encoder", "decoder")},
}
T5 = {
    "vocab_size": SIZE,
    "d_model": 16,
    "d_kv": 3,
    "d_ff": 24,
    "num_layers": 2,
    "num_heads": 4,
    "tie_word_embeddings": True,
    "scale_decoder_outputs": True,
}
CONFIGS = {
    "marian": {**BART, "activation_function": "swish", "scale_embedding": True},
    "bart": BART,
    "mbart": {**BART, "scale_embedding": True, "decoder_layers": 1},
    "m2m_100": {**BART, "activation_function": "relu", "scale_embedding": True},  # NLLB too
    "pegasus": {**BART, "activation_function": "relu"},
    "t5": T5,
    "mt5": {**T5, "tie_word_embeddings": False, "scale_decoder_outputs": False}
    | {"feed_forward_proj": "gated-gelu"},
    "umt5": {**T5, "tie_word_embeddings": False, "scale_decoder_outputs": False},
}
SIDE = {"name": "transformer", "vocabulary_size": SIZE, "embedding_dim": 8, "hidden_dim": 12}
OURS = {
    "post": {**SIDE, "layers": 2, "heads": 2},
    "pre": {**SIDE, "layers": 1, "heads": 2, "norm": "pre", "gated": True, "bias": False}
    | {"positions": {"name": "learned", "length": 80}, "epsilon": 1e-3},
    "without-positions": {**SIDE, "layers": 1, "heads": 1, "head_dim": 3, "positions": None}
    | {"normalization": "rms", "activation": "gelu_tanh", "scale_scores": False},
}
NAMES = [str(token) for token in range(SIZE)]


def model_of(name):
    """A model of a family, or of ours, with weights that tell every part of it."""
    if name in CONFIGS:
        encoder, decoder = FAMILIES[name].describe(dict(CONFIGS[name]))
    else:
        encoder = OURS[name]
        decoder = {**encoder, "tie_embeddings": name == "pre", "start_token": 5}
    model = Seq2Seq.from_config({"encoder": encoder, "decoder": decoder})
    drawn = np.random.default_rng(3)
    for weight in model.weights:
        around = weight.path.endswith(("gamma", "scale"))
        weight.assign(around + drawn.normal(0, 0.3, weight.shape))
    return model


def differences(model, translator, lengths=((1, 3), (5, 8), (9, 2), (60, 70))):
    """How far the log-probabilities of tokens are from those of the model, for a few pairs."""
    drawn = np.random.default_rng(5)
    sources, targets = (
        [np.append(drawn.integers(UNK + 1, SIZE, length), END) for length in side]
        for side in zip(*lengths, strict=True)
    )
    found = translator.score_batch(
        [[NAMES[token] for token in row] for row in sources],
        [[NAMES[token] for token in row[:-1]] for row in targets],
    )
    source, target = (pad_rows(rows, max(map(len, rows))) for rows in (sources, targets))
    logits = model({"source": source, "target": after_start(target)}, training=False)
    wanted = keras.ops.convert_to_numpy(log_probs_of(target, logits))
    return [
        np.abs(one.log_probs - row[: len(one.log_probs)]).max()
        for one, row in zip(found, wanted, strict=True)
    ]


@pytest.mark.parametrize("name", [*CONFIGS, *OURS])
def test_every_family_has_its_own_scores(name, tmp_path):
    model = model_of(name)
    positions = positions_of(model, 100)
    write_model(model, tmp_path / "model", (NAMES, NAMES), UNK, positions)
    translator = ctranslate2.Translator(str(tmp_path / "model"), compute_type="float32")
    assert max(differences(model, translator)) < 1e-4
    assert positions == {
        "bart": 96,
        "mbart": 96,
        "pre": 80,
        "t5": None,
        "mt5": None,
        "umt5": None,
    }.get(name, 1024)


def test_int8_is_near_and_smaller(tmp_path):
    model = model_of("post")
    for quantization in ("int8", "float32"):
        write_model(model, tmp_path / quantization, (NAMES, NAMES), UNK, 1024, quantization)
    small, large = ((tmp_path / x / "model.bin").stat().st_size for x in ("int8", "float32"))
    assert small < large
    translator = ctranslate2.Translator(str(tmp_path / "int8"), compute_type="int8")
    assert 0 < max(differences(model, translator)) < 0.5


RECURRENT = {"name": "recurrent", "units": 4, "vocabulary_size": SIZE, "embedding_dim": 8}


@pytest.mark.parametrize(
    "encoder, decoder, reason",
    [
        (RECURRENT, OURS["post"], "RecurrentEncoder, no TransformerEncoder"),
        (OURS["post"], {**OURS["post"], "name": "ssru"}, "SSRUDecoder, no TransformerDecoder"),
        ({**OURS["post"], "lsh": {}}, OURS["post"], "TransformerEncoder with lsh="),
        ({**OURS["post"], "epsilon": 1e-6}, OURS["post"], "different epsilon"),
        ({**OURS["post"], "embedding_dim": 16}, OURS["post"], "different widths"),
        *(
            (OURS["post"], {**OURS["post"], option: value}, f"TransformerDecoder with {option}")
            for option, value in (
                ("output_transform", True),
                ("pointer", True),
                ("embedding_norm", "before"),
            )
        ),
        (
            {**OURS["post"], "relative_positions": {"buckets": 8, "max_distance": 9}},
            OURS["post"],
            "positions and relative_positions",
        ),
    ],
)
def test_what_it_cannot_hold_is_refused(encoder, decoder, reason):
    model = Seq2Seq.from_config({"encoder": encoder, "decoder": decoder})
    with pytest.raises(ValueError, match=f"{reason}.*Use it with Keras"):
        check_convertible(model)


def test_buckets_of_relative_positions_are_those_of_ctranslate2(tmp_path):
    """Where rounding would put a distance into another bucket the model is refused."""
    refused = []
    for buckets, farthest in ((32, 128), (6, 5), (32, 100), (16, 1000), (64, 77)):
        side = {**OURS["without-positions"], "heads": 2, "head_dim": 4}
        side["relative_positions"] = {"buckets": buckets, "max_distance": farthest}
        model = Seq2Seq.from_config({"encoder": side, "decoder": side})
        try:
            check_convertible(model)
        except ValueError:
            refused.append((buckets, farthest))
            continue
        drawn = np.random.default_rng(buckets)
        for stack in (model.encoder.stack, model.decoder.stack):
            weight = stack.relative_bias.embeddings
            weight.assign(drawn.normal(0, 2, weight.shape))
        folder = tmp_path / f"{buckets}-{farthest}"
        write_model(model, folder, (NAMES, NAMES), UNK)
        translator = ctranslate2.Translator(str(folder), compute_type="float32")
        assert max(differences(model, translator, ((140, 140),))) < 1e-4
    assert (32, 128) not in refused


def test_unknown_quantization(tmp_path):
    with pytest.raises(ValueError, match="int8_float32.*Received: 'int4'"):
        write_model(model_of("post"), tmp_path / "a", (NAMES, NAMES), UNK, 9, "int4")
    assert not list(tmp_path.iterdir())
