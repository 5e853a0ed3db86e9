"""`s2s-zoo list, show, download, verify` of what is not bundled; push and release: test_publish."""

import json
import shutil

import pytest

from s2s_zoo.apps.cli.main import main
from s2s_zoo.checkpoints import catalog as catalog_module
from s2s_zoo.protocol.files import describe_file

REPO = "org/tiny"


@pytest.fixture
def remote(hub, tiny_checkpoint, monkeypatch):
    """A catalog of one name that is published and not bundled; gives the commit."""
    commit = hub.add(REPO, tiny_checkpoint)
    entry = {
        "task": "translation",
        "repo_id": REPO,
        "revision": commit,
        "files": {path.name: describe_file(path) for path in tiny_checkpoint.iterdir()},
        "parameters": 1234567,
        "languages": ["de", "en"],
        "metrics": [],
    }
    monkeypatch.setattr(catalog_module, "_catalog", lambda: {"tiny-de-en": entry})
    return commit


def test_list_says_where_it_is(remote, capsys):
    assert main(["list"]) == 0
    assert capsys.readouterr().out.split() == ["tiny-de-en", "1.2M", "hf://org/tiny"]


def test_download_then_verify_then_use(hub, remote, capsys, tiny_pipeline):
    assert main(["verify", "tiny-de-en"]) == 1
    assert "org/tiny: it is not in the cache. Download it" in capsys.readouterr().err
    assert hub.requests == []
    assert main(["download", "tiny-de-en"]) == 0
    directory = capsys.readouterr().out.strip()
    assert directory.endswith(remote)
    hub.requests.clear()
    assert main(["verify", "tiny-de-en"]) == 0
    out = capsys.readouterr().out
    assert f"tiny-de-en: 6 files are as they were recorded, in {directory}" in out
    record = catalog_module.list_checkpoints()["tiny-de-en"]["files"]["README.md"]
    assert f"{record['sha256']}  {record['size']:>12,}  README.md" in out
    assert main(["translate", "ein hund rennt"]) == 0
    assert capsys.readouterr().out == tiny_pipeline("ein hund rennt") + "\n"
    assert hub.requests == []


def test_verify_finds_what_changed(tiny_checkpoint, tmp_path, capsys):
    copy = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    assert main(["verify", str(copy)]) == 0
    assert "3 files are as they were recorded" in capsys.readouterr().out
    data = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(data[:-1] + b"!")
    assert main(["verify", str(copy)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "model.safetensors was altered" in err


def test_show_of_a_repository_does_not_steer_the_terminal(hub, tiny_checkpoint, tmp_path, capsys):
    copy = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    (copy / "README.md").write_bytes(b"# Card\x1b[2J\x07 \xff\n\twords\n")
    commit = hub.add(REPO, copy)
    assert main(["show", f"hf://{REPO}@{commit}"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# Card[2J \ufffd\n\twords\n\ndirectory ")
    assert "encoder/embedding/embeddings" in out


@pytest.mark.parametrize("command", ["download", "verify", "show"])
def test_one_line_for_what_is_not_there(hub, capsys, command):
    assert main([command, "hf://org/none"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("s2s-zoo: error: org/none: ") and err.count("\n") == 1


def test_json_of_the_catalog_holds_the_pin(remote, capsys):
    assert main(["list", "--json"]) == 0
    entry = json.loads(capsys.readouterr().out)["tiny-de-en"]
    assert (entry["repo_id"], entry["revision"]) == (REPO, remote)
