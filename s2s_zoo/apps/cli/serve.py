"""The command `s2s-zoo serve`."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import Any

from s2s_zoo.apps.cli.search import add_search_options, check_search, search_options
from s2s_zoo.apps.cli.shared import NAME, add_engine, engine_options, load, positive
from s2s_zoo.protocol.errors import S2SZooError

MAX_BODY = {"text": 1 << 20, "image": 16 << 20, "audio": 32 << 20}  # bytes
TIMEOUT = {"text": 30.0, "image": 30.0, "audio": 300.0}  # seconds


def add_command(commands: Any) -> None:
    """Adds it to the subparsers of the command line."""
    command = commands.add_parser("serve", help="answer over HTTP, with a page to try the model")
    command.set_defaults(command=_serve)
    add = command.add_argument
    add("--model", required=True, metavar="NAME", help=NAME)
    add("--name", metavar="NAME", help="what clients call it (default: the model's)")
    add("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine alone")
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer to this name too, that of a proxy before it; may be given several times",
    )
    add("--port", type=_port, default=8000, help="default: 8000; 0 takes a free one")
    add("--max-batch", type=positive, default=64, metavar="N", help="run at once (default: 64)")
    add(
        "--max-wait-ms",
        type=_milliseconds,
        default=5.0,
        metavar="MS",
        help="wait so long for others to run together (default: 5)",
    )
    add(
        "--max-body",
        type=positive,
        metavar="BYTES",
        help="of a request (default: 1 MiB, for images 16 MiB, for recordings 32 MiB)",
    )
    add(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="for a request to arrive, and again to be answered (default: 30, recordings 300)",
    )
    add(
        "--max-queue",
        type=positive,
        default=256,
        metavar="N",
        help="may wait; more are told to come back (default: 256)",
    )
    add_engine(command)
    add_search_options(command)


def _serve(arguments):
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise S2SZooError(
            f"Serving needs FastAPI, uvicorn and prometheus_client ({error.name} is missing). "
            "Install them with `pip install 's2s-zoo[serve]'`."
        ) from error
    with _bind(arguments.host, arguments.port) as listener:
        pipeline = load(arguments.model, **engine_options(arguments))

        from s2s_zoo.apps.serving.app import Limits
        from s2s_zoo.apps.serving.served import Served
        from s2s_zoo.apps.serving.server import serve

        if options := search_options(arguments):
            if "num_beams" in options:  # say more than a strategy of the checkpoint
                pipeline.generation.pop("strategy", None)
            pipeline.generation.update(options)
            check_search(arguments, pipeline, {})
        name = arguments.name or arguments.model
        if not arguments.name and os.path.isdir(name):  # the rest of the path is nobody's business
            name = "/".join(Path(name).resolve().parts[-2:])
        served = Served(pipeline, name)
        limits = Limits(
            max_batch=arguments.max_batch,
            max_wait=arguments.max_wait_ms / 1000,
            max_body=arguments.max_body or MAX_BODY[served.reads],
            timeout=arguments.timeout or TIMEOUT[served.reads],
            max_queue=arguments.max_queue,
        )
        serve(served, limits, listener, arguments.host, arguments.allow_host)


def _bind(host, port):
    """Returns a socket that has the address, not yet listening."""
    with contextlib.ExitStack() as stack:
        try:
            kind, _, _, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = stack.enter_context(socket.socket(kind, socket.SOCK_STREAM))
            if sys.platform != "win32":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError as error:
            raise S2SZooError(
                f"{host}:{port} cannot be served from: {error.strerror}. Choose another --host or "
                "--port."
            ) from error
        stack.pop_all()
        return listener


def _port(text):
    value = int(text)
    if not 0 <= value < 1 << 16:
        raise ValueError
    return value


def _milliseconds(text):
    value = float(text)
    if not 0 <= value <= 1000:
        raise ValueError
    return value


def _seconds(text):
    value = float(text)
    if not 0 < value <= 3600:
        raise ValueError
    return value
