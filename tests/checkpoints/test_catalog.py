"""Names and directories to verified directories."""

import json
import re
from pathlib import Path

import pytest

from s2s_zoo import from_pretrained
from s2s_zoo.checkpoints import catalog as catalog_module
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import describe_file


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
    monkeypatch.setattr(catalog_module, "PACKAGE", tmp_path)
    catalog_module._catalog.cache_clear()
    yield directory
    catalog_module._catalog.cache_clear()


def test_list_by_task(catalog):
    assert list(catalog_module.list_checkpoints()) == ["summarization-en", "translation-de-en"]
    assert list(catalog_module.list_checkpoints("translation")) == ["translation-de-en"]
    with pytest.raises(CheckpointError, match="Did you mean 'translation'"):
        catalog_module.list_checkpoints("translate")


def test_catalog_is_found_above_the_package_too(catalog, monkeypatch):
    monkeypatch.setattr(
        catalog_module, "PACKAGE", catalog_module.PACKAGE / "s2s_zoo" / "checkpoints"
    )
    assert "translation-de-en" in catalog_module.list_checkpoints()


def test_missing_catalog(monkeypatch, tmp_path):
    monkeypatch.setattr(catalog_module, "PACKAGE", tmp_path / "s2s_zoo" / "checkpoints")
    catalog_module._catalog.cache_clear()
    with pytest.raises(CheckpointError, match="not part of this installation"):
        catalog_module.list_checkpoints()


def test_several_names_are_one_directory_with_languages_of_their_own(catalog, tiny_checkpoint):
    path = catalog_module.PACKAGE / "checkpoints.json"
    names = {"translation-de-en": ["de", "en"], "translation-fr-en": ["fr", "en"]}
    files = {file.name: describe_file(file) for file in tiny_checkpoint.iterdir()}
    for name, languages in names.items():
        entry = {"task": "translation", "path": str(tiny_checkpoint), "files": files}
        catalog_module.write_entry(name, {**entry, "languages": languages})
    assert path.is_file()
    for name, languages in names.items():
        assert from_pretrained(name).languages == languages
    assert from_pretrained(tiny_checkpoint).languages == ["de", "en"]


def test_name_gives_its_verified_directory(catalog):
    assert catalog_module.resolve("translation-de-en").directory == catalog
    (catalog / "processor.json").write_text("processor.jsom")
    with pytest.raises(CheckpointError, match=r"processor\.json was altered.*Delete"):
        catalog_module.resolve("translation-de-en")


def test_unknown_name_offers_the_nearest(catalog):
    with pytest.raises(CheckpointError, match="Did you mean 'translation-de-en'.*s2s-zoo list"):
        catalog_module.resolve("translation-de-em")


@pytest.mark.parametrize("value", [None, 3, ["translation-de-en"]])
def test_neither_name_nor_path(value):
    with pytest.raises(TypeError, match="name or the directory"):
        catalog_module.resolve(value)


def test_directory_that_is_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json, model\.safetensors.*are missing"):
        catalog_module.resolve(tmp_path)


def test_directory_as_text_or_path(tiny_checkpoint):
    assert catalog_module.resolve(str(tiny_checkpoint)).directory == tiny_checkpoint
    assert catalog_module.resolve(tiny_checkpoint).directory == tiny_checkpoint


def test_checkpoint_whose_replacement_was_killed_comes_back(tiny_checkpoint, tmp_path):
    import shutil

    shutil.copytree(tiny_checkpoint, tmp_path / ".mine.previous")
    assert catalog_module.resolve(tmp_path / "mine").directory == tmp_path / "mine"
    assert not Path(tmp_path / ".mine.previous").exists()


def test_a_repository_by_its_address(hub, tiny_checkpoint):
    first = hub.add("org/tiny", tiny_checkpoint)
    second = hub.repositories["org/tiny"].commit({"README.md": b"newer"})
    assert catalog_module.resolve("hf://org/tiny").directory.name == second
    assert catalog_module.resolve(f"hf://org/tiny@{first}").directory.name == first
    assert catalog_module.resolve("hf://org/tiny", revision=first).directory.name == first
    with pytest.raises(ValueError, match="Give one revision.*'hf://org/tiny@v1'.*'v2'"):
        catalog_module.resolve("hf://org/tiny@v1", revision="v2")


@pytest.mark.parametrize("address", ["hf://", "hf://tiny@", "hf://a/b/c", "hf://a b@", "hf:///x"])
def test_no_address_of_a_repository(hub, address):
    with pytest.raises(CheckpointError, match="The form is hf://organization/name"):
        catalog_module.resolve(address)
    assert hub.requests == []


def test_a_revision_belongs_to_a_repository(catalog, tiny_checkpoint):
    for name in ("translation-de-en", str(tiny_checkpoint)):
        with pytest.raises(ValueError, match="A revision belongs to a repository.*revision='v1'"):
            catalog_module.resolve(name, revision="v1")


def test_the_catalog_of_the_repository_is_complete():
    keys = {"task", "files", "parameters", "languages", "data", "license", "metrics", "recipe"}
    for name, entry in catalog_module.list_checkpoints().items():
        assert keys <= entry.keys() <= keys | {"path", "repo_id", "revision"}, name
        assert ("repo_id" in entry) == ("revision" in entry), name
        assert "path" in entry or "repo_id" in entry, name
        if "revision" in entry:
            assert re.fullmatch("[0-9a-f]{40}", entry["revision"]), name
        if "path" in entry:
            catalog_module.resolve(name)


@pytest.mark.parametrize(
    ("names", "what", "remedy"),
    [
        (["model.deen.intgemm.alphas.bin", "vocab.deen.spm"], "Bergamot", "hf://Helsinki-NLP"),
        (["lex.50.50.deen.s2t.bin.gz"], "Bergamot", "decoder.yml"),
        (["deen_step_1000.pt"], "OpenNMT-py", "ct2-opennmt-py-converter"),
        (["checkpoint_best.pt", "dict.de.txt", "dict.en.txt"], "Fairseq", "ct2-fairseq-converter"),
        (["model.pt"], "PyTorch", "ct2-opennmt-py-converter or ct2-fairseq-converter"),
        (["model.npz"], "Marian without its settings", "decoder.yml"),
    ],
)
def test_formats_of_others_are_refused_by_name(names, what, remedy, tmp_path):
    for name in names:
        (tmp_path / name).write_bytes(b"\x80\x02cos\nsystem\n")  # a pickle that would run something
    with pytest.raises(CheckpointError, match=f"{what}.*which is not read here.*{remedy}"):
        from_pretrained(tmp_path)
    if len(names) == 1:
        with pytest.raises(CheckpointError, match=f"{what}.*{remedy}"):
            from_pretrained(tmp_path / names[0])


def test_a_directory_of_nothing_known_is_no_checkpoint(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(CheckpointError, match="not a complete checkpoint: config.json, model"):
        from_pretrained(tmp_path)
