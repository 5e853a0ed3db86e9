"""Data sets of the Hub by name, from a Hub on loopback."""

import json
import sys

import pytest

from s2s_zoo.data import read_pairs
from s2s_zoo.data.hub_datasets import Address, parse_address, with_split
from s2s_zoo.data.rows import read_rows
from s2s_zoo.protocol.errors import DataError

PAIRS = [("ein Hund", "a dog"), ("eine Katze", "a cat")]
NAME = "hf://datasets/org/pairs"
CARD = """---
configs:
- config_name: de-en
  data_files: [{split: train, path: de-en/train.jsonl}, {split: test, path: de-en/test.jsonl}]
- config_name: fr-en
  data_files: fr-en/train.jsonl
---
"""


@pytest.fixture
def datasets(hub, monkeypatch, tmp_path):
    """The package, which asks the Hub on loopback and has an empty cache."""
    module = pytest.importorskip("datasets")
    monkeypatch.setattr(module.config, "HF_ENDPOINT", hub.url)
    monkeypatch.setattr(
        module.config, "HUB_DATASETS_URL", hub.url + "/datasets/{repo_id}/resolve/{revision}/{path}"
    )
    monkeypatch.setattr(module.config, "HF_DATASETS_CACHE", tmp_path / "arrow")
    folder = tmp_path / "published"
    for place, pairs in (("de-en/train", PAIRS), ("de-en/test", PAIRS[:1]), ("fr-en/train", PAIRS)):
        path = folder / f"{place}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        source, target = path.parent.name.split("-")
        rows = [json.dumps({"translation": {source: a, target: b}}) + "\n" for a, b in pairs]
        path.write_text("".join(rows), encoding="utf-8")
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    hub.commit = hub.add("datasets/org/pairs", folder)
    return module


def test_the_name_of_a_data_set():
    named = "hf://datasets/wmt/wmt14@1.0/de-en:train[:10%]"
    assert parse_address(named) == Address("wmt/wmt14", "1.0", "de-en", "train[:10%]")
    assert str(parse_address(named)) == named
    assert parse_address("hf://datasets/a/b:test") == Address("a/b", None, None, "test")
    assert parse_address("hf://datasets/a/b/c") == Address("a/b", None, "c", None)


@pytest.mark.parametrize("name", ["wmt14", "a/b/c/d", "a/b:", "/b", "a/b@", ""])
def test_the_name_of_no_data_set(name):
    with pytest.raises(DataError, match=r"The form is hf://datasets/organization/name\[@revision"):
        read_pairs(f"hf://datasets/{name}")


def test_the_package_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 's2s-zoo\[datasets\]'"):
        read_pairs(f"{NAME}:train")


def test_the_package_is_old(monkeypatch):
    module = pytest.importorskip("datasets")
    monkeypatch.setattr(module, "__version__", "4.8.5")
    with pytest.raises(DataError, match=r"5.0 or newer. Received: 4.8.5"):
        read_pairs(f"{NAME}:train")


def test_pairs_of_a_data_set(datasets, hub, monkeypatch, tmp_path):
    (tmp_path / "org" / "pairs").mkdir(parents=True)  # the Hub is meant, not a folder here
    monkeypatch.chdir(tmp_path)
    assert read_pairs(f"{NAME}/de-en:train") == PAIRS
    assert read_pairs(f"{NAME}@{hub.commit}/de-en:test", columns=("en", "de")) == [
        ("a dog", "ein Hund")
    ]
    assert read_pairs(f"{NAME}/de-en:train[1:]") == PAIRS[1:]
    assert read_pairs(f"{NAME}/fr-en") == PAIRS  # the only split
    assert with_split(f"{NAME}/de-en", ["dev", "test"]) == f"{NAME}/de-en:test"
    assert with_split(f"{NAME}/fr-en", ["train"]) == f"{NAME}/fr-en:train"
    with pytest.raises(DataError, match="no split 'dev'. There are: train, test"):
        with_split(f"{NAME}/de-en", ["dev"])
    rows = [{"translation": {"fr": a, "en": b}} for a, b in PAIRS]
    assert list(read_rows(f"{NAME}/fr-en", "text")) == rows


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (NAME, r"the configurations de-en, fr-en. Name one, such as '.*/org/pairs/fr-en'"),
        (f"{NAME}/de-en", r"the splits train, test. Name one, such as '.*/pairs/de-en:test'"),
        (f"{NAME}/de-fr:train", r"no configuration 'de-fr'. There are: de-en, fr-en"),
        (f"{NAME}/de-en:dev[:5]", r"no split 'dev'. There are: train, test"),
        (f"{NAME}@never/de-en:train", r"cannot be loaded: Revision 'never' doesn't exist"),
        ("hf://datasets/org/nothing:train", r"cannot be loaded: Dataset 'org/nothing' doesn't"),
    ],
)
def test_a_data_set_that_is_not_there(datasets, name, message):
    with pytest.raises(DataError, match=message):
        read_pairs(name)


def test_a_name_that_is_no_file(tmp_path):
    with pytest.raises(
        DataError, match=r"no file wmt/wmt14. A data set of the Hub is called hf://"
    ):
        read_pairs("wmt/wmt14")
    with pytest.raises(DataError, match="Is a directory.*datasets.load_from_disk"):
        read_pairs(tmp_path)
