"""What CTranslate2 wrote is read back: its own scores and texts are the oracle."""

import json
import shutil
import struct
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from s2s_zoo import Seq2Seq, from_pretrained
from s2s_zoo.checkpoints import on_ctranslate2
from s2s_zoo.checkpoints.on_ctranslate2 import positions_of, write_model
from s2s_zoo.checkpoints.pretrained import FAMILIES
from s2s_zoo.checkpoints.pretrained.ctranslate2 import unify
from s2s_zoo.checkpoints.pretrained.ctranslate2_file import read_model
from s2s_zoo.checkpoints.pretrained.listed import arrangement
from s2s_zoo.checkpoints.pretrained.matching import assign, match
from s2s_zoo.generation.scorer import after_start, log_probs_of
from s2s_zoo.protocol import END, UNK
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.padding import pad_rows
from tests.checkpoints.pretrained.lines import AS_IT_IS, LINES, pieces_model
from tests.checkpoints.test_on_ctranslate2 import NAMES, OURS, SIZE, model_of

ctranslate2 = pytest.importorskip("ctranslate2", reason="needs pip install 's2s-zoo[ctranslate2]'")
FAMILY = FAMILIES["ctranslate2"]


def read_back(directory):
    """The model of a directory without a tokenizer, and the place of each token."""
    config = {"model_type": "ctranslate2", **json.loads((directory / "config.json").read_text())}
    config, tensors = unify(config, read_model(directory / "model.bin"), directory)
    encoder, decoder = FAMILY.describe(config)
    decoder = {**decoder, "tie_embeddings": config["tie_word_embeddings"]}
    described = {
        "encoder": encoder,
        "decoder": {**decoder, "start_token": config["decoder_start_token_id"]},
        "share_embeddings": config["share_encoder_decoder_embeddings"],
    }
    found = match(described, tensors, directory, FAMILY, config)
    model = Seq2Seq.from_config(described)
    every = np.arange(config["vocab_size"])
    side = SimpleNamespace(order=every)
    processor = SimpleNamespace(order=every, source_tokenizer=side, target_tokenizer=side)
    assign(model, found, tensors, directory, FAMILY, config, processor)
    return model, np.argsort(arrangement(NAMES, config))[-SIZE:]


def differences(model, places, translator, lengths=((1, 3), (5, 8), (30, 40))):
    """How far the log-probabilities of tokens are from those of CTranslate2, for a few pairs."""
    drawn = np.random.default_rng(5)
    sources, targets = (
        [np.append(drawn.integers(UNK + 1, SIZE, length), END) for length in side]
        for side in zip(*lengths, strict=True)
    )
    found = translator.score_batch(
        [[NAMES[token] for token in row] for row in sources],
        [[NAMES[token] for token in row[:-1]] for row in targets],
    )
    source, target = (
        pad_rows([places[row].astype("int32") for row in rows], max(map(len, rows)))
        for rows in (sources, targets)
    )
    logits = model({"source": source, "target": after_start(target)}, training=False)
    here = keras.ops.convert_to_numpy(log_probs_of(target, logits))
    return max(
        np.abs(one.log_probs - row[: len(one.log_probs)]).max()
        for one, row in zip(found, here, strict=True)
    )


@pytest.mark.compares("scores of the package ctranslate2", of=("ctranslate2",))
@pytest.mark.parametrize(
    ("name", "quantization"),
    [
        *((name, None) for name in ("marian", "bart", "m2m_100", "t5", "mt5", "umt5", *OURS)),
        *(("marian", quantization) for quantization in ("float16", "int16", "int8")),
        ("mt5", "int8"),
    ],
)
def test_its_scores_are_those_of_what_was_written(name, quantization, tmp_path):
    model = model_of(name)
    where = tmp_path / "model"
    write_model(model, where, (NAMES, NAMES), UNK, positions_of(model, 60), quantization)
    translator = ctranslate2.Translator(str(where), compute_type="float32")
    assert differences(*read_back(where), translator) < 1e-4


