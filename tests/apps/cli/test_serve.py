"""`s2s-zoo serve` as a process."""

import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("prometheus_client", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("uvicorn", reason="pip install 's2s-zoo[serve]'")

from s2s_zoo.apps.cli.main import main  # noqa: E402
from tests.apps.serving.test_app import (
    eventually,
    texts_of,  # noqa: E402
)

COMMAND = "import sys; from s2s_zoo.apps.cli.main import main; sys.exit(main())"


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to send on Windows")
def test_a_process_serves_and_ends_cleanly(tiny_checkpoint, tiny_pipeline):
    import httpx2

    arguments = ["--model", str(tiny_checkpoint), "--port", "0", "--num-beams", "3"]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "serve", *arguments, "--max-wait-ms", "1000"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := re.fullmatch(r"[^/ ]+/tiny is served at (http://127.0.0.1:\d+)/.*\n", line):
                break
        with httpx2.Client(base_url=found[1], timeout=30) as client:
            eventually(lambda: answers(client, "/health"), seconds=60)
            assert client.get("/model").json()["num_beams"] == 3
            assert client.get("/model", headers={"host": "evil.example"}).status_code == 403
            with ThreadPoolExecutor(1) as pool:  # it waits a second for others
                inside = pool.submit(client.post, "/generate", json={"texts": ["ein hund"]})
                time.sleep(0.3)
                process.send_signal(signal.SIGTERM)
                assert texts_of(inside.result()) == [tiny_pipeline("ein hund", num_beams=3)]
        assert process.wait(30) == 0
        rest = process.stderr.read()
        assert "Traceback" not in rest and "rror" not in rest, rest
        assert process.stdout.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        process.stdout.close()


def answers(client, path):
    import httpx2

    try:
        return client.get(path).status_code == 200
    except httpx2.TransportError:  # it does not listen yet
        return False


def test_an_address_in_use(tiny_checkpoint, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--model", str(tiny_checkpoint), "--port", str(port)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"s2s-zoo: error: 127.0.0.1:{port} cannot be served from")
    assert error.count("\n") == 1


def test_without_the_extra(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve", "--model", "translation-de-en"]) == 1
    assert "uvicorn is missing" in (error := capsys.readouterr().err)
    assert "pip install 's2s-zoo[serve]'" in error


@pytest.mark.parametrize(
    "options, name", [([], "checkpoints/tiny"), (["--name", "captions"], "captions")]
)
def test_names(options, name, tmp_path, tiny_checkpoint, monkeypatch):
    import shutil

    from s2s_zoo.apps.serving import server

    directory, served = tmp_path / "checkpoints" / "tiny", []
    shutil.copytree(tiny_checkpoint, directory)
    monkeypatch.setattr(server, "serve", lambda model, *_: served.append(model.name))
    assert main(["serve", "--model", str(directory), "--port", "0", *options]) == 0
    assert served == [name]


@pytest.mark.parametrize(
    "option",
    ["--port=70000", "--max-batch=0", "--timeout=0", "--max-wait-ms=-1", "--max-queue=x"],
)
def test_bad_values(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["serve", "--model", "translation-de-en", option])
    assert option.split("=")[0] in capsys.readouterr().err
