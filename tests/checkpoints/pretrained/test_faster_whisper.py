"""A Whisper as CTranslate2 has it is the one that it was made of."""

import json
import shutil

import numpy as np
import pytest

from s2s_zoo import from_pretrained
from s2s_zoo.checkpoints.pretrained import whisper
from s2s_zoo.checkpoints.pretrained.weights import read_safetensors
from s2s_zoo.protocol.errors import CheckpointError
from tests.tiny_whisper import RATE, sound

ctranslate2 = pytest.importorskip("ctranslate2", reason="needs pip install 's2s-zoo[ctranslate2]'")


def convert(theirs, directory, quantization=None):
    """Writes what CTranslate2's converter writes of a Whisper of one layer, without torch."""
    from ctranslate2.specs.whisper_spec import WhisperSpec

    read = read_safetensors(theirs / "model.safetensors").items()
    tensors = {name.removeprefix("model."): tensor.read() for name, tensor in read}
    config = json.loads((theirs / "config.json").read_text())
    heads = config["encoder_attention_heads"]
    spec = WhisperSpec(1, heads, 1, heads)

    def linear(part, *names):
        part.weight = np.concatenate([tensors[f"{name}.weight"] for name in names])
        size = tensors[f"{names[0]}.weight"].shape[0]
        zeros = np.zeros(size, "float32")
        part.bias = np.concatenate([tensors.get(f"{name}.bias", zeros) for name in names])

    def norm(part, name):
        part.gamma, part.beta = tensors[f"{name}.weight"], tensors[f"{name}.bias"]

    for half, side in (("encoder", spec.encoder), ("decoder", spec.decoder)):
        side.position_encodings.encodings = tensors[f"{half}.embed_positions.weight"]
        norm(side.layer_norm, f"{half}.layer_norm")
        layer, name = side.layer[0], f"{half}.layers.0"
        own = f"{name}.self_attn"
        linear(layer.self_attention.linear[0], *(f"{own}.{x}_proj" for x in "qkv"))
        linear(layer.self_attention.linear[1], f"{own}.out_proj")
        norm(layer.self_attention.layer_norm, f"{name}.self_attn_layer_norm")
        linear(layer.ffn.linear_0, f"{name}.fc1")
        linear(layer.ffn.linear_1, f"{name}.fc2")
        norm(layer.ffn.layer_norm, f"{name}.final_layer_norm")
    for part in ("conv1", "conv2"):
        linear(getattr(spec.encoder, part), f"encoder.{part}")
    across = f"{name}.encoder_attn"
    linear(layer.attention.linear[0], f"{across}.q_proj")
    linear(layer.attention.linear[1], f"{across}.k_proj", f"{across}.v_proj")
    linear(layer.attention.linear[2], f"{across}.out_proj")
    norm(layer.attention.layer_norm, f"{name}.encoder_attn_layer_norm")
    spec.decoder.embeddings.weight = tensors["decoder.embed_tokens.weight"]
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    said = json.loads((theirs / "generation_config.json").read_text())
    spec.config.suppress_ids = said["suppress_tokens"]
    spec.config.suppress_ids_begin = said["begin_suppress_tokens"]
    spec.config.alignment_heads = said["alignment_heads"]
    spec.register_vocabulary([str(i) for i in range(config["vocab_size"])])
    spec.validate()
    spec.optimize(quantization)
    directory.mkdir()
    spec.save(str(directory))
    for name in ("tokenizer.json", "preprocessor_config.json"):
        shutil.copy(theirs / name, directory)
    return directory


@pytest.mark.compares("features", "logits", "texts", of=("faster-whisper",))
@pytest.mark.parametrize("quantization", [None, "float16", "int8"])
def test_it_is_the_whisper_that_it_was_made_of(tiny_whisper, quantization, tmp_path, monkeypatch):
    monkeypatch.setattr(whisper, "ENGLISH_ONLY", 0)  # the size of a vocabulary says it
    original = from_pretrained(tiny_whisper)
    found = from_pretrained(convert(tiny_whisper, tmp_path / "converted", quantization))
    assert found.task == "transcription"
    ours, theirs = found.processor, original.processor
    assert ours.languages == theirs.languages and ours.tasks == theirs.tasks
    assert (ours.suppress, ours.begin_suppress) == (theirs.suppress, theirs.begin_suppress)
    assert found.model.decoder.start_token == original.model.decoder.start_token
    sounds = [(sound(0.8), RATE), (sound(0.5, seed=2), RATE)]
    source = np.stack(ours.encode_source(sounds))
    np.testing.assert_array_equal(source, np.stack(theirs.encode_source(sounds)))
    target = np.array([[original.model.decoder.start_token, 5, 9, 7]] * 2)
    inputs = {"source": source, "target": target}
    far = {None: 1e-5, "float16": 0.05, "int8": 1.0}[quantization]
    here, there = (pipeline.model(inputs, training=False) for pipeline in (found, original))
    np.testing.assert_allclose(here, there, atol=far)
    assert np.abs(there).max() > 1
    if quantization is None:
        said = sound(2.2, seed=1), RATE
        expected = original(said, language="de", temperature=0.0)
        assert found(said, language="de", temperature=0.0) == expected


def test_what_is_refused(tiny_whisper, tmp_path):
    where = convert(tiny_whisper, tmp_path / "converted")
    shutil.copytree(where, tmp_path / "bare")
    (tmp_path / "bare" / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="vocab.json, merges.txt are missing"):
        from_pretrained(tmp_path / "bare")
    data = (where / "model.bin").read_bytes()
    (where / "model.bin").write_bytes(
        data.replace(b"encoder/conv1/weight", b"encoder/conv9/weight")
    )
    with pytest.raises(CheckpointError, match="model.bin lacks encoder/conv1/weight of a Whisper"):
        from_pretrained(where)
