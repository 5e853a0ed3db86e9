"""Bombs and wrong weights in our own layout, with the right hashes, which whoever makes one up has.

What a file says is compared with the header of the weights before anything is made of that size.
"""

import json
import re
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from s2s_zoo import from_pretrained
from s2s_zoo.checkpoints.weights import check_finite
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import describe_file
from s2s_zoo.protocol.safetensors_file import numpy_dtype
from tests.hostile import load_each

VAST = 1 << 40


def encoder(**changes):
    return {"model": {"encoder": changes}}


def decoder(**changes):
    return {"model": {"decoder": changes}}


def transformer(**changes):
    config = {"name": "transformer", "layers": 1, "heads": 2, "hidden_dim": 4, "embedding_dim": 6}
    return encoder(**{**config, "vocabulary_size": 60, **changes})


BOMBS = {
    "encoder_units": encoder(units=VAST),
    "decoder_units": decoder(units=VAST),
    "both_vocabularies": {
        "model": {
            "encoder": {"vocabulary_size": VAST},
            "decoder": {"vocabulary_size": VAST},
        }
    },
    "width": encoder(embedding_dim=VAST),
    "layers": encoder(layers=10**9),
    "decoder_layers": decoder(layers=10**9),
    "sines": transformer(embedding_dim=10**10),
    "distance": transformer(relative_positions={"buckets": 32, "max_distance": 10**10}),
    "buckets": transformer(relative_positions={"buckets": 10**10, "max_distance": 10**11}),
    "positions": transformer(positions={"name": "learned", "length": 10**11}),
    "rounds": transformer(lsh={"buckets": 2, "chunk": 4, "rounds": 10**9}),
    "transformer_layers": transformer(layers=10**9),
    "local_window": decoder(attention={"name": "local", "window": 10**10}),
    "vast_image": encoder(name="vision_transformer", size=[10**9, 10**9], patch=1, layers=1),
}
FILES = {
    "beams": ("generation.json", {"num_beams": 20_000}, "num_beams of at least 1, at most 64"),
    "returned": ("generation.json", {"num_return": 10**6}, "num_return of at least 1, at most 64"),
    "length": ("generation.json", {"max_length": 10**9}, "max_length of at least 1, at most 65536"),
    "no_beams": ("generation.json", {"num_beams": 0}, "num_beams of at least 1"),
    "cold": ("generation.json", {"temperature": 0}, "temperature above 0"),
    "certain": ("generation.json", {"top_p": 1.5}, "top_p above 0 and at most 1"),
    "sure": ("generation.json", {"doubt": 0.5}, "doubt of a number up to 0"),
    "doubtful": ("generation.json", {"doubt": "never"}, "doubt of a number up to 0"),
    "infinite": ("generation.json", {"length_penalty": float("inf")}, "length_penalty like 0.5"),
}


@pytest.fixture
def copy(tiny_checkpoint, tmp_path):
    return shutil.copytree(tiny_checkpoint, tmp_path / "copy")


def write_config(folder, changes):
    """Changes config.json, without the keys that another kind of encoder has not."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for half, new in changes["model"].items():
        old = {} if "name" in new else config["model"][half]
        config["model"][half] = {**old, **new}
    path.write_text(json.dumps(config))


def record(folder, name):
    """Writes the hash of a file into config.json."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["files"][name] = describe_file(folder / name)
    path.write_text(json.dumps(config))


@pytest.fixture(scope="module")
def outcomes(tiny_checkpoint, tmp_path_factory):
    folders = {}
    for name, changes in BOMBS.items():
        folders[name] = shutil.copytree(tiny_checkpoint, tmp_path_factory.mktemp("bombs") / name)
        write_config(folders[name], changes)
    said = load_each(tiny_checkpoint, folders.values())
    return {name: said[str(folder)] for name, folder in folders.items()}


@pytest.mark.processes
@pytest.mark.parametrize("name", BOMBS)
def test_no_bomb_takes_memory_or_time(outcomes, name):
    expected = f"ours: .*{name}.*(does not describe a model|does not fit the model)"
    assert re.match(expected, outcomes[name]), outcomes[name]


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_may_ask_of_a_search(copy, name):
    file, changes, message = FILES[name]
    (copy / file).write_text(json.dumps(changes))
    with pytest.raises(CheckpointError, match=f"{file} expected .*{message}"):
        from_pretrained(copy)


def test_a_caller_may_ask_for_more_beams_than_a_file(tiny_pipeline):
    tiny_pipeline.plan({"num_beams": 100})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_weights_that_are_no_numbers(tmp_path, dtype, value):
    """In every dtype, and also where it is the last number of many."""
    values = np.zeros((300, 700), "float32")
    check_finite(values.astype(numpy_dtype(dtype)), "a", tmp_path)
    check_finite(np.full(3, 65504).astype(numpy_dtype(dtype)), "a", tmp_path)
    values[299, 699] = value
    with pytest.raises(CheckpointError, match="a holds numbers that are NaN or infinite"):
        check_finite(values.astype(numpy_dtype(dtype)), "a", tmp_path)


def test_a_checkpoint_with_nan_is_refused(copy):
    path = copy / "model.safetensors"
    tensors = load_file(path)
    name = sorted(tensors)[-1]
    tensors[name] = np.full_like(tensors[name], np.nan)
    save_file(tensors, path)
    record(copy, path.name)
    with pytest.raises(CheckpointError, match=f"{re.escape(name)} holds numbers that are NaN"):
        from_pretrained(copy)
