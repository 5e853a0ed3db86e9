"""The tokens of one answer, from the thread of the model to a client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from s2s_zoo.apps.serving.hearing import segment_as_json
from s2s_zoo.apps.serving.refused import Refused, failed, too_slow

if TYPE_CHECKING:
    from s2s_zoo.apps.serving.served import Served


class Tokens:
    """The tokens of one answer on their way from the thread of the model to a client.

    Args:
        served: Served.
        begin: function that returns the generator of Result.
        is_cut: function of the JSON of the answer, whether its source was cut.
    """

    def __init__(
        self,
        served: Served,
        begin: Callable[[], Iterator[Any]],
        is_cut: Callable[[dict[str, Any]], bool],
    ) -> None:
        self.served = served
        self.begin = begin
        self.is_cut = is_cut
        self.loop = asyncio.get_running_loop()
        self.queue: asyncio.Queue = asyncio.Queue()
        self.stopped = threading.Event()
        self.future: Any = None  # that of `run`, once it is submitted

    def run(self, _: Any) -> list[None]:
        """In the thread of the model: at its speed, whatever the client's."""
        result: Any = None
        count = 0
        for result in self.begin():
            if self.stopped.is_set():
                return [None]
            if result.target_tokens:
                event = {"text": result.text}
                if len(result.target_tokens) > count:  # else it was made again
                    event["token"] = result.target_tokens[-1]
                count = len(result.target_tokens)
                self._put(event)
        found = self.served.as_json(result)
        if self.is_cut(found):
            found["truncated"] = True
        self._put({**found, "done": True})
        return [None]

    async def events(self, timeout: float) -> AsyncIterator[dict[str, Any] | Refused]:
        """Yields what `run` puts, the last with "done"; or a Refused, and that is the end."""
        self.future.add_done_callback(self._put_error)
        deadline = self.loop.time() + timeout
        event: Any = {}
        while "done" not in event:
            try:
                event = await asyncio.wait_for(self.queue.get(), deadline - self.loop.time())
            except TimeoutError:
                event = too_slow(timeout)
            yield event
            if isinstance(event, Refused):
                return

    def stop(self) -> None:
        """Nobody listens any more."""
        self.stopped.set()
        self.future.cancel()

    def _put(self, event):
        self.loop.call_soon_threadsafe(self.queue.put_nowait, event)

    def _put_error(self, future):
        if not future.cancelled() and (error := future.exception()):
            self._put(failed(error))


class Segments(Tokens):
    """The segments of a recording on their way; as `Tokens`."""

    def run(self, _: Any) -> list[None]:
        found: list[dict[str, Any]] = []
        text = ""
        for segment in self.begin():
            if self.stopped.is_set():
                return [None]
            found.append(segment_as_json(segment))
            text += segment.text
            self._put({"text": text.strip(), "segment": found[-1]})
        self._put({"text": text.strip(), "segments": found, "done": True})
        return [None]


class Events(StreamingResponse):
    """Server-sent events.

    Args:
        first: dict or Refused.
        others: async iterator of them.
        kept: AsyncExitStack, left when the client has them all, or is gone.
    """

    def __init__(
        self,
        first: dict[str, Any] | Refused,
        others: AsyncIterator[dict[str, Any] | Refused],
        kept: contextlib.AsyncExitStack,
    ) -> None:
        self.kept = kept

        async def lines():
            yield _event(first)
            async for event in others:
                yield _event(event)

        super().__init__(
            lines(), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self.kept:
            await super().__call__(scope, receive, send)


def _event(event):
    if isinstance(event, Refused):
        event = {"error": event.message, "done": True}
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
