"""Several devices and several processes end with the weights of one device."""

import time

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.training.distribution.conftest import ROOT, jax_only, starting

BACKEND = keras.backend.backend()
WORKER = ROOT / "tests" / "training" / "distribution" / "worker.py"

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(BACKEND == "torch", reason="torch trains on one device here"),
]


def finish(*processes):
    """Waits for all; returns what each printed."""
    printed = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), printed
    return printed


@pytest.fixture(scope="module")
def alone(tiny_checkpoint, tmp_path_factory):
    """What one device makes; JAX draws the same dropout however many there are."""
    folder = tmp_path_factory.mktemp("alone")
    with starting(folder) as start:
        finish(start(WORKER, tiny_checkpoint, folder / "alone", 1, 0.1 if BACKEND == "jax" else 0))
    return np.load(folder / "alone-0.npz")


def same(path, alone):
    made = np.load(path)
    assert len(made["losses"]) >= 50
    np.testing.assert_allclose(made["losses"], alone["losses"], atol=1e-4)
    np.testing.assert_allclose(made["weights"], alone["weights"], atol=1e-4)
    return made


def test_two_devices(start, alone, tiny_checkpoint, tmp_path):
    dropout = 0.1 if BACKEND == "jax" else 0
    finish(start(WORKER, tiny_checkpoint, tmp_path / "two", 2, dropout))
    same(tmp_path / "two-0.npz", alone)


@jax_only
def test_two_processes(start, alone, tiny_checkpoint, tmp_path, address):
    options = [tiny_checkpoint, tmp_path / "two", 1, 0.1]
    finish(*(start(WORKER, *options, process=i, address=address) for i in (0, 1)))
    first, second = (same(tmp_path / f"two-{i}.npz", alone) for i in (0, 1))
    assert np.array_equal(first["weights"], second["weights"])


@jax_only
def test_a_killed_process_ends_the_training_and_all_go_on_from_there(
    start, arguments, tmp_path, address
):
    finish(start(*arguments, "--output", tmp_path / "alone"))
    arguments += ["--output", tmp_path / "two"]
    pair = [start(*arguments, process=i, address=address) for i in (0, 1)]
    state = tmp_path / "two" / "state.safetensors"
    while not state.exists():
        assert pair[0].poll() is None, pair[0].communicate()
        time.sleep(0.2)
    pair[1].kill()
    printed, _ = pair[0].communicate(timeout=120)
    assert pair[0].returncode == 1
    assert "Another process of this training has ended" in printed and "--resume" in printed

    pair = [start(*arguments, "--resume", process=i, address=address) for i in (0, 1)]
    printed = finish(*pair)
    assert "epoch 0 done" not in printed[0] and "minutes. Best of 4 epochs" in printed[0]
    assert "minutes. Best of" not in printed[1]
    found, wanted = load_file(state), load_file(tmp_path / "alone" / "state.safetensors")
    for key, value in wanted.items():
        np.testing.assert_allclose(found[key], value, atol=1e-4)


@jax_only
def test_other_data_is_found_before_training(start, arguments, tmp_path, address):
    other = tmp_path / "other"
    other.mkdir()
    for path in (tmp_path / "data").iterdir():
        (other / path.name).write_text(path.read_text(encoding="utf-8").replace("dog", "cat"))
    first = start(*arguments, "--output", tmp_path / "run", process=0, address=address)
    arguments[2] = other
    second = start(*arguments, "--output", tmp_path / "run", process=1, address=address)
    for process in (first, second):
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == 1
        assert "Process 1 has other data than process 0: nothing was trained" in printed
