"""From a checkpoint to a listening process."""

from __future__ import annotations

import logging
import math
import signal
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from s2s_zoo.apps.serving.app import Limits, create_app
from s2s_zoo.apps.serving.sites import names_of

if TYPE_CHECKING:
    from s2s_zoo.apps.serving.served import Served


def make_server(
    served: Served, limits: Limits, names: frozenset[str] | None = None
) -> uvicorn.Server:
    """Returns the uvicorn server of a model; `run(sockets=[…])` runs it.

    Args:
        served: Served, whose pipeline is from now on used by the server alone.
        limits: Limits.
        names: set of str, see `create_app`.
    """
    config = uvicorn.Config(
        create_app(served, limits, names),
        http=patient(limits.timeout),
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(limits.timeout),
    )
    return uvicorn.Server(config)


def serve(
    served: Served,
    limits: Limits,
    listener: socket.socket,
    host: str,
    allowed: Sequence[str] = (),
) -> None:
    """Serves until the process is told to end; then finishes what is in flight.

    Args:
        served: Served.
        limits: Limits.
        listener: a bound socket.
        host: str, what it was bound to, as the user says it.
        allowed: list of str, further names under which it is called.
    """
    address, port = listener.getsockname()[:2]
    names = names_of(address, host, allowed)
    host = f"[{address}]" if ":" in address else address
    print(f"{served.name} is served at http://{host}:{port}/ until Ctrl-C.", file=sys.stderr)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of every new shape
    # uvicorn sends itself the signal again when it is done: that is no reason to fail.
    signal.signal(signal.SIGTERM, lambda *_: None)
    make_server(served, limits, names).run(sockets=[listener])


def patient(timeout: float) -> type[H11Protocol]:
    """A protocol of uvicorn that does not wait for ever for a client to send or to read.

    Nor does a body wait for the client to acknowledge the head, 40 ms: asyncio turns that off only
    for sockets that were made with IPPROTO_TCP by name, and uvicorn's are not.

    Args:
        timeout: float, seconds for the head of a request to arrive, and for a full send buffer to
            drain. The body has its own limit.
    """

    class Patient(H11Protocol):
        waiting_for_head = waiting_for_reader = None

        def connection_made(self, transport):
            super().connection_made(transport)
            connection = transport.get_extra_info("socket")
            if connection.family in (socket.AF_INET, socket.AF_INET6):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.waiting_for_head = self._abort_later()

        def data_received(self, data):
            super().data_received(data)
            between = self.cycle is None or self.cycle.response_complete
            if not between:
                self.waiting_for_head = _cancel(self.waiting_for_head)
            elif self.waiting_for_head is None:
                self.waiting_for_head = self._abort_later()

        def pause_writing(self):
            super().pause_writing()
            self.waiting_for_reader = self._abort_later()

        def resume_writing(self):
            super().resume_writing()
            self.waiting_for_reader = _cancel(self.waiting_for_reader)

        def connection_lost(self, exc):
            super().connection_lost(exc)
            self.waiting_for_head = _cancel(self.waiting_for_head)
            self.waiting_for_reader = _cancel(self.waiting_for_reader)

        def _abort_later(self):
            return self.loop.call_later(timeout, self.transport.abort)

    return Patient


def _cancel(timer):
    if timer is not None:
        timer.cancel()
