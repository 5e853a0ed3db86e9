"""What is refused, and which rows of a batch a process gets."""

import keras
import pytest

from s2s_zoo.protocol.errors import DistributionError
from s2s_zoo.training import distribution
from s2s_zoo.training.distribution import (
    ENVIRONMENT,
    Parallel,
    check_alike,
    current,
    data_parallel,
    gather,
)

BACKEND = keras.backend.backend()


def enter(**options):
    with data_parallel(**options):
        pass


def test_one_device_is_what_there_was_before():
    with data_parallel(), data_parallel(devices=1):
        assert current() == Parallel(devices=1, processes=1, process=0)
    assert gather({"a": 1}) == [{"a": 1}]
    check_alike(data=[1])


@pytest.mark.parametrize("devices", [0, -1])
def test_devices_are_counted_from_one(devices):
    with pytest.raises(DistributionError, match=f"from 1. Received: devices={devices}"):
        enter(devices=devices)


def test_more_devices_than_there_are():
    keras.ops.convert_to_numpy(keras.ops.ones(1) + 1)  # too late to split the CPU
    message = "TensorFlow or the JAX" if BACKEND == "torch" else "There are .*Received: devices=99"
    with pytest.raises(DistributionError, match=message):
        enter(devices=99)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX is what it takes")
def test_several_processes_need_jax(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT[1], "2")
    with pytest.raises(DistributionError, match="KERAS_BACKEND=jax"):
        enter()


@pytest.mark.skipif(BACKEND != "jax", reason="several processes need JAX")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("localhost:1", "2", ""), "but not KERAS_DISTRIBUTION_PROCESS_ID"),
        (("localhost:1", "2", "2"), "counts from 0 to .* Received: 2 of 2"),
        (("localhost:1", "two", "0"), "Received: 0 of two"),
    ],
)
def test_an_environment_that_is_not_whole(monkeypatch, values, message):
    for name, value in zip(ENVIRONMENT, values, strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(DistributionError, match=message):
        enter()


@pytest.mark.skipif(BACKEND != "jax", reason="several processes need JAX")
def test_a_coordinator_that_is_not_there(start, address):
    code = (
        "from s2s_zoo.distribution import data_parallel, leave\n"
        "from s2s_zoo.errors import DistributionError\n"
        "try:\n"
        "    with data_parallel(timeout=3): pass\n"
        "except DistributionError as error:\n"
        "    leave(str(error))\n"
    )
    process = start("-c", code, process=1, address=address)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"Process 1 of 2 found no process 0 at {address} within 3 s" in printed


@pytest.mark.skipif(BACKEND != "jax", reason="several processes need JAX")
def test_slurm_does_not_choose_among_the_devices(start, address):
    """JAX by itself takes the device of the number of the task, of those the task may see."""
    code = (
        "import jax\n"
        "from s2s_zoo.distribution import data_parallel\n"
        "with data_parallel(): print('visible:', jax.config.read('jax_cuda_visible_devices'))\n"
    )
    slurm = {
        "SLURM_JOB_ID": "1",
        "SLURM_STEP_NODELIST": "node0",
        "SLURM_NTASKS": "1",
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
    }
    variables = {**slurm, **dict(zip(ENVIRONMENT, (address, "1", "0"), strict=True))}
    process = start("-c", code, variables=variables)
    printed, _ = process.communicate(timeout=120)
    assert "visible: all" in printed


def test_what_differs_is_named(monkeypatch):
    monkeypatch.setattr(distribution, "current", lambda: Parallel(2, 2, 0))

    def gathered(mine):
        return [mine, {**mine, "settings": "another"}]

    monkeypatch.setattr(distribution, "gather", gathered)
    with pytest.raises(DistributionError, match="Process 1 has other settings than process 0"):
        check_alike(data=[1, 2], settings={"a": 1})
