"""Downloading through the real client from a Hub on loopback, in good weather and bad."""

import json

import pytest

from s2s_zoo.checkpoints import download as download_module
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import describe_file
from tests.hub_server import READ

REPO = "org/tiny"
WEIGHTS = r"GET /cdn/\w+/model\.safetensors"


@pytest.fixture
def commit(hub, tiny_checkpoint):
    return hub.add(REPO, tiny_checkpoint)


@pytest.fixture
def files(tiny_checkpoint):
    return {path.name: describe_file(path) for path in tiny_checkpoint.iterdir()}


def download(*asked, **options):
    return download_module.download(*asked, **options).directory


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def commit_change(hub, **changes):
    """A commit whose config.json was changed by whoever wrote the repository."""
    repository = hub.repositories[REPO]
    config = json.loads(repository.commits[repository.refs["main"]]["config.json"])
    return repository.commit({"config.json": json.dumps({**config, **changes}).encode()})


def test_a_branch_is_downloaded_whole_and_asked_for_again(hub, commit, tiny_checkpoint):
    directory = download(REPO)
    assert directory.name == commit
    assert contents(directory) == contents(tiny_checkpoint)
    hub.requests.clear()
    assert download(REPO) == directory
    assert {request.split("/", 1)[1] for request in hub.requests} == {
        f"{REPO}/resolve/main/config.json"
    }
    assert hub.count("GET") == 0


def test_a_cached_commit_needs_no_network_at_all(hub, commit, files):
    directory = download(REPO, commit, files)
    hub.requests.clear()
    assert download(REPO, commit, files) == directory
    assert download(REPO, commit) == directory
    assert hub.requests == []


def test_a_branch_that_moved_and_its_former_commit(hub, commit, tiny_checkpoint):
    newer = hub.repositories[REPO].commit({"README.md": b"a new card"})
    assert (download(REPO) / "README.md").read_bytes() == b"a new card"
    assert download(REPO).name == newer
    assert contents(download(REPO, commit)) == contents(tiny_checkpoint)
    hub.repositories[REPO].refs["v1"] = commit
    assert download(REPO, "v1").name == commit


def test_only_what_a_checkpoint_is_made_of_is_taken(hub, commit):
    hub.repositories[REPO].commit({"evil.pkl": b"x" * 2000, "train.py": b"x", "big.bin": b"y"})
    download(REPO)
    assert hub.count("evil|train|big") == 0


def test_a_repository_without_a_card_loads(hub, commit):
    repository = hub.repositories[REPO]
    del repository.commits[commit]["README.md"]
    directory = download(REPO)
    assert not (directory / "README.md").exists()
    assert download(REPO, local_only=True) == directory


def test_the_token_goes_to_the_hub_and_nowhere_else(hub, tiny_checkpoint, monkeypatch):
    hub.add(REPO, tiny_checkpoint, private=True)
    with pytest.raises(CheckpointError, match="no such repository, or it is private.*hf auth"):
        download(REPO)
    monkeypatch.setenv("HF_TOKEN", READ)
    download(REPO)
    assert hub.count(WEIGHTS) == 1
    assert hub.tokens_at_cdn == []


REFUSALS = {
    "no repository": (("org/other", None), "org/other: there is no such repository"),
    "no revision": ((REPO, "v9"), "no such revision"),
    "no commit": ((REPO, "1" * 40), "no such revision"),
    "bad name": (("or g/ti ny", None), "not the name of a repository"),
    "no organization": (("../../etc", None), "not the name of a repository"),
}


