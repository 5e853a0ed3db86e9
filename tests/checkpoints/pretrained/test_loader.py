"""A checkpoint in the layout of the Hub: loading, use, saving, and what is wrong with it."""

import io
import json
import pickle
import shutil
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from s2s_zoo import from_pretrained
from s2s_zoo.checkpoints.pretrained import FAMILIES, refused
from s2s_zoo.protocol.errors import CheckpointError, DataError

TEXTS = ["ein kleiner Hund rennt schnell am Strand!", "a dog runs", "", "čte knihu †"]


@pytest.fixture
def copy(hub_marian, tmp_path):
    return shutil.copytree(hub_marian, tmp_path / "copy")


@pytest.fixture(scope="module")
def pipeline(hub_marian):
    return from_pretrained(hub_marian)


def edit(path, **changes):
    value = json.loads(path.read_text())
    value.update(changes)
    path.write_text(json.dumps({k: v for k, v in value.items() if v is not None}))


def edit_within(path, changes):
    """As `edit`; of a dict in the file only the keys that are named change."""
    value = json.loads(path.read_text()) if path.exists() else {}
    for key, change in changes.items():
        value[key] = {**value[key], **change} if isinstance(change, dict) else change
    path.write_text(json.dumps(value))


def change_tensors(directory, change):
    tensors = load_file(directory / "model.safetensors")
    change(tensors)
    save_file(tensors, directory / "model.safetensors")


def test_it_is_a_pipeline_like_any_other(pipeline):
    assert pipeline.task == "translation" and pipeline.languages == ["de", "en"]
    texts = pipeline(TEXTS)
    assert texts[2] == "" and texts[0] and len(set(texts)) > 2
    result = pipeline(TEXTS[0], return_alignment=True, num_beams=3)
    assert result.source_tokens[-1] == "</s>"
    assert result.alignment.shape == (len(result.target_tokens), len(result.source_tokens))
    np.testing.assert_allclose(result.alignment.sum(axis=1), 1, atol=1e-5)


