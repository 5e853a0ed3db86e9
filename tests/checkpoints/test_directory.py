"""Saving, verifying and loading a checkpoint directory."""

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors
from safetensors.numpy import save

from s2s_zoo.checkpoints import directory as checkpoint
from s2s_zoo.checkpoints.directory import load_checkpoint, save_checkpoint
from s2s_zoo.checkpoints.weights import weights_by_name
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import describe_file


@pytest.fixture
def copy(tiny_checkpoint, tmp_path):
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "copy"))


@pytest.fixture
def loaded(tiny_checkpoint):
    return load_checkpoint(tiny_checkpoint)


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def edit_config(directory, **changes):
    """Changes config.json; a value of None removes the key."""
    path = directory / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def replace_tensors(directory, change):
    """Rewrites the weights and records their new hash, as a careless tool would."""
    path = directory / "model.safetensors"
    tensors = {
        name: np.frombuffer(value["data"], "float32").reshape(value["shape"])
        for name, value in safetensors.deserialize(path.read_bytes())
    }
    change(tensors)
    path.write_bytes(save(tensors))
    record_hash(directory, path)


def record_hash(directory, path):
    files = json.loads((directory / "config.json").read_text())["files"]
    edit_config(directory, files={**files, path.name: describe_file(path)})


def test_files_and_deterministic_bytes(loaded, tiny_checkpoint, tmp_path):
    save_checkpoint(tmp_path / "again", *loaded, card=(tiny_checkpoint / "README.md").read_text())
    names = ["README.md", "config.json", "generation.json", "model.safetensors", "processor.json"]
    assert sorted(contents(tiny_checkpoint)) == [*names, "tokenizer.model"]
    assert contents(tmp_path / "again") == contents(tiny_checkpoint)


def test_float32_round_trip_is_exact(loaded, tiny_pipeline):
    saved, read = weights_by_name(tiny_pipeline.model), weights_by_name(loaded.model)
    assert saved.keys() == read.keys()
    assert not any(name.startswith("seq2seq") for name in read)
    for name, weight in saved.items():
        np.testing.assert_array_equal(np.asarray(weight), np.asarray(read[name]), name)


@pytest.mark.parametrize("dtype, stored", [("float16", "F16"), ("bfloat16", "BF16")])
def test_small_dtypes_are_stored_and_read(loaded, tmp_path, dtype, stored):
    save_checkpoint(tmp_path / "once", *loaded, weights_dtype=dtype)
    tensors = safetensors.deserialize((tmp_path / "once" / "model.safetensors").read_bytes())
    assert {value["dtype"] for _, value in tensors} == {stored}
    again = load_checkpoint(tmp_path / "once")
    for name, weight in weights_by_name(again.model).items():
        exact = np.asarray(weights_by_name(loaded.model)[name])
        np.testing.assert_allclose(np.asarray(weight), exact, rtol=2**-8, atol=1e-6)
    save_checkpoint(tmp_path / "twice", *again, weights_dtype=dtype)
    assert contents(tmp_path / "once") == contents(tmp_path / "twice")


def test_weights_that_do_not_fit_the_dtype(tiny_checkpoint, tmp_path):
    loaded = load_checkpoint(tiny_checkpoint)
    weight = loaded.model.weights[0]
    weight.assign(np.full(weight.shape, 1e6, "float32"))
    with pytest.raises(ValueError, match="fit float16.*embedding.*1000000"):
        save_checkpoint(tmp_path / "new", *loaded, weights_dtype="float16")
    assert not list(tmp_path.iterdir())


def test_unknown_dtype(loaded, tmp_path):
    with pytest.raises(
        ValueError, match="Did you mean 'bfloat16'.*Known: bfloat16, float16, float32"
    ):
        save_checkpoint(tmp_path / "new", *loaded, weights_dtype="bfloat")


