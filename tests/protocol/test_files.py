"""Names, places, sizes and hashes of files from elsewhere."""

import json
import os
import time

import pytest

from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import (
    LIMITS,
    check_name,
    check_size,
    describe_file,
    read_json,
    verify_files,
)

# sha256 of b"abc", FIPS 180-2, appendix B.1
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_bytes(b"abc")
    return folder


def test_hash_and_size(folder):
    assert describe_file(folder / "config.json") == {"sha256": ABC, "size": 3}
    verify_files(folder, {"config.json": {"sha256": ABC, "size": 3}})


@pytest.mark.parametrize(
    "name", ["model.safetensors", "tokenizer.model", "a-b_C.1.json", "README.md"]
)
def test_names_that_may_be_read(name):
    check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../a.json", "/a.json", "a/b.json", "a\\b.json", "C:a.json", "a b.json"),
        *(".json", ".env.json", "a.json\n", "a\0.json", "ä.json", "a" * 101 + ".json", None, 3),
        *("a.py", "a.pkl", "a.h5", "a.keras", "a.bin", "a.so", "a.JSON", "a", "json"),
    ],
)
def test_names_that_may_not(name):
    with pytest.raises(CheckpointError):
        check_name(name)


def test_sizes():
    for kind, most in LIMITS.items():
        check_size(f"a{kind}", most)
        with pytest.raises(CheckpointError, match=f"a{kind} has {most + 1:,} bytes, where at most"):
            check_size(f"a{kind}", most + 1)


def test_a_large_file_is_refused_without_reading_it(folder):
    """A hole of a terabyte: nothing on the disk, and no memory or time to read it."""
    for name in ("config.json", "model.safetensors"):
        with (folder / name).open("wb") as file:
            file.truncate(1 << 40)
    start = time.perf_counter()
    with pytest.raises(CheckpointError, match="config.json has 1,099,511,627,776 bytes"):
        read_json(folder / "config.json")
    with pytest.raises(CheckpointError, match="model.safetensors has 1,099,511,627,776 bytes"):
        verify_files(folder, {"model.safetensors": {"sha256": ABC, "size": 3}})
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b"9" * 900_000,
        b'{"a": ' + b"9" * 900_000 + b"}",
        b'{"\xff": 1}',
        b"\0" * 1000,
        b'"text"',
    ],
)
def test_a_bomb_is_refused_fast(folder, text):
    (folder / "config.json").write_bytes(text)
    start = time.perf_counter()
    with pytest.raises(CheckpointError, match="config.json") as caught:
        read_json(folder / "config.json")
    assert len(str(caught.value)) < 1000
    assert time.perf_counter() - start < 1


def test_a_link_out_of_the_directory(folder):
    secret = folder.parent / "secret.json"
    secret.write_text(json.dumps({"password": 1}))
    for target in (secret, "../secret.json", "inner.json"):
        (folder / "inner.json").unlink(missing_ok=True)
        (folder / "link.json").unlink(missing_ok=True)
        (folder / "inner.json").symlink_to(secret)
        (folder / "link.json").symlink_to(target)
        with pytest.raises(CheckpointError, match="link out of its directory"):
            read_json(folder / "link.json")
        with pytest.raises(CheckpointError, match="link out of its directory"):
            verify_files(folder, {"link.json": describe_file(secret)})


def test_links_that_stay(folder):
    (folder / "a.json").write_text("{}")
    (folder / "b.json").symlink_to("a.json")
    (folder.parent / "other").symlink_to(folder)
    assert read_json(folder / "b.json") == {}
    assert read_json(folder.parent / "other" / "b.json") == {}


def test_links_of_the_cache_of_the_hub(tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    (blobs / "0123").write_text("{}")
    (snapshot / "a.json").symlink_to("../../blobs/0123")
    assert read_json(snapshot / "a.json") == {}
    (snapshot / "b.json").symlink_to("../../blobs/../other")
    (tmp_path / "other").write_text("{}")
    with pytest.raises(CheckpointError, match="link out of its directory"):
        read_json(snapshot / "b.json")


def test_what_is_no_file(folder):
    (folder / "a.json").mkdir()
    (folder / "c.json").symlink_to("c.json")
    os.mkfifo(folder / "d.json")
    for name in ("a.json", "b.json", "c.json", "d.json"):
        with pytest.raises(CheckpointError, match=f"{name} is missing"):
            read_json(folder / name)
