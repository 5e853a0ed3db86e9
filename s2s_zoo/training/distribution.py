"""Data-parallel training: several devices of one process, and several processes with JAX.

Every device holds the whole model and works on its rows of each batch; the gradients meet. Batches,
losses and scores are those of one device, up to the order in which floating-point numbers are
added. What several processes have to agree on besides, they tell each other here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import keras
import numpy as np

from s2s_zoo.protocol.errors import DistributionError
from s2s_zoo.training import on_tensorflow

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline

ENVIRONMENT = (
    "KERAS_DISTRIBUTION_JOB_ADDRESSES",
    "KERAS_DISTRIBUTION_NUM_PROCESSES",
    "KERAS_DISTRIBUTION_PROCESS_ID",
)


@dataclasses.dataclass(frozen=True)
class Parallel:
    """Who works on a batch.

    Attributes:
        devices: int, of all processes together.
        processes: int.
        process: int, which of them this is, from 0.
    """

    devices: int = 1
    processes: int = 1
    process: int = 0


def current() -> Parallel:
    """Returns the Parallel of the models that are made here and now."""
    if keras.backend.backend() == "tensorflow":
        return Parallel(devices=on_tensorflow.replicas())
    distribution = keras.distribution.distribution()
    if distribution is None:
        return Parallel()
    return Parallel(
        distribution.num_model_replicas, distribution.num_processes, distribution.data_shard_id
    )


@contextlib.contextmanager
def data_parallel(devices: int | None = None, timeout: int = 60) -> Iterator[None]:
    """Models made inside train on several devices: `with data_parallel(devices=2): ...`.

    Comes before all that computes. On a machine without GPU, `devices` parts of the CPU are made,
    to try things out. Several processes, on one machine or many, need the JAX backend and three
    variables, Keras' own, in the environment of each:

        KERAS_DISTRIBUTION_JOB_ADDRESSES   host:port of process 0
        KERAS_DISTRIBUTION_NUM_PROCESSES   how many processes there are
        KERAS_DISTRIBUTION_PROCESS_ID      which of them this is, from 0

    Args:
        devices: int, how many of the devices of this process; None takes every GPU where there
            are several processes, else one device.
        timeout: int, seconds to wait for the other processes.

    Raises:
        DistributionError: for more devices than there are, an environment that is not whole, or
            processes that did not come.
    """
    backend = keras.backend.backend()
    named = [name for name in ENVIRONMENT if os.environ.get(name)]
    if devices is not None and devices < 1:
        raise DistributionError(f"Devices are counted from 1. Received: devices={devices}.")
    if named and backend != "jax":
        raise DistributionError(
            f"Several processes ({named[0]} is set) train with JAX: set KERAS_BACKEND=jax. "
            f"Received: the {backend} backend."
        )
    if not named and devices in (None, 1):
        yield
        return
    if backend not in _SCOPES:
        raise DistributionError(
            f"Several devices need the TensorFlow or the JAX backend. Received: {backend}."
        )
    with _SCOPES[backend](devices, named, timeout), _peers(named):
        yield


@contextlib.contextmanager
def _peers(named):
    """Says in plain words that another process is gone."""
    if not named:
        yield
        return
    import jax

    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if not any(sign in str(error) for sign in ("Gloo", "NCCL", "coordination")):
            raise
        raise DistributionError(
            "Another process of this training has ended, so this one cannot go on. Look at its "
            "output, then start all of them again with --resume: the last whole epoch is kept."
        ) from error


def leave(message: str, status: int = 1) -> NoReturn:
    """Ends the program with a message; of several processes, without waiting for the others."""
    alone = not any(os.environ.get(name) for name in ENVIRONMENT)
    if alone and status == 1:
        sys.exit(message)
    print(message, file=sys.stderr, flush=True)
    if alone:
        sys.exit(status)
    sys.stdout.flush()
    os._exit(status)  # or JAX waits for all to come to the end, and aborts where one does not


def _tensorflow(devices, named, timeout):
    found, strategy = on_tensorflow.mirrored(devices)
    if strategy is None:
        raise DistributionError(f"There are {found} devices. Received: devices={devices}.")
    return strategy.scope()


def _jax(devices, named, timeout):
    import jax

    with contextlib.suppress(RuntimeError):  # of what computed before: found out below
        jax.config.update("jax_num_cpu_devices", devices or 1)
    if named:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        _join(named, devices, timeout)
    local = jax.local_devices()
    if len(local) < (devices or 1):
        raise DistributionError(
            f"There are {len(local)} devices ({local[0].platform}). Received: devices={devices}. "
            "Ask for fewer, and before anything computes."
        )
    mine = {device.id for device in jax.devices()}
    if not named:
        mine = {device.id for device in local[:devices]}
    names = [f"{device.platform}:{device.id}" for device in jax.devices() if device.id in mine]
    return keras.distribution.DataParallel(devices=names, auto_shard_dataset=False).scope()


_SCOPES = {"tensorflow": _tensorflow, "jax": _jax}


def _join(named, devices, timeout):
    """Meets the other processes at the address of the first."""
    import jax

    if missing := [name for name in ENVIRONMENT if name not in named]:
        raise DistributionError(f"{named[0]} is set, but not {' and '.join(missing)}.")
    address, count, index = (os.environ[name] for name in ENVIRONMENT)
    address = address.split(",")[0]
    if not (count.isdecimal() and index.isdecimal() and int(index) < int(count)):
        raise DistributionError(
            f"{ENVIRONMENT[2]} counts from 0 to {ENVIRONMENT[1]} - 1. Received: {index} of {count}."
        )
    if index != "0":
        _wait_for(address, timeout, f"Process {index} of {count}")
    jax.distributed.initialize(
        address,
        int(count),
        int(index),
        local_device_ids=None if devices is None else range(devices),
        initialization_timeout=timeout,
        heartbeat_timeout_seconds=30,
        shutdown_timeout_seconds=30,
        cluster_detection_method="deactivate",  # or under Slurm each process takes one device alone
    )


def _wait_for(address, timeout, who):
    """Waits until something listens there: JAX aborts the program where nothing does."""
    host, _, port = address.rpartition(":")
    end = time.monotonic() + timeout
    while True:
        try:
            return socket.create_connection((host, int(port)), timeout=timeout).close()
        except (OSError, ValueError) as error:
            if time.monotonic() > end or isinstance(error, ValueError):
                raise DistributionError(
                    f"{who} found no process 0 at {address} within {timeout} s ({error}). Start it "
                    f"there, with the same {ENVIRONMENT[0]}, and see that the port is open."
                ) from error
            time.sleep(0.2)


def gather(value: Any) -> list[Any]:
    """Returns what every process gave, in their order: a list of values of JSON."""
    if current().processes == 1:
        return [value]
    from jax.experimental.multihost_utils import process_allgather

    data = np.frombuffer(json.dumps(value).encode(), "uint8")
    sizes = process_allgather(np.array(len(data)))
    rows = process_allgather(np.pad(data, (0, int(sizes.max()) - len(data))))
    return [
        json.loads(row[:size].tobytes().decode()) for row, size in zip(rows, sizes, strict=True)
    ]


def first_alone(make: Callable[[], object]) -> None:
    """Calls `make` in process 0, such as to write a file that all read; the others wait for it."""
    if current().process == 0:
        make()
    gather(None)


def check_alike(**parts: Any) -> None:
    """Compares what every process is about to do, before it costs anything.

    Args:
        **parts: values of JSON by their names, such as data=..., settings=...; the code of this
            package is compared as well.

    Raises:
        DistributionError: naming what is not the same in every process.
    """
    if current().processes == 1:
        return
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        code.update(path.read_bytes())
    digests = {
        name: hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()
        for name, part in parts.items()
    }
    of_all = gather({**digests, "code": code.hexdigest()})
    for name in of_all[0]:
        if other := [i for i, digests in enumerate(of_all) if digests[name] != of_all[0][name]]:
            raise DistributionError(
                f"Process {other[0]} has other {name} than process 0: nothing was trained. Give "
                "every process the same code, data and flags."
            )


@contextlib.contextmanager
def alone(pipeline: Pipeline, earlier: Pipeline | None = None) -> Iterator[Pipeline]:
    """Inside, this process computes by itself: `with alone(pipeline) as copy: ...`.

    What several processes share, all of them have to compute with at the same time. Inside is a
    copy with the weights of now.

    Args:
        pipeline: the Pipeline whose model is trained by several processes.
        earlier: what an earlier call gave, to be brought up to date; its graphs are kept.

    Returns:
        The copy; `pipeline` itself where there is one process.
    """
    if current().processes == 1:
        yield pipeline
        return
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        copy = earlier
        if copy is None:
            model = type(pipeline.model).from_config(pipeline.model.get_config())
            options = pipeline.generation, pipeline.languages
            copy = type(pipeline)(pipeline.task, model, pipeline.processor, *options)
        for mine, shared in zip(copy.model.weights, pipeline.model.weights, strict=True):
            mine.assign(keras.ops.convert_to_numpy(shared))
        yield copy
    finally:
        keras.distribution.set_distribution(distribution)
