"""Marian's own files: what CTranslate2's converter makes of them is the oracle."""

import json
import shutil

import keras
import numpy as np
import pytest

from s2s_zoo import from_pretrained
from s2s_zoo.checkpoints.pretrained.vocabularies import read_numbered, read_settings_of_yaml
from s2s_zoo.generation.scorer import after_start, log_probs_of
from s2s_zoo.protocol.errors import CheckpointError
from tests.checkpoints.pretrained.lines import AS_IT_IS, LINES, write_marian_pieces

ctranslate2 = pytest.importorskip("ctranslate2", reason="needs pip install 's2s-zoo[ctranslate2]'")
pytest.importorskip("yaml")  # of its converter
WIDTH, HIDDEN, LAYERS = 16, 24, {"encoder": 2, "decoder": 1}
SETTINGS = {
    "type": "transformer",
    "enc-depth": 2,
    "dec-depth": 1,
    "transformer-heads": 4,
    "transformer-ffn-activation": "swish",
    "transformer-decoder-autoreg": "self-attention",
    "transformer-no-projection": "false",
    "transformer-preprocess": '""',
    "transformer-postprocess": "dan",
    "transformer-postprocess-top": '""',
    "transformer-postprocess-emb": "d",
    "transformer-guided-alignment-layer": "last",
    "transformer-tied-layers": "\n  []",
}
VARIANTS = {
    "post": {},
    "pre": {
        "transformer-ffn-activation": "relu",
        "transformer-preprocess": "n",
        "transformer-postprocess": "da",
        "transformer-postprocess-top": "n",
    },
}


def arrays(variant, size):
    """Random arrays as Marian names them."""
    drawn = np.random.default_rng(1)
    suffix = "_pre" if variant == "pre" else ""
    found = {"decoder_ff_logit_out_b": drawn.normal(0, 0.5, (1, size))}

    def norm(name, suffix=suffix):
        found[f"{name}_ln_scale{suffix}"] = drawn.uniform(0.7, 1.3, (1, WIDTH))
        found[f"{name}_ln_bias{suffix}"] = drawn.normal(0, 0.1, (1, WIDTH))

    def linear(scope, which, *shape):
        found[f"{scope}_W{which}"] = drawn.normal(0, 0.3, shape)
        found[f"{scope}_b{which}"] = drawn.normal(0, 0.1, (1, shape[1]))

    for half, layers in LAYERS.items():
        for i in range(1, layers + 1):
            for part in ("self", "context")[: 1 + (half == "decoder")]:
                for which in "qkvo":
                    linear(f"{half}_l{i}_{part}", which, WIDTH, WIDTH)
                norm(f"{half}_l{i}_{part}_Wo")
            linear(f"{half}_l{i}_ffn", "1", WIDTH, HIDDEN)
            linear(f"{half}_l{i}_ffn", "2", HIDDEN, WIDTH)
            norm(f"{half}_l{i}_ffn_ffn")
        if variant == "pre":
            norm(f"{half}_top", suffix="")
    if variant == "pre":  # a matrix for each side, and one of the output
        found["encoder_Wemb"], found["decoder_Wemb"] = drawn.normal(0, 0.3, (2, size, WIDTH))
        found["decoder_ff_logit_out_W"] = drawn.normal(0, 0.5, (WIDTH, size))
    else:
        found["Wemb"] = drawn.normal(0, 0.4, (size, WIDTH))
    return {name: value.astype("float32") for name, value in found.items()}


def write(directory, variant, **changes):
    directory.mkdir(parents=True, exist_ok=True)
    vocabulary = write_marian_pieces(directory, 110, 120)
    quoted = {json.dumps(piece, ensure_ascii=False): i for piece, i in vocabulary.items()}
    lines = [f"{piece}: {i}\n" for piece, i in quoted.items()]
    (directory / "opus.vocab.yml").write_text("".join(lines), encoding="utf-8")
    settings = {**SETTINGS, **VARIANTS[variant], **changes}
    text = "".join(f"{name}: {value}\n" for name, value in settings.items()) + "\0"
    special = {"special:model.yml": np.frombuffer(text.encode(), "int8")}
    np.savez(directory / "model.best.npz", **arrays(variant, len(vocabulary)), **special)
    (directory / "decoder.yml").write_text(
        "relative-paths: true\nmodels:\n  - model.best.npz\n"
        "vocabs:\n  - opus.vocab.yml\n  - opus.vocab.yml\nbeam-size: 6\n"
    )
    return vocabulary


