"""Downloads in processes of their own: settings, crowds, kills, a full disk, a read-only cache."""

import ctypes
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.hub_server import READ

pytestmark = pytest.mark.processes

REPO = "org/tiny"
CLI = [sys.executable, "-c", "import sys; from s2s_zoo.apps.cli.main import main; sys.exit(main())"]
DOWNLOAD = [
    sys.executable,
    "-c",
    "import sys; from s2s_zoo.checkpoints.catalog import resolve; "
    "print(resolve(sys.argv[1]).directory)",
]


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def environment(hub, tmp_path, tiny_checkpoint):
    commit = hub.add(REPO, tiny_checkpoint, private=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    return {
        **kept,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": READ,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "5",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NAME": f"hf://{REPO}@{commit}",
    }


def run(command, environment, **options):
    command = [*command, environment["NAME"]]
    return subprocess.run(command, env=environment, capture_output=True, text=True, **options)


def start(environment):
    command = [*DOWNLOAD, environment["NAME"]]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(condition):
    for _ in range(3000):
        if condition():
            return
        threading.Event().wait(0.02)
    pytest.fail("waited a minute")


def obey_permissions():
    """What a new program of root is not allowed: to write where the mode of a file forbids it."""
    if os.geteuid() == 0:
        drop_from_bounding_set, may_override_permissions = 24, 1  # prctl(2), capabilities(7)
        ctypes.CDLL(None).prctl(drop_from_bounding_set, may_override_permissions, 0, 0, 0)


def contents(directory):
    return {path.name: path.read_bytes() for path in Path(directory).iterdir()}


def test_settings_of_the_client_are_kept_and_the_token_told_to_nobody(
    hub, home, environment, tiny_checkpoint
):
    talkative = {**environment, "HF_DEBUG": "1", "HF_HUB_VERBOSITY": "debug"}
    done = run([*CLI, "download"], talkative)
    directory = Path(done.stdout.strip())
    assert done.returncode == 0, done.stderr
    assert directory.is_relative_to(home)
    assert contents(directory) == contents(tiny_checkpoint)
    assert "HEAD" in done.stderr and READ not in done.stderr
    hub.requests.clear()
    without = {k: v for k, v in environment.items() if k != "HF_TOKEN"}
    done = run([*CLI, "verify"], {**without, "HF_HUB_OFFLINE": "1"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "files are as they were recorded" in done.stdout
    assert hub.requests == []


def test_a_cold_process_loads_a_cached_commit_with_the_network_cut(hub, environment, sentences):
    run(DOWNLOAD, environment)
    hub.requests.clear()
    script = (
        "import sys, s2s_zoo; pipeline = s2s_zoo.from_pretrained(sys.argv[1]); "
        "print(type(pipeline).__name__)"
    )
    done = run([sys.executable, "-c", script], {**environment, "HF_TOKEN": ""})
    assert done.stdout == "Pipeline\n", done.stderr
    assert hub.requests == []


def test_two_processes_at_once(hub, environment, tiny_checkpoint):
    hub.pause = 0.05
    both = [start(environment) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert contents(out.strip()) == contents(tiny_checkpoint)
    assert not list(Path(environment["HF_HOME"]).rglob("*.incomplete"))


def test_a_process_killed_in_the_middle_of_a_file(hub, home, environment, tiny_checkpoint):
    hub.fail(r"GET /cdn/\w+/model\.safetensors", times=1, stall_at=5000)
    process = start(environment)
    wait_for(lambda: hub.count(r"GET /cdn/\w+/model\.safetensors"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not list(home.rglob("snapshots/*/model.safetensors"))
    done = run(DOWNLOAD, environment)
    assert contents(done.stdout.strip()) == contents(tiny_checkpoint)


def test_a_full_disk(home, environment, tiny_checkpoint):
    """The kernel refuses to write more than the limit, as a full disk would in mid-file."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))

    done = run(DOWNLOAD, environment, preexec_fn=limit)
    assert done.returncode == 1
    assert re.search(r"CheckpointError: org/tiny: .* cannot be written: .*HF_HOME", done.stderr)
    assert not list(home.rglob("*.incomplete"))
    done = run(DOWNLOAD, environment)
    assert contents(done.stdout.strip()) == contents(tiny_checkpoint)


def test_a_read_only_cache(hub, home, environment, tiny_checkpoint):
    run(DOWNLOAD, environment)
    hub.repositories[REPO].commit({"README.md": b"newer"})
    folders = [home, *(path for path in home.rglob("*") if path.is_dir())]
    for path in home.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
    for path in folders:
        path.chmod(0o555)
    try:
        done = run(DOWNLOAD, environment, preexec_fn=obey_permissions)
        assert done.returncode == 0, done.stderr
        assert contents(done.stdout.strip()) == contents(tiny_checkpoint)
        done = run(DOWNLOAD, {**environment, "NAME": f"hf://{REPO}"}, preexec_fn=obey_permissions)
        assert done.returncode == 1
        assert re.search(r"cannot be written: Permission denied.*HF_HOME", done.stderr)
    finally:
        for path in folders:
            path.chmod(stat.S_IRWXU)
