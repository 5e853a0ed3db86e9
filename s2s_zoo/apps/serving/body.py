"""Reading what a client sends: no more than may be, and not for ever."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.requests import Request

from s2s_zoo.apps.serving.refused import Refused

DRAINED = 32 << 20  # bytes of a refused body that are read, so that its sender hears why


async def read_body(request: Request, max_body: int, timeout: float) -> bytes:
    """Returns the bytes of the body of a request.

    Args:
        request: of Starlette.
        max_body: int, the most bytes.
        timeout: float, seconds for all of it.

    Raises:
        Refused: 413 for a larger body, whatever its headers say; 408 for one that is not complete
            in time.
        starlette.requests.ClientDisconnect: if the client leaves.
    """
    chunks, size = [], 0
    try:
        async with asyncio.timeout(timeout):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= max_body:
                    chunks.append(chunk)
                else:
                    chunks.clear()
                if size > max_body + DRAINED:
                    break
    except TimeoutError as error:
        raise Refused(
            408, f"The body was not complete after {timeout:g} seconds. Send it again."
        ) from error
    if size > max_body:
        raise Refused(
            413,
            f"The body is larger than {max_body:,} bytes. Send less at once, or start the server "
            "with a larger --max-body.",
        )
    return b"".join(chunks)


async def drain(request: Request, timeout: float) -> None:
    """Reads the body of a request that is refused in any case, and keeps nothing of it."""
    with contextlib.suppress(Refused):
        await read_body(request, 0, timeout)


async def wait_for_leaving(request: Request) -> None:
    """Returns when the client of a request whose body was read is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
