"""Uploading through the real client to a Hub on loopback, and loading what was uploaded."""

import json
import shutil

import numpy as np
import pytest

import s2s_zoo
from s2s_zoo.apps.cli.main import main
from s2s_zoo.checkpoints import catalog as catalog_module
from s2s_zoo.checkpoints.download import download
from s2s_zoo.checkpoints.publish import push, release
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import describe_file
from tests.hub_server import READ, WRITE

REPO = "someone/tiny"


@pytest.fixture(autouse=True)
def logged_in(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", WRITE)


@pytest.fixture
def copy(tiny_checkpoint, tmp_path):
    return shutil.copytree(tiny_checkpoint, tmp_path / "copy")


@pytest.fixture
def catalog(tiny_checkpoint, tmp_path, monkeypatch):
    """A package folder whose catalog has one bundled checkpoint; gives the path of the catalog."""
    directory = shutil.copytree(tiny_checkpoint, tmp_path / "package" / "bundled" / "tiny")
    files = {path.name: describe_file(path) for path in directory.iterdir()}
    entry = {
        "task": "translation",
        "path": "bundled/tiny",
        "files": files,
        "parameters": 9,
        "languages": ["de", "en"],
        "metrics": [],
    }
    path = tmp_path / "package" / "checkpoints.json"
    path.write_text(json.dumps({"tiny": entry, "another": entry}, indent=2) + "\n")
    monkeypatch.setattr(catalog_module, "PACKAGE", tmp_path / "package")
    catalog_module._catalog.cache_clear()
    yield path
    catalog_module._catalog.cache_clear()


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_what_was_pushed_is_what_loads(hub, tiny_pipeline, sentences):
    commit = tiny_pipeline.push_to_hub(REPO, commit_message="first")
    assert hub.repositories[REPO].messages == ["first"]
    assert hub.repositories[REPO].refs["main"] == commit.oid
    assert not hub.repositories[REPO].private
    again = s2s_zoo.from_pretrained(f"hf://{REPO}", revision=commit.oid)
    sources, targets = zip(*sentences, strict=True)
    for options in ({}, {"return_scores": True, "num_beams": 4, "num_return": 2}):
        assert again(list(sources), **options) == tiny_pipeline(list(sources), **options)
    np.testing.assert_array_equal(
        again.score(sources, targets), tiny_pipeline.score(sources, targets)
    )
    hub.requests.clear()
    s2s_zoo.from_pretrained(f"hf://{REPO}@{commit.oid}")
    assert hub.requests == []


def test_one_commit_of_the_checkpoint_alone(hub, copy):
    (copy / "thesis.txt").write_text("private")
    commit = push(copy, REPO, private=True)
    repository = hub.repositories[REPO]
    assert repository.private
    assert len(repository.messages) == 1
    uploaded = repository.commits[commit.oid]
    assert uploaded == {k: v for k, v in contents(copy).items() if k != "thesis.txt"}
    assert hub.tokens_at_cdn == []
    assert push(copy, REPO).oid == commit.oid  # nothing new, no empty commit
    assert len(repository.messages) == 1


def test_a_branch(hub, copy):
    push(copy, REPO)
    (copy / "README.md").write_text("---\nlicense: mit\n---\nanother card")
    commit = push(copy, REPO, revision="v2")
    assert hub.repositories[REPO].refs["v2"] == commit.oid != hub.repositories[REPO].refs["main"]
    assert b"another card" in (download(REPO, "v2").directory / "README.md").read_bytes()
    assert b"another card" not in (download(REPO).directory / "README.md").read_bytes()


def test_a_pull_request_needs_no_right_to_write(hub, copy, monkeypatch):
    push(copy, REPO)
    main_commit = hub.repositories[REPO].refs["main"]
    monkeypatch.setenv("HF_TOKEN", READ)
    (copy / "README.md").write_text("---\nlicense: mit\n---\na better card")
    commit = push(copy, REPO, create_pr=True)
    assert commit.pr_url == f"{hub.url}/{REPO}/discussions/1"
    assert hub.repositories[REPO].refs["main"] == main_commit
    assert b"a better card" in (download(REPO, "refs/pr/1").directory / "README.md").read_bytes()
    with pytest.raises(ValueError, match="against the main branch"):
        push(copy, REPO, create_pr=True, revision="v2")


@pytest.mark.parametrize("token, message", [(READ, "does not permit"), ("hf_wrong", "refused")])
def test_without_the_right(copy, monkeypatch, token, message):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(CheckpointError, match=message) as caught:
        push(copy, REPO)
    assert token not in str(caught.value)


def test_nobody_logged_in(copy, monkeypatch, catalog):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(CheckpointError, match="Log in with `hf auth login`"):
        push(copy, REPO)
    with pytest.raises(CheckpointError, match="Log in with `hf auth login`"):
        release("tiny")


@pytest.mark.parametrize(
    "pattern, fault, message",
    [
        ("POST .*commit", {"status": 500}, "answered 500"),
        ("POST .*commit", {"status": 403}, "does not permit"),
        ("PUT", {"status": 503}, "answered 503"),
        ("PUT", {"cut_at": 0}, "connection to .* failed"),
        ("POST .*batch", {"status": 429, "headers": {"Retry-After": "3"}}, "Wait 3 seconds"),
    ],
)
def test_a_fault_leaves_no_commit(hub, copy, pattern, fault, message):
    hub.fail(pattern, **fault)
    with pytest.raises(CheckpointError, match=message):
        push(copy, REPO)
    assert hub.repositories[REPO].messages == []
    hub.faults.clear()
    push(copy, REPO)
    assert contents(download(REPO).directory) == contents(copy)


def test_a_card_the_hub_refuses(hub, copy):
    (copy / "README.md").write_text("---\nlanguage: {}\n---\n")
    with pytest.raises(CheckpointError, match="language.*must be a list"):
        push(copy, REPO)
    assert hub.repositories[REPO].messages == []


@pytest.mark.parametrize("name", ["README.md", "generation.json", "model.safetensors"])
def test_an_incomplete_checkpoint_is_not_published(hub, copy, name):
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        push(copy, REPO)
    assert hub.requests == []


@pytest.mark.parametrize("name", ["generation.json", "model.safetensors", "README.md"])
def test_a_link_is_not_followed_to_what_was_not_meant(hub, copy, name):
    secret = copy.parent / "secret"
    (copy / name).rename(secret)
    (copy / name).symlink_to(secret)
    with pytest.raises(CheckpointError, match="link out of its directory"):
        push(copy, REPO)
    assert hub.requests == []


def test_release_pins_what_arrived(hub, catalog):
    before = json.loads(catalog.read_text())
    entry = release("tiny")
    after = json.loads(catalog.read_text())
    commit = hub.repositories["someone/tiny"].refs["main"]
    assert after == {
        **before,
        "tiny": {**before["tiny"], "repo_id": "someone/tiny", "revision": commit},
    }
    assert list(after) == list(before)
    assert entry == s2s_zoo.list_checkpoints()["tiny"]


def test_a_released_name_loads_where_it_is_not_bundled(hub, catalog, tiny_checkpoint):
    release("tiny", "org/other-name")
    entries = json.loads(catalog.read_text())
    del entries["tiny"]["path"]
    catalog.write_text(json.dumps(entries))
    catalog_module._catalog.cache_clear()
    hub.requests.clear()
    directory = catalog_module.resolve("tiny").directory
    assert contents(directory) == contents(tiny_checkpoint)
    assert hub.requests == []  # release looked at what it uploaded, so it is cached
    hub.repositories["org/other-name"].commit({"config.json": b"changed since"})
    assert catalog_module.resolve("tiny").directory == directory


def test_release_of_bytes_that_arrived_otherwise(hub, catalog):
    before = catalog.read_bytes()
    hub.fail("GET /cdn", change=lambda data: data[:-1] + b"!")
    with pytest.raises(CheckpointError, match="not the one recorded"):
        release("tiny")
    assert catalog.read_bytes() == before


def test_release_of_what_is_not_bundled(catalog):
    with pytest.raises(CheckpointError, match="Did you mean 'tiny'"):
        release("tinny")


def test_push_and_release_on_the_command_line(hub, copy, catalog, capsys):
    assert main(["push", str(copy), REPO, "--message", "by hand", "--private"]) == 0
    commit = hub.repositories[REPO].refs["main"]
    assert capsys.readouterr().out == f"hf://{REPO}@{commit}\n"
    assert hub.repositories[REPO].messages == ["by hand"]
    (copy / "README.md").write_text("---\nlicense: mit\n---\nanother card")
    assert main(["push", str(copy), REPO, "--create-pr"]) == 0
    assert "/discussions/1" in capsys.readouterr().out
    assert main(["release", "tiny", "--repo", "org/tiny"]) == 0
    assert capsys.readouterr().out.startswith("hf://org/tiny@")
    with pytest.raises(SystemExit):
        main(["push", str(copy), REPO, "--create-pr", "--revision", "v2"])