@pytest.mark.filterwarnings("ignore:Layer .* does not")
def test_a_quantized_model_is_refused_with_the_remedy(loaded, tmp_path):
    loaded.model.quantize("int8")
    with pytest.raises(ValueError, match='a quantized one.*weights_dtype="int8".*model.save'):
        save_checkpoint(tmp_path / "new", *loaded)
    assert not list(tmp_path.iterdir())


class FullDisk:
    """A processor that finds no space after it has written something."""

    def save(self, directory):
        (directory / "tokenizer.model").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk_leaves_the_previous_checkpoint(loaded, copy):
    before = contents(copy)
    with pytest.raises(CheckpointError, match="No space left on device.*untouched"):
        save_checkpoint(copy, *loaded._replace(processor=FullDisk()))
    assert contents(copy) == before
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_interruption_leaves_the_previous_checkpoint(loaded, copy, monkeypatch):
    before = contents(copy)

    def interrupt(value, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.json, "dumps", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(copy, *loaded)
    assert contents(copy) == before
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_failed_last_rename_brings_the_previous_back(loaded, copy, monkeypatch):
    before = contents(copy)
    rename = Path.rename

    def fail_into_place(self, target):
        if self.name.endswith(".saving"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_into_place)
    with pytest.raises(CheckpointError, match="Permission denied"):
        save_checkpoint(copy, *loaded)
    assert contents(copy) == before


def test_killed_between_renames_then_saved_again(loaded, copy):
    copy.rename(copy.with_name(".copy.previous"))
    shutil.copytree(copy.with_name(".copy.previous"), copy.with_name(".copy.saving"))
    save_checkpoint(copy, *loaded)
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]
    load_checkpoint(copy)


def test_saving_replaces_a_checkpoint_whole(loaded, copy):
    save_checkpoint(copy, *loaded, card="new card")
    assert (copy / "README.md").read_text() == "new card"
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_saving_never_deletes_other_files(loaded, copy, tmp_path):
    (copy / "thesis.txt").write_text("years of work")
    with pytest.raises(CheckpointError, match=r"would be lost: thesis\.txt"):
        save_checkpoint(copy, *loaded)
    assert (copy / "thesis.txt").read_text() == "years of work"
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="is a file"):
        save_checkpoint(tmp_path / "file", *loaded)


def test_saving_makes_missing_folders(loaded, tmp_path):
    save_checkpoint(tmp_path / "a" / "b", *loaded)
    load_checkpoint(tmp_path / "a" / "b")


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "processor.json", "generation.json"]
)
def test_missing_file(copy, name):
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        load_checkpoint(copy)


def test_missing_tokenizer(copy):
    (copy / "tokenizer.model").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.model is missing.*again"):
        load_checkpoint(copy)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.model"])
def test_truncated_or_altered_file_is_refused(copy, name):
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[:-5])
    with pytest.raises(CheckpointError, match=f"{name} is truncated.*{len(data)} were saved.*Del"):
        load_checkpoint(copy)
    (copy / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=f"{name} was altered.*Delete"):
        load_checkpoint(copy)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 10_000, b"[1]", b"null"])
@pytest.mark.parametrize("name", ["config.json", "generation.json"])
def test_unreadable_json(copy, name, text):
    (copy / name).write_bytes(text)
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(copy)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"modle": {}}, "Unknown key.*Did you mean 'model'"),
        ({"task": None}, "expected format_version, task"),
        ({"model": None}, "expected format_version, task"),
        ({"model": "recurrent"}, "two objects"),
        ({"format_version": 3}, "Upgrade"),
        ({"format_version": "x"}, "a number, text, a list"),
        ({"files": {}}, r"no sha256 of model\.safetensors, processor\.json"),
        ({"files": []}, "two objects"),
        ({"model": {"encodr": {}}}, "Did you mean 'encoder'"),
        ({"model": {"encoder": {"name": "os.system"}, "decoder": {}}}, "Unknown encoder"),
        ({"model": {"encoder": None, "decoder": 3}}, "does not describe a model"),
    ],
)
def test_config_that_cannot_be_used(copy, changes, message):
    edit_config(copy, **changes)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(copy)