def test_saved_in_our_format_it_is_the_same(pipeline, tmp_path):
    pipeline.save(tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert again(TEXTS) == pipeline(TEXTS)
    assert again.generation == pipeline.generation and again.languages == ["de", "en"]
    np.testing.assert_array_equal(again.score(TEXTS, TEXTS), pipeline.score(TEXTS, TEXTS))
    (tmp_path / "ours" / "vocab.json").write_text("{}")
    with pytest.raises(CheckpointError, match="vocab.json is truncated or altered"):
        from_pretrained(tmp_path / "ours")


def test_a_new_family_is_one_line_of_the_table(pipeline, copy, tmp_path, monkeypatch):
    monkeypatch.setitem(FAMILIES, "newcomer", FAMILIES["marian"])
    edit(copy / "config.json", model_type="newcomer")
    found = from_pretrained(copy)
    assert found(TEXTS) == pipeline(TEXTS)
    found.save(tmp_path / "ours")
    assert from_pretrained(tmp_path / "ours")(TEXTS) == pipeline(TEXTS)
    monkeypatch.delitem(FAMILIES, "newcomer")
    with pytest.raises(CheckpointError, match="processor.json: Unknown family.*'newcomer'"):
        from_pretrained(tmp_path / "ours")


def test_fine_tuning(hub_marian, sentences):
    pipeline = from_pretrained(hub_marian)
    sources, targets = map(list, zip(*sentences, strict=True))
    before = pipeline.score(sources, targets).sum()
    batches = pipeline.batches(sentences, batch_tokens=128, max_shapes=1)
    pipeline.model.optimizer.learning_rate = 0.01
    pipeline.model.run_eagerly = True  # a trace takes five times as long
    pipeline.model.fit(batches, epochs=4, verbose=0)
    assert pipeline.score(sources, targets).sum() > before + 20


def test_from_a_repository(pipeline, hub_marian, hub):
    hub.add("Helsinki-NLP/opus-mt-de-en", hub_marian)
    found = from_pretrained("hf://Helsinki-NLP/opus-mt-de-en")
    assert found(TEXTS) == pipeline(TEXTS)


def test_dtype(hub_marian):
    model = from_pretrained(hub_marian, dtype="bfloat16").model
    assert {str(weight.dtype) for weight in model.weights} == {"bfloat16"}


def test_streams_are_refused(pipeline):
    tf = pytest.importorskip("tensorflow")
    pairs = tf.data.Dataset.from_tensors((tf.constant("a"), tf.constant("b")))
    with pytest.raises(ValueError, match="cannot read streams.*a list or a file"):
        pipeline.batches(pairs)


def test_every_file_of_weights_gives_the_same(pipeline, copy):
    h5py = pytest.importorskip("h5py")
    tensors = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    names = sorted(tensors)
    places = {name: f"model-{i % 2}.safetensors" for i, name in enumerate(names)}
    for shard in set(places.values()):
        save_file({n: tensors[n] for n in names if places[n] == shard}, copy / shard)
    index = copy / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    assert from_pretrained(copy)(TEXTS) == pipeline(TEXTS)
    index.unlink()
    with h5py.File(copy / "tf_model.h5", "w") as file:
        for name, value in tensors.items():
            parts = name.replace("layers.", "layers_").split(".")
            parts = [part.replace("layers_", "layers.") for part in parts]
            if parts[-1] == "weight" and "norm" in name:
                parts[-1] = "gamma"
            elif parts[-1] == "bias" and "norm" in name:
                parts[-1] = "beta"
            elif parts[-1] == "weight" and "shared" not in name:
                parts[-1], value = "kernel", value.T
            file[f"{parts[0]}/tf_marian_mt_model/{'/'.join(parts)}:0"] = value
    assert from_pretrained(copy)(TEXTS) == pipeline(TEXTS)


@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "legacy"])
def test_pickles_of_torch(pipeline, copy, new_format):
    torch = pytest.importorskip("torch")
    tensors = {k: torch.tensor(v) for k, v in load_file(copy / "model.safetensors").items()}
    tensors["lm_head.weight"] = tensors["model.shared.weight"]
    kernel = "model.encoder.layers.0.fc1.weight"
    tensors[kernel] = tensors[kernel].T.contiguous().T  # strides that are not the usual ones
    (copy / "model.safetensors").unlink()
    path = copy / "pytorch_model.bin"
    torch.save(tensors, path, _use_new_zipfile_serialization=new_format)
    assert from_pretrained(copy)(TEXTS) == pipeline(TEXTS)
    data = path.read_bytes()
    for size in (len(data) - 100, len(data) // 2, 10):
        path.write_bytes(data[:size])
        with pytest.raises(CheckpointError, match="pytorch_model.bin is truncated"):
            from_pretrained(copy)
    half = {name: value.half() for name, value in tensors.items()}
    torch.save(half, path, _use_new_zipfile_serialization=new_format)
    found = from_pretrained(copy).model.get_weights()
    for ours, expected in zip(found, pipeline.model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, expected, atol=2e-3)


class Poison:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_poisoned_pickle_is_refused_and_nothing_runs(copy, tmp_path, zipped):
    (copy / "model.safetensors").unlink()
    data = pickle.dumps({"model.shared.weight": Poison(tmp_path / "was here")}, protocol=2)
    if zipped:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("archive/data.pkl", data)
        data = packed.getvalue()
    (copy / "pytorch_model.bin").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"asks for \w+\.open.*refused and nothing was run"):
        from_pretrained(copy)
    assert not (tmp_path / "was here").exists()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model_type": "marain"}, "Unknown model_type.*Did you mean 'marian'.*Known: bart,"),
        (
            {"model_type": "bert"},
            "Known: bart, b.*, m2m_100, marian, .*mbart, mt5, .*pegasus",
        ),
        ({"architectures": ["BartForSequenceClassification"]}, "does not write text from text"),
        ({"architectures": ["MT5EncoderModel"]}, "half of a model"),
        ({"encoder_layers": 3}, r"encoder.layers.2.\S+ is missing"),
        ({"encoder_layers": 1}, r"encoder.layers.1.\S+ is unexpected"),
        ({"encoder_ffn_dim": 25}, r"fc1.bias is \(24,\) where \(25,\) is expected"),
        ({"d_model": None}, "does not describe a marian model: KeyError"),
        ({"activation_function": "mish"}, "does not describe a marian model"),
        ({"vocab_size": 30}, "The tokenizer has ids up to"),
        ({"eos_token_id": 1}, "different tokens for padding, end and unknown"),
    ],
)
def test_a_config_that_does_not_fit(copy, changes, message):
    edit(copy / "config.json", **changes)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)


