"""Requests that are not answered, and sources that are not."""

from __future__ import annotations

import logging

from s2s_zoo.protocol.errors import S2SZooError

log = logging.getLogger("uvicorn.error")


class Refused(Exception):
    """A request that is not answered.

    Args:
        status: int, of HTTP.
        message: str, what was expected, what was received, and the remedy.
        retry_after: int, seconds, or None.
    """

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after


def overloaded() -> Refused:
    """The Refused of a request for which there is no room."""
    return Refused(503, "The server is busy. Try again in a second.", retry_after=1)


def too_slow(timeout: float) -> Refused:
    """The Refused of a request that was not answered within so many seconds."""
    return Refused(
        504, f"No answer after {timeout:g} seconds. Send less at once, or use a larger --timeout."
    )


def failed(error: BaseException) -> Refused:
    """The Refused for an exception of the pipeline: its own words where it has some for users."""
    if isinstance(error, S2SZooError):
        return Refused(422, str(error))
    log.error("The model failed.", exc_info=error)
    return Refused(500, f"The model failed: {type(error).__name__}.")