@pytest.mark.parametrize(
    "option, value",
    [
        ("strategy", "x"),
        ("length_penalty_form", "x"),
        ("suppress_tokens", [[]]),
        ("suppress_tokens", [list(range(4, 37))]),
    ],
)
def test_generation_option_that_no_search_has(copy, option, value):
    (copy / "generation.json").write_text(json.dumps({option: value}))
    with pytest.raises(CheckpointError, match=f"generation.json expected {option} of"):
        load_checkpoint(copy)


@pytest.mark.parametrize(
    "option, value",
    [
        ("num_beams", "4"),
        ("num_beams", 4.5),
        ("num_beams", None),
        ("num_beams", True),
        ("num_beams", 1 << 32),
        ("length_penalty", "1"),
        ("length_penalty", float("nan")),
        ("length_penalty_form", 7),
        ("suppress_tokens", 5),
        ("suppress_tokens", ["a"]),
        ("suppress_tokens", [[3, "a"]]),
        ("suppress_tokens", [[[3]]]),
        ("suppress_tokens", [1 << 40]),
        ("top_p", [0.5]),
        ("max_length", {}),
        ("max_length", "9"),
        ("strategy", 1),
        ("shortlist", 1),
        ("early_stopping", "never"),
        ("score_forced", None),
        ("forced_prefix", 4),
    ],
)
def test_generation_option_of_another_kind(copy, option, value):
    (copy / "generation.json").write_text(json.dumps({option: value}))
    with pytest.raises(CheckpointError, match=f"generation.json expected a value of {option}"):
        load_checkpoint(copy)


def test_generation_options_that_fit(copy):
    options = {"num_beams": 4, "length_penalty": 1, "suppress_tokens": [3, [4, 5]], "top_k": None}
    options |= {"length_penalty_form": "gnmt", "max_length": 9, "forced_prefix": "the", "seed": 1}
    (copy / "generation.json").write_text(json.dumps(options))
    assert load_checkpoint(copy).generation == options


def test_unknown_layer_option_names_the_nearest(copy):
    model = json.loads((copy / "config.json").read_text())["model"]
    model["encoder"]["droput"] = 0.1
    edit_config(copy, model=model)
    with pytest.raises(CheckpointError, match="Did you mean 'dropout'"):
        load_checkpoint(copy)


def test_a_listed_file_lies_in_the_directory(copy):
    (copy.parent / "secret").write_text("x")
    files = json.loads((copy / "config.json").read_text())["files"]
    edit_config(copy, files={**files, "../secret": describe_file(copy.parent / "secret")})
    with pytest.raises(CheckpointError, match="outside itself"):
        load_checkpoint(copy)


def test_missing_unexpected_and_misshaped_tensors_are_listed(copy):
    def change(tensors):
        del tensors["decoder/output_bias"]
        tensors["decoder/extra"] = np.zeros(3, "float32")
        tensors["encoder/embedding/embeddings"] = np.zeros((60, 7), "float32")

    replace_tensors(copy, change)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(copy)
    assert "decoder/output_bias is missing" in str(caught.value)
    assert "decoder/extra is unexpected" in str(caught.value)
    assert "embeddings is (60, 7) where (60, 6) is expected" in str(caught.value)


def test_tensor_of_another_dtype(copy):
    def change(tensors):
        tensors["decoder/output_bias"] = np.zeros(60, "int64")

    replace_tensors(copy, change)
    with pytest.raises(CheckpointError, match="output_bias is I64 where F32, F16, BF16"):
        load_checkpoint(copy)


@pytest.mark.parametrize("data", [b"", b"not safetensors at all", b"\xff" * 100])
def test_corrupt_weights_with_a_matching_hash(copy, data):
    path = copy / "model.safetensors"
    path.write_bytes(data)
    record_hash(copy, path)
    with pytest.raises(CheckpointError, match="is corrupt.*Delete"):
        load_checkpoint(copy)
