"""Processes that train together on loopback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from s2s_zoo.distribution import ENVIRONMENT

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def start():
    """Starts a Python script with the arguments; `process` and `address` make it one of two."""
    running = []

    def start(*arguments, process=None, address=None):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "KERAS_BACKEND": keras.backend.backend(),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        if address:
            environment |= zip(ENVIRONMENT, (address, "2", str(process)), strict=True)
        command = [sys.executable, *map(str, arguments)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        running.append(subprocess.Popen(command, env=environment, cwd=ROOT, text=True, **streams))
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.communicate()


@pytest.fixture
def address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
