"""Names and directories to verified directories."""

import json
from pathlib import Path

import pytest

from s2s_zoo import hub
from s2s_zoo.errors import CheckpointError
from s2s_zoo.files import describe_file


@pytest.fixture
def catalog(monkeypatch, tmp_path):
    """A package folder with one bundled checkpoint, small enough to break."""
    directory = tmp_path / "bundled" / "translation-de-en"
    directory.mkdir(parents=True)
    for name in ("model.safetensors", "processor.json"):
        (directory / name).write_text(name)
    files = {path.name: describe_file(path) for path in directory.iterdir()}
    entry = {"task": "translation", "path": "bundled/translation-de-en", "files": files}
    other = {**entry, "task": "summarization"}
    (tmp_path / "checkpoints.json").write_text(
        json.dumps({"translation-de-en": entry, "summarization-en": other})
    )
    monkeypatch.setattr(hub, "PACKAGE", tmp_path)
    hub._catalog.cache_clear()
    yield directory
    hub._catalog.cache_clear()


def test_list_by_task(catalog):
    assert list(hub.list_checkpoints()) == ["summarization-en", "translation-de-en"]
    assert list(hub.list_checkpoints("translation")) == ["translation-de-en"]
    with pytest.raises(CheckpointError, match="Did you mean 'translation'"):
        hub.list_checkpoints("translate")


def test_catalog_is_found_above_the_package_too(catalog, monkeypatch):
    monkeypatch.setattr(hub, "PACKAGE", hub.PACKAGE / "s2s_zoo")
    assert "translation-de-en" in hub.list_checkpoints()


def test_missing_catalog(monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "PACKAGE", tmp_path / "s2s_zoo")
    hub._catalog.cache_clear()
    with pytest.raises(CheckpointError, match="not part of this installation"):
        hub.list_checkpoints()


def test_name_gives_its_verified_directory(catalog):
    assert hub.resolve("translation-de-en") == catalog
    (catalog / "processor.json").write_text("processor.jsom")
    with pytest.raises(CheckpointError, match=r"processor\.json was altered.*Delete"):
        hub.resolve("translation-de-en")


def test_unknown_name_offers_the_nearest(catalog):
    with pytest.raises(CheckpointError, match="Did you mean 'translation-de-en'.*s2s-zoo list"):
        hub.resolve("translation-de-em")


@pytest.mark.parametrize("value", [None, 3, ["translation-de-en"]])
def test_neither_name_nor_path(value):
    with pytest.raises(TypeError, match="name or the directory"):
        hub.resolve(value)


def test_directory_that_is_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json, model\.safetensors.*are missing"):
        hub.resolve(tmp_path)


def test_directory_as_text_or_path(tiny_checkpoint):
    assert hub.resolve(str(tiny_checkpoint)) == tiny_checkpoint
    assert hub.resolve(tiny_checkpoint) == tiny_checkpoint


def test_checkpoint_whose_replacement_was_killed_comes_back(tiny_checkpoint, tmp_path):
    import shutil

    shutil.copytree(tiny_checkpoint, tmp_path / ".mine.previous")
    assert hub.resolve(tmp_path / "mine") == tmp_path / "mine"
    assert not Path(tmp_path / ".mine.previous").exists()


def test_the_catalog_of_the_repository_is_complete():
    keys = {"task", "path", "files", "parameters", "languages", "data", "license", "metrics"}
    for name, entry in hub.list_checkpoints().items():
        assert keys | {"recipe"} == entry.keys(), name
        hub.resolve(name)
