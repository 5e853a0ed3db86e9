"""One way through: what is read, hashed and entered between a name and its pipeline."""

import json
import sys
from collections import Counter

import pytest

from s2s_zoo import from_pretrained
from s2s_zoo.checkpoints.catalog import list_checkpoints, resolve
from s2s_zoo.checkpoints.directory import load_checkpoint
from s2s_zoo.protocol.errors import CheckpointError

STATIONS = (
    "s2s_zoo.checkpoints",
    "s2s_zoo.pipeline.loading",
    "s2s_zoo.protocol.files",
    "s2s_zoo.data.stored",
)
BUNDLED = "translation-de-en"


class Calls:
    """Who is called while a checkpoint loads: the stations, and with which path."""

    def __init__(self):
        self.stations = set()
        self.paths = {"read_json": Counter(), "describe_file": Counter()}

    def __call__(self, frame, event, argument):
        module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        if event == "call" and module.startswith(STATIONS) and not name.startswith("<"):
            self.stations.add((module, frame.f_code.co_qualname))
            if name in self.paths:
                self.paths[name][frame.f_locals["path"].name] += 1


def calls(name):
    found = Calls()
    sys.setprofile(found)
    try:
        from_pretrained(name)
    finally:
        sys.setprofile(None)
    return found


def test_a_bundled_name_reads_and_hashes_every_file_once():
    found = calls(BUNDLED)
    assert set(found.paths["read_json"].values()) == {1}
    assert found.paths["describe_file"] == dict.fromkeys(list_checkpoints()[BUNDLED]["files"], 1)


@pytest.mark.parametrize(
    ("name", "most"),
    [("summarization-titles-en", 25), (BUNDLED, 28)],  # three make floats of int8
)
def test_a_bundled_name_passes_few_functions(name, most):
    from_pretrained(name)  # with the catalog read
    assert len(calls(name).stations) <= most


def test_a_directory_is_read_and_hashed_once(tiny_checkpoint):
    found = calls(tiny_checkpoint)
    assert found.paths["read_json"]["config.json"] == 1
    assert found.paths["describe_file"] == dict.fromkeys(
        resolve(tiny_checkpoint).config["files"], 1
    )


def test_a_repository_is_read_and_hashed_once(hub, tiny_checkpoint):
    hub.add("org/tiny", tiny_checkpoint)
    found = calls("hf://org/tiny")
    assert found.paths["read_json"]["config.json"] == 1
    assert set(found.paths["describe_file"].values()) == {1}


def test_the_layout_of_transformers_is_read_once(hub_marian):
    found = calls(hub_marian)
    assert found.paths["read_json"]["config.json"] == 1
    assert not found.paths["describe_file"]


def test_a_record_that_is_not_the_verified_one_is_compared_with_the_file(tiny_checkpoint):
    opened = resolve(tiny_checkpoint)
    verified = json.loads(json.dumps(opened.config["files"]))
    opened.config["files"]["model.safetensors"]["sha256"] = "0" * 64
    with pytest.raises(CheckpointError, match="model.safetensors was altered"):
        load_checkpoint(opened._replace(verified=verified))