@pytest.mark.parametrize("asked, message", REFUSALS.values(), ids=REFUSALS)
def test_what_is_not_there(hub, commit, asked, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        download(*asked)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(hub, commit):
    del hub.repositories[REPO].commits[commit]["processor.json"]
    with pytest.raises(CheckpointError, match="file of the checkpoint is missing"):
        download(REPO)


@pytest.mark.parametrize(
    "status, headers, message",
    [
        (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, "refused .401."),
        (403, {}, r"does not permit this \(403\)"),
        (403, {"X-Error-Code": "GatedRepo"}, "gated.*Accept its terms"),
        (429, {"Retry-After": "17"}, "Wait 17 seconds"),
        (429, {}, "Wait some minutes"),
        (500, {}, "answered 500.*later"),
        (502, {}, "answered 502"),
    ],
)
@pytest.mark.parametrize("pattern", ["HEAD .*config.json", WEIGHTS])
def test_refusals_that_last(hub, commit, monkeypatch, pattern, status, headers, message):
    """Each is one line, holds no token even if the server repeats it, and leaves nothing behind."""
    monkeypatch.setenv("HF_TOKEN", READ)
    headers = {"X-Error-Message": f"you sent {READ}", **headers}
    hub.fail(pattern, status=status, headers=headers, body=READ.encode())
    with pytest.raises(CheckpointError, match=message) as caught:
        download(REPO)
    assert "\n" not in str(caught.value)
    assert READ not in str(caught.value)
    assert caught.value.__suppress_context__
    with pytest.raises(CheckpointError, match="not in the cache"):
        download(REPO, local_only=True)


FAULTS = {
    "cut": {"cut_at": 1500},
    "cut at once": {"cut_at": 0},
    "stall": {"stall_at": 1500},
    "wrong bytes": {"change": lambda data: data[:-9] + b"different"},
    "wrong length": {"change": lambda data: data[:1200]},
    "too many requests": {"status": 429, "headers": {"Retry-After": "1"}},
    "redirected in a circle": {"status": 302, "headers": {"Location": "/org/tiny/resolve/a/b"}},
}


@pytest.mark.parametrize("name", ["cut", "stall", "too many requests", "wrong bytes"])
def test_faults_that_pass_are_waited_out(hub, commit, tiny_checkpoint, name):
    hub.fail(WEIGHTS, times=1, **FAULTS[name])
    assert contents(download(REPO)) == contents(tiny_checkpoint)


def test_a_cut_download_is_resumed_where_it_was_cut(hub, commit, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500)
    hub.fail(WEIGHTS, times=2, cut_at=1500)
    download(REPO)
    assert hub.count(WEIGHTS) == 3
    assert hub.count(r"bytes=1500-$") == hub.count(r"bytes=3000-$") == 1


@pytest.mark.parametrize("name", FAULTS)
def test_after_a_fault_that_lasted_nothing_false_is_used(
    hub, commit, tiny_checkpoint, name, monkeypatch
):
    hub.fail("GET /(cdn|org)" if "circle" in name else WEIGHTS, **FAULTS[name])
    if "circle" in name:
        hub.fail("HEAD", **FAULTS[name])
    with monkeypatch.context() as patch:
        # Every attempt is in vain, so none need wait long for what does not come.
        patch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
        with pytest.raises(CheckpointError) as caught:
            download(REPO)
    assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError):
        download(REPO, commit, local_only=True)
    hub.faults.clear()
    hub.release.set()
    assert contents(download(REPO)) == contents(tiny_checkpoint)


def test_a_hub_that_hangs_up_without_a_word(hub, commit):
    hub.fail("HEAD", cut_at=0)
    with pytest.raises(CheckpointError, match=r"connection to .* failed \(RemoteProtocolError\)"):
        download(REPO)


def test_nobody_there(hub, commit, monkeypatch):
    from huggingface_hub import constants

    nobody = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(hub.url, "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", nobody)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CheckpointError, match=r"connection to http://127.0.0.1:9 failed"):
        download(REPO)


def test_offline(hub, commit, files, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE forbids"):
        download(REPO)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    directory = download(REPO)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.requests.clear()
    assert download(REPO) == download(REPO, commit, files) == directory
    assert hub.requests == []


@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: data[:-1] + b"\xff"])
def test_a_damaged_cache_is_mended_and_offline_refused(hub, commit, files, damage):
    blob = (download(REPO, commit, files) / "model.safetensors").resolve()
    good = blob.read_bytes()
    blob.write_bytes(damage(good))
    with pytest.raises(CheckpointError, match=r"model\.safetensors (is truncated|was altered)"):
        download(REPO, commit, files, local_only=True)
    download(REPO, commit, files)
    assert blob.read_bytes() == good