def test_half_a_model(copy):
    def drop(half):
        def change(tensors):
            for name in [name for name in tensors if f".{half}." in name]:
                del tensors[name]

        return change

    change_tensors(copy, drop("decoder"))
    with pytest.raises(CheckpointError, match="holds no decoder.*an encoder and a decoder"):
        from_pretrained(copy)


@pytest.mark.parametrize("name", ["source.spm", "vocab.json"])
def test_a_missing_tokenizer_file(copy, name):
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=f"needs source.spm.*; {name} is missing"):
        from_pretrained(copy)


def test_damaged_weights(copy):
    path = copy / "model.safetensors"
    data = path.read_bytes()
    for size, message in ((len(data) - 5, "is truncated"), (100, "is truncated"), (0, "truncated")):
        path.write_bytes(data[:size])
        with pytest.raises(CheckpointError, match=message):
            from_pretrained(copy)
    path.write_bytes(b"\x10" + bytes(7) + b"not json at all!" + data)
    with pytest.raises(CheckpointError, match="is no safetensors file"):
        from_pretrained(copy)
    path.unlink()
    with pytest.raises(CheckpointError, match="holds no weights: expected model.safetensors"):
        from_pretrained(copy)
    (copy / "tf_model.h5").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="tf_model.h5 is no HDF5 file"):
        from_pretrained(copy)
    index = copy / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"model.shared.weight": "model-1.safetensors"}}))
    (copy / "tf_model.h5").unlink()
    with pytest.raises(CheckpointError, match="model-1.safetensors is missing"):
        from_pretrained(copy)
    index.write_text(json.dumps({"weight_map": {"model.shared.weight": "../../etc/passwd"}}))
    with pytest.raises(CheckpointError, match="is missing"):
        from_pretrained(copy)


def test_languages(hub_marian, copy):
    """A Marian of several targets wants to know which."""
    vocabulary = json.loads((copy / "vocab.json").read_text())
    pieces = sorted(vocabulary, key=vocabulary.get)
    replaced = [piece for piece in pieces if len(piece) > 2 and "<" not in piece][:2]
    codes = dict(zip(replaced, (">>deu<<", ">>fra<<"), strict=True))
    (copy / "vocab.json").write_text(
        json.dumps({codes.get(piece, piece): vocabulary[piece] for piece in pieces})
    )
    several = from_pretrained(copy)
    with pytest.raises(DataError, match="say which one with target=….*Known: deu, fra"):
        several("a dog")
    with pytest.raises(DataError, match="Did you mean 'fra'"):
        several("a dog", target="fr")
    with pytest.raises(DataError, match="Did you mean 'fra'"):
        from_pretrained(copy, target="fr")
    with pytest.raises(DataError, match="Unknown language code"):
        several(">>xxx<< a dog")
    french = several("a dog", target="fra")
    assert several(">>fra<< a dog") == french == from_pretrained(copy, target="fra")("a dog")
    with pytest.raises(DataError, match="one pair, de to en.*Leave them out"):
        from_pretrained(hub_marian, source="de", target="fr")
    assert from_pretrained(hub_marian, source="de", target="en").languages == ["de", "en"]
    with pytest.raises(ValueError, match="Unknown key in the checkpoint config.*'target'"):
        from_pretrained("translation-de-en", target="en")


@pytest.mark.parametrize(
    ("model_type", "message"),
    [
        (
            "switch_transformers",
            "switch_transformers is a T5 whose .* mixtures of .* Use a T5. Known",
        ),
        ("gpt2", "gpt2 is a decoder without an encoder: .* Use an encoder-decoder"),
        ("bert", "bert is an encoder alone, which writes no text"),
        (["marian"], "Unknown model_type"),
    ],
)
def test_what_is_not_read_is_told_what_it_is(copy, model_type, message):
    edit(copy / "config.json", model_type=model_type)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)


def test_nothing_that_is_read_is_refused():
    assert not {*refused.NEAR, *refused.DECODERS, *refused.ENCODERS} & FAMILIES.keys()