@pytest.mark.compares("scores of the package ctranslate2", of=("marian-npz",))
@pytest.mark.parametrize("variant", VARIANTS)
def test_it_is_what_the_converter_of_ctranslate2_makes_of_it(variant, tmp_path):
    from ctranslate2.converters import MarianConverter

    where = tmp_path / "marian"
    vocabulary = write(where, variant)
    yml = str(where / "opus.vocab.yml")
    MarianConverter(str(where / "model.best.npz"), [yml, yml]).convert(str(tmp_path / "converted"))
    config = tmp_path / "converted" / "config.json"
    said = json.loads(config.read_text()) | {"layer_norm_epsilon": 1e-6}  # Marian's own
    config.write_text(json.dumps(said))
    translator = ctranslate2.Translator(str(tmp_path / "converted"), compute_type="float32")

    translate = from_pretrained(where)
    processor, texts = translate.processor, LINES[1:4]
    source = processor.pad(processor.encode_source(texts))
    target = processor.pad(processor.encode_target(texts[::-1]))
    pieces = [
        [tokenizer.pieces(row[row != 0]) for row in rows]
        for tokenizer, rows in (
            (processor.source_tokenizer, source),
            (processor.target_tokenizer, target),
        )
    ]
    assert all(row[-1] == "</s>" and set(row) <= set(vocabulary) for row in pieces[0] + pieces[1])
    found = translator.score_batch([row[:-1] for row in pieces[0]], [row[:-1] for row in pieces[1]])
    logits = translate.model({"source": source, "target": after_start(target)}, training=False)
    here = keras.ops.convert_to_numpy(log_probs_of(target, logits))
    for one, row in zip(found, here, strict=True):
        np.testing.assert_allclose(row[: len(one.log_probs)], one.log_probs, atol=1e-4)
    # And converted, it is read back as the same.
    for name in ("source.spm", "target.spm"):
        shutil.copy(where / name, tmp_path / "converted")
    again = from_pretrained(tmp_path / "converted")
    assert again.model.decoder.start_token == translate.model.decoder.start_token == 0
    other = again.model({"source": source, "target": after_start(target)}, training=False)
    real = (target != 0)[..., None]
    np.testing.assert_allclose(logits * real, other * real, atol=1e-4)


def test_it_is_saved_in_our_own_format(tmp_path):
    write(tmp_path / "marian", "post")
    translate = from_pretrained(tmp_path / "marian")
    options = {"max_length": 8, **AS_IT_IS}
    expected = translate(LINES[:2], **options)
    translate.save(tmp_path / "ours")
    assert from_pretrained(tmp_path / "ours")(LINES[:2], **options) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "s2s"}, "expected a Transformer as the papers have it. Received: type: s2s"),
        ({"transformer-ffn-activation": "gelu"}, "transformer-ffn-activation: gelu"),
        ({"transformer-decoder-autoreg": "rnn"}, "transformer-decoder-autoreg: rnn"),
        ({"transformer-postprocess": "da"}, "transformer-preprocess, -postprocess, -postprocess-t"),
    ],
)
def test_another_network_is_refused(change, message, tmp_path):
    write(tmp_path / "marian", "post", **change)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(tmp_path / "marian")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("model.best.npz", b"PK", "is no .npz of Marian, or truncated"),
        ("model.best.npz", None, "model.best.npz is missing"),
        ("opus.vocab.yml", b"a: 0\nb: 2\n", "expected the ids 0 to 1, each once"),
        ("opus.vocab.yml", b'"a": x\n', "is no vocabulary of Marian"),
        ("opus.vocab.yml", b'"a": 0\n"b": 1\n', "expected unk_token, '<unk>'"),
        ("opus.vocab.yml", b'"<unk>": 0\n"</s>": 1\n', "The model expected a vocabulary of"),
        ("decoder.yml", b"models:\n  - a.npz\n  - b.npz\n", "expected 1 models. Received: a.npz"),
        ("decoder.yml", b"models:\n  - model.best.npz\n", "expected 2 vocabs. Received: none"),
        ("decoder.yml", b"models:\n  - /etc/a.npz\n", "marian/a.npz is missing"),
        ("decoder.yml", b"{a: b}", "expected settings of Marian. Received: '{a: b}'"),
        ("source.spm", None, "expected the SentencePiece models"),
    ],
)
def test_what_is_refused(name, data, message, tmp_path):
    write(tmp_path / "marian", "post")
    if data is None:
        (tmp_path / "marian" / name).unlink()
    else:
        (tmp_path / "marian" / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(tmp_path / "marian")


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    write(tmp_path / "marian", "post")
    np.savez(tmp_path / "marian" / "model.best.npz", a=np.array([{}], object))
    with pytest.raises(CheckpointError, match="an array of object, where numbers are expected"):
        from_pretrained(tmp_path / "marian")
    np.savez_compressed(tmp_path / "marian" / "model.best.npz", a=np.zeros(3))
    with pytest.raises(CheckpointError, match="is packed; write it with numpy.savez"):
        from_pretrained(tmp_path / "marian")


def test_pieces_are_unquoted_as_yaml_does():
    import yaml

    lines = r"""
a: 0
"▁b": 1
"\"": 2
'''': 3
"\\": 4
"-": 5
"\xE9": 6
? "\L"
: 7
"\U0001F600": 8
": x": 9
'#': 10
"\u00e9\x01": 11
▁: 12
"""
    pieces = ["a", "▁b", '"', "'", "\\", "-", "é", "\u2028", "\U0001f600", ": x", "#", "é\x01", "▁"]
    assert read_numbered("x.yml", lines.encode()) == pieces
    assert yaml.safe_load(lines) == {piece: i for i, piece in enumerate(pieces)}
    found = read_settings_of_yaml("x", "a: 1\nb:\n  - c\n  - 'd'\ne: \"\"\n# f\n")
    assert found == {"a": "1", "b": ["c", "d"], "e": ""}
