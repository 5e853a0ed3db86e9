"""`s2s-zoo list, show, download, verify` of what is not bundled; push and release: test_publish."""

import ast
import json
import re
import shutil

import pytest

from s2s_zoo.apps.cli.main import main
from s2s_zoo.checkpoints import catalog as catalog_module
from s2s_zoo.checkpoints.popular import POPULAR
from s2s_zoo.checkpoints.pretrained import FAMILIES
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


def test_list_of_the_hub_needs_no_network(hub, capsys):
    assert main(["list", "--hub"]) == 0
    out = capsys.readouterr().out
    assert main(["list", "--hub", "--task", "question_answering"]) == 0
    part = capsys.readouterr().out
    assert part.startswith("question_answering\n") and part in out and part.count("\n") == 3
    assert main(["list", "--hub", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["line"] in out for entry in found] == [True] * len(found) and len(found) > 20
    assert main(["list", "--hub", "--task", "captionin"]) == 1
    assert "Did you mean 'captioning'" in capsys.readouterr().err
    assert hub.requests == []


def test_what_is_listed_of_the_hub_can_be_loaded():
    """Its family is one of ours, its line is Python, and what nobody looked up has no day."""
    for entry in POPULAR:
        call = ast.parse(entry.line).body[0].value
        assert ast.literal_eval(call.args[0]) == f"hf://{entry.repo_id}"
        assert {x.arg for x in call.keywords} <= {"task", "source", "target"}
        own = FAMILIES[entry.family].task
        assert entry.task == own or f'task="{entry.task}"' in entry.line
        known = entry.license or entry.size or entry.languages
        assert bool(known) == bool(re.fullmatch(r"\d{4}-\d\d-\d\d", entry.looked_up))
    assert len({(entry.task, entry.repo_id) for entry in POPULAR}) == len(POPULAR)
