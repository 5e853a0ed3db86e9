"""Downloading from a Hub that others wrote: the olah mirror, serving a git repository offline.

Runs where `olah-cli` is on the path (`pip install olah`, in an environment of its own). It covers
how a branch and a commit are resolved and files are served; olah knows no uploads, and its mirror
of a local repository neither tokens nor redirects.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        not (shutil.which("olah-cli") and shutil.which("git")), reason="needs olah-cli and git"
    ),
]
CONFIG = """
[basic]
host = "127.0.0.1"
port = {port}
repos-path = "{folder}/repos"
mirrors-path = ["{folder}/mirrors"]
[accessibility]
offline = true
"""


@pytest.fixture(scope="module")
def mirror(tiny_checkpoint, tmp_path_factory):
    """The address of the mirror, and the commit of org/tiny that it serves."""
    folder = tmp_path_factory.mktemp("olah")
    repository = folder / "mirrors" / "models" / "org" / "tiny"
    shutil.copytree(tiny_checkpoint, repository)
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "olah.toml").write_text(CONFIG.format(port=port, folder=folder))
    command = ["olah-cli", "-c", str(folder / "olah.toml"), "--log-path", str(folder / "logs")]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, (folder / "out").read_text()
            try:
                urllib.request.urlopen(f"{url}/org/tiny/resolve/main/config.json").close()
                break
            except (urllib.error.URLError, ConnectionError):
                threading.Event().wait(0.1)
        yield url, commit
    finally:
        process.kill()
        process.wait()


def run(name, url, home, **environment):
    script = (
        "import sys; from s2s_zoo.apps.cli.main import main; "
        "sys.exit(main(['download', sys.argv[1]]))"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment = {**kept, "HF_ENDPOINT": url, "HF_HOME": str(home), **environment}
    command = [sys.executable, "-c", script, name]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_a_branch_then_offline(mirror, tmp_path, tiny_checkpoint):
    url, commit = mirror
    for environment in ({}, {"HF_HUB_OFFLINE": "1"}):
        done = run("hf://org/tiny", url, tmp_path, **environment)
        directory = Path(done.stdout.strip())
        assert directory.name == commit, done.stderr
        assert {path.name: path.read_bytes() for path in directory.iterdir()} == {
            path.name: path.read_bytes() for path in tiny_checkpoint.iterdir()
        }


def test_a_commit_then_nobody_there(mirror, tmp_path):
    url, commit = mirror
    first = run(f"hf://org/tiny@{commit}", url, tmp_path)
    assert first.returncode == 0, first.stderr
    again = run(f"hf://org/tiny@{commit}", "http://127.0.0.1:9", tmp_path)
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, "")


def test_no_such_repository(mirror, tmp_path):
    done = run("hf://org/none", mirror[0], tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "org/none: there is no such repository" in done.stderr