def test_what_opus_mt_and_opennmt_leave_out(tmp_path, monkeypatch):
    """A decoder that starts from zeros, and positions that nobody wrote down."""
    from ctranslate2.specs import TransformerSpec, model_spec

    validate = TransformerSpec.validate

    def changed(spec):
        spec.decoder.start_from_zero_embedding = True
        validate(spec)

    monkeypatch.setattr(TransformerSpec, "validate", changed)
    monkeypatch.setattr(on_ctranslate2, "_encodings", lambda *_: model_spec.OPTIONAL)
    write_model(model_of("post"), tmp_path / "model", (NAMES, NAMES), UNK, 60)
    translator = ctranslate2.Translator(str(tmp_path / "model"), compute_type="float32")
    model, places = read_back(tmp_path / "model")
    assert model.decoder.vocabulary_size == SIZE + 1 and model.decoder.start_token == 0
    assert differences(model, places, translator) < 1e-4


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A directory as a package of argos-translate is, of random weights."""
    directory = tmp_path_factory.mktemp("argos") / "translate-de_en"
    directory.mkdir()
    (directory / "metadata.json").write_text('{"from_code": "de", "to_code": "en"}')
    data, pieces = pieces_model(120)
    (directory / "sentencepiece.model").write_bytes(data)
    names = ["<pad>", "<s>", "</s>", "<unk>", *pieces[3:]]
    side = {**OURS["post"], "vocabulary_size": len(names)}
    model = Seq2Seq.from_config({"encoder": side, "decoder": {**side, "tie_embeddings": True}})
    drawn = np.random.default_rng(4)
    for weight in model.weights:
        weight.assign(weight.path.endswith("gamma") + drawn.normal(0, 0.5, weight.shape))
    bias = np.zeros(len(names))
    bias[END] = 2
    model.decoder.output_bias.assign(bias)
    write_model(model, directory / "model", (names, names), UNK, 60, "int8", adds_end=True)
    return directory


@pytest.mark.compares("texts of the package ctranslate2", of=("ctranslate2",))
def test_a_package_of_argos_translate(package, tmp_path):
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(str(package / "sentencepiece.model"))
    translator = ctranslate2.Translator(str(package / "model"), compute_type="float32")
    texts = LINES[::20]
    found = translator.translate_batch(
        pieces.encode(texts, out_type=str),
        beam_size=1,
        min_decoding_length=1,
        max_decoding_length=12,
        suppress_sequences=[["<pad>"], ["<s>"], ["<unk>"]],
    )
    expected = [pieces.decode_pieces(one.hypotheses[0]) for one in found]
    translate = from_pretrained(package)
    options = {"min_length": 1, "max_length": 13, **AS_IT_IS}
    assert translate(texts, **options) == expected and len(set(expected)) > 4
    translate.save(tmp_path / "ours")
    assert from_pretrained(tmp_path / "ours")(texts, **options) == expected


def test_a_repository_of_the_hub(package, hub, tmp_path):
    flat = shutil.copytree(package / "model", tmp_path / "flat")
    shutil.copy(package / "sentencepiece.model", flat)
    hub.add("me/converted", flat)
    found, here = from_pretrained("hf://me/converted"), from_pretrained(flat)
    inputs = {"source": np.array([[5, 6, 7, END]]), "target": np.array([[3, 5, 6]])}
    np.testing.assert_array_equal(found.model(inputs), here.model(inputs))
    assert found.processor.options == here.processor.options


def changed(directory, name, data):
    (directory / name).write_bytes(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: (d.parent / "sentencepiece.model").unlink(),
            "expected the SentencePiece models",
        ),
        (lambda d: changed(d, "model.bin", b"\x06\0\0\0"), "is no model of CTranslate2, or trunc"),
        (lambda d: changed(d, "model.bin", struct.pack("<I", 3)), "version 4 to 6 .*Received: 3"),
        (
            lambda d: changed(d, "model.bin", (d / "model.bin").read_bytes()[:-50_000]),
            "is no model of CTranslate2, or truncated",
        ),
        (
            lambda d: changed(
                d,
                "model.bin",
                struct.pack("<IH", 6, 12) + b"Wav2VecSpec\0" + struct.pack("<III", 3, 0, 0),
            ),
            "of encoder and decoder. Received: Wav2VecSpec",
        ),
        (
            lambda d: changed(d, "shared_vocabulary.json", b'["<unk>"]'),
            "expected eos_token, '</s>'",
        ),
        (lambda d: changed(d, "shared_vocabulary.json", b"{}"), "expected a list of pieces"),
        (lambda d: changed(d, "shared_vocabulary.json", b'["a", "a"]'), "'a' twice"),
        (
            lambda d: (d / "shared_vocabulary.json").unlink(),
            "expected shared_vocabulary, or source",
        ),
        (lambda d: changed(d, "config.json", b'{"add_source_bos": true}'), "begins sources of"),
    ],
)
def test_what_is_refused(package, tmp_path, change, message):
    copy = shutil.copytree(package, tmp_path / "copy")
    change(copy / "model")
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)


def test_one_of_many_languages_is_refused(package, tmp_path):
    copy = shutil.copytree(package, tmp_path / "copy")
    path = copy / "model" / "shared_vocabulary.json"
    pieces = json.loads(path.read_text())
    path.write_text(json.dumps([*pieces[:-2], "__de__", "__en__"]))
    with pytest.raises(CheckpointError, match="of many languages.*Load the checkpoint that it was"):
        from_pretrained(copy)