def test_a_repository_that_no_longer_holds_what_was_recorded(hub, commit, files):
    wrong = {**files, "model.safetensors": {**files["model.safetensors"], "size": 17}}
    with pytest.raises(CheckpointError, match="on the Hub, where 17 were recorded.*do not use it"):
        download(REPO, commit, wrong)
    assert hub.count(WEIGHTS) == 0
    wrong = {**files, "model.safetensors": {**files["model.safetensors"], "sha256": "0" * 64}}
    with pytest.raises(CheckpointError, match="sha256 is not the one recorded"):
        download(REPO, commit, wrong)


RECORD = {"sha256": "0" * 64, "size": 5}
ATTACKS = {
    "up": {"../../../.bashrc": RECORD},
    "absolute": {"/etc/passwd": RECORD},
    "folder": {"a/b.json": RECORD},
    "windows": {"..\\b.json": RECORD},
    "hidden": {".ssh.json": RECORD},
    "code": {"setup.py": RECORD},
    "pickle": {"weights.pkl": RECORD},
    "endless": {"a" * 101 + ".json": RECORD},
    "petabyte": {"model.safetensors": {**RECORD, "size": 1 << 50}},
    "large text": {"processor.json": {**RECORD, "size": 1 << 30}},
    "no record": {"processor.json": None},
    "no size": {"processor.json": {**RECORD, "size": True}},
    "no hash": {"processor.json": {**RECORD, "sha256": ["0"]}},
}


@pytest.mark.parametrize("listed", ATTACKS.values(), ids=ATTACKS)
def test_a_config_that_lists_what_may_not_be_read(hub, commit, files, listed):
    pinned = {name: files[name] for name in ("model.safetensors", "processor.json")}
    commit_change(hub, files={**pinned, **listed})
    with pytest.raises(CheckpointError, match="outside itself|files end in|at most|The record of"):
        download(REPO)
    assert hub.count("GET .*safetensors|passwd|bashrc") == 0


@pytest.mark.parametrize("name", ["config.json", "generation.json", "README.md"])
def test_a_large_text_is_refused_before_it_is_downloaded(hub, commit, name):
    hub.repositories[REPO].commit({name: b" " * ((1 << 20) + 1)})
    with pytest.raises(CheckpointError, match=rf"{name} has 1,048,577 bytes, where at most"):
        download(REPO)
    assert hub.count(f"GET .*{name}") == 0


def test_a_cache_without_links(hub, commit, tiny_checkpoint, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    directory = download(REPO)
    assert not any(path.is_symlink() for path in directory.iterdir())
    assert contents(directory) == contents(tiny_checkpoint)


def test_a_cache_that_cannot_be_made(hub, commit, monkeypatch, tmp_path):
    from huggingface_hub import constants

    (tmp_path / "file").write_text("")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(CheckpointError, match="cannot be written: Not a directory.*HF_HOME"):
        download(REPO)


def test_a_whisper_of_the_hub_is_downloaded_and_listens(hub, tiny_whisper):
    from s2s_zoo import from_pretrained
    from tests.tiny_whisper import RATE, sound

    hub.add("openai/whisper-tiny", tiny_whisper)
    repository = hub.repositories["openai/whisper-tiny"]
    others = {"normalizer.json": b"{}", "flax_model.msgpack": b"x" * 2000}
    commit = repository.commit(others)
    transcribe = from_pretrained("hf://openai/whisper-tiny")
    assert hub.count("msgpack|normalizer") == 0
    assert transcribe.task == "transcription" and transcribe.processor.multilingual
    assert transcribe.processor.options == from_pretrained(tiny_whisper).processor.options
    told = {"language": "de", "temperature": 0.0, "max_length": 5}
    assert isinstance(transcribe((sound(0.5), RATE), **told), str)
    read = hub.count("GET .*model.safetensors")
    again = from_pretrained("hf://openai/whisper-tiny", revision=commit)
    assert hub.count("GET .*model.safetensors") == read  # the cache has it
    assert again.processor.options == transcribe.processor.options
