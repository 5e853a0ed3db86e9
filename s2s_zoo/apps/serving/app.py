"""The endpoints."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from s2s_zoo.apps.serving.arriving import Arriving
from s2s_zoo.apps.serving.batcher import FULL, Batcher, Overloaded
from s2s_zoo.apps.serving.body import drain, read_body, wait_for_leaving
from s2s_zoo.apps.serving.metrics import HEADERS, Metrics, Observed
from s2s_zoo.apps.serving.page import PAGE, POLICY
from s2s_zoo.apps.serving.predict import model_name
from s2s_zoo.apps.serving.predict_api import PredictApi
from s2s_zoo.apps.serving.refused import (
    Refused,
    failed,
    overloaded,
    too_slow,
)
from s2s_zoo.apps.serving.schema import parse
from s2s_zoo.apps.serving.sites import OwnSite
from s2s_zoo.apps.serving.streaming import Events, Segments, Tokens
from s2s_zoo.protocol.version import __version__

if TYPE_CHECKING:
    from s2s_zoo.apps.serving.served import Served

ENDPOINTS = {
    "/": "a page to try the model",
    "/generate": "POST: texts, images or recordings in, all answers out",
    "/stream": "POST: one text, image or recording in, its answer part by part out",
    "/model": "what this model is and takes",
    "/health": "200 when the model is ready",
    "/v1/models/NAME:predict": "POST: what TensorFlow Serving takes and answers",
    "/v1/models/NAME": "its state, and with /metadata its signature",
    "/metrics": "for Prometheus",
    "/openapi.json": "a description of all this",
}
DECODED_AT_ONCE = 2  # requests: each may take some hundred megabytes
CLOSING = (408, 413, 503)  # statuses after which nothing more is read from a client
LEFT = 499  # the status in the metrics of a request whose client left


class Limits(NamedTuple):
    """What the server takes upon itself.

    Attributes:
        max_batch: int, sources run at once.
        max_wait: float, seconds that a source waits for others to be run with.
        max_body: int, bytes of a request.
        timeout: float, seconds for a request to arrive, and again to be answered.
        max_queue: int, sources that may wait, and requests that may be open.
    """

    max_batch: int = 64
    max_wait: float = 0.005
    max_body: int = 1 << 20
    timeout: float = 30.0
    max_queue: int = 256

    @property
    def max_sources(self) -> int:
        """The most sources of one request: they fit the queue and one batch."""
        return min(self.max_batch, self.max_queue)


def create_app(served: Served, limits: Limits, names: frozenset[str] | None = None) -> FastAPI:
    """Returns the FastAPI application that answers for a model.

    Args:
        served: Served.
        limits: Limits.
        names: set of str, under which it is called, see `sites.names_of`; None is any name.
    """
    service = Service(served, limits)
    app = FastAPI(
        title=f"s2s-zoo serve: {served.name}",
        version=__version__,
        docs_url=None,  # these pages load their scripts from elsewhere
        redoc_url=None,
        lifespan=service.lifespan,
    )
    app.state.service = service
    name = model_name(served.name)
    endpoints = {path.replace("NAME", name) for path in ENDPOINTS}
    if names is not None:
        app.add_middleware(OwnSite, names=names, refuse=_refused, timeout=limits.timeout)
    app.add_middleware(Observed, metrics=service.metrics, endpoints=endpoints)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _no_such_endpoint)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(Exception, _broken)

    def reads(kind):
        content = {"application/json": {"schema": kind.model_json_schema()}}
        return {"openapi_extra": {"requestBody": {"required": True, "content": content}}}

    app.get("/", include_in_schema=False)(service.page)
    app.get("/model", response_model=None)(service.model)
    app.get("/health")(service.health)
    app.get("/metrics")(service.figures)
    app.post("/generate", **reads(served.of_many))(service.generate)
    app.post("/stream", **reads(served.of_one))(service.stream)
    PredictApi(service).add_to(app)
    return app


class Service:
    """The endpoints of one model.

    Args:
        served: Served.
        limits: Limits.
    """

    def __init__(self, served: Served, limits: Limits) -> None:
        self.served = served
        self.limits = limits
        self.metrics = Metrics(lambda: self.batcher.length if self.batcher else 0)
        self.batcher: Any = None  # a Batcher and a Future, from the start of the server on
        self.warming: Any = None
        self.open = 0
        self.arriving = Arriving()
        self.decoding = asyncio.Semaphore(DECODED_AT_ONCE)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        limits = self.limits
        self.batcher = Batcher(
            *(limits.max_batch, limits.max_wait, limits.max_queue),
            *(self.metrics.batch_size.observe, self.metrics.restarts.inc),
        )
        [self.warming] = self.batcher.submit(self.served.warm, [None])
        yield
        await asyncio.to_thread(self.batcher.close)

    async def page(self) -> Response:
        return Response(PAGE, media_type="text/html", headers={"content-security-policy": POLICY})

    async def model(self) -> dict[str, Any]:
        limits = self.limits
        return {
            **self.served.describe(),
            "limits": {
                "sources": limits.max_sources,
                "body_bytes": limits.max_body,
                "seconds": limits.timeout,
            },
        }

    async def health(self) -> Response:
        """200 where the model answers; 503 where it is warmed or cannot; 500 if warming failed."""
        if not self.warming.done():
            return JSONResponse({"status": "warming"}, 503, {"retry-after": "1"})
        if error := self.warming.exception():
            message = f"{type(error).__name__}: {error}"
            return JSONResponse({"status": "failed", "error": message}, 500)
        if self.batcher.revive():
            message = "The thread of the model had ended, and was started again."
            return JSONResponse({"status": "restarted", "error": message}, 503)
        if (seconds := self.batcher.busy_for) > self.limits.timeout:
            message = f"The model has been at one batch for {seconds:.0f} seconds."
            return JSONResponse({"status": "stuck", "error": message}, 503)
        return JSONResponse({"status": "ready"})

    async def figures(self) -> Response:
        return Response(self.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def generate(self, request: Request) -> Response:
        """Answers to several sources, in their order; one that fails has an error in its place."""
        async with self.admitted(request, self._reading(self.served.of_many)) as admitted:
            answers = await self.generated(request, *admitted)
            if answers and all(isinstance(answer, Refused) for answer in answers):
                raise answers[0]
            return JSONResponse(
                {
                    "results": [
                        {"error": x.message} if isinstance(x, Refused) else x for x in answers
                    ]
                }
            )

    async def generated(self, request: Request, given: Any, sources: Sequence[Any]) -> list[Any]:
        """An answer to each source, or the Refused of what failed."""
        work = self.served.generation(given)
        shares = [work.share(source, self.limits.max_sources) for source in sources]
        if len(sources) > 1 and sum(shares) > FULL:
            most = max(1, int(len(sources) / sum(shares)))
            raise Refused(
                422,
                f"Expected at most {most} such sources in a request: "
                f"the work is texts x beams or returns x length. Received: {len(sources)}, "
                f"{work.width} for each. Send several requests, or a smaller max_length.",
            )
        futures = self._submit(work, sources, shares)
        answers = await self._answers(request, futures)
        return [failed(x) if isinstance(x, Exception) else x for x in answers]

    def _reading(self, kind):
        return lambda content_type, body: parse(kind, content_type, body)

    async def stream(self, request: Request) -> Response:
        """Server-sent events: {"text", "token"} for each token, then the result, "done": true.

        Of a recording that is read in windows {"text", "segment"} for each segment.
        """
        async with contextlib.AsyncExitStack() as stack:
            admitted = self.admitted(request, self._reading(self.served.of_one))
            given, [source] = await stack.enter_async_context(admitted)
            options = tuple(given.chosen().items())
            is_cut = functools.partial(self.served.is_cut, source, options=options)
            kind = Tokens if self.served.pipeline.transcriber is None else Segments
            tokens = kind(self.served, self.served.stream(given, source), is_cut)
            [tokens.future] = self._submit(tokens.run, [None])
            stack.callback(tokens.stop)
            events = tokens.events(self.limits.timeout)
            first = await anext(events)
            if isinstance(first, Refused):
                raise first
            return Events(first, events, stack.pop_all())

    @contextlib.asynccontextmanager
    async def admitted(
        self, request: Request, read: Callable[[str, bytes], Any]
    ) -> AsyncIterator[tuple[Any, list[Any]]]:
        """Lets a request in, and gives what it says and the sources as the model reads them."""
        limits = self.limits
        if self.open >= limits.max_queue and not self.arriving.give_way():
            await drain(request, limits.timeout)
            raise overloaded()
        self.open += 1
        try:
            async with self.arriving.one():
                body = await read_body(request, limits.max_body, limits.timeout)
            if not self.warming.done():
                raise Refused(503, "The model is being warmed. Try again.", retry_after=1)
            given = read(request.headers.get("content-type", ""), body)
            del body
            sources = given.sources()
            if len(sources) > limits.max_sources:
                raise Refused(
                    422,
                    f"Expected at most {limits.max_sources} sources in a request. "
                    f"Received: {len(sources)}. Send several requests.",
                )
            if self.served.reads != "text":
                sources = await self._decoded(sources)
            yield given, sources
        finally:
            self.open -= 1

    async def _decoded(self, files):
        """Images and recordings as they are needed. A thread has its place until it ends."""
        given_up = threading.Event()
        try:
            async with asyncio.timeout(self.limits.timeout):
                await self.decoding.acquire()
                loop = asyncio.get_running_loop()
                reading = loop.run_in_executor(None, self.served.read, files, given_up.is_set)
                reading.add_done_callback(lambda _: self.decoding.release())
                return await asyncio.shield(reading)
        except TimeoutError:
            raise too_slow(self.limits.timeout) from None
        finally:
            given_up.set()

    def _submit(self, work, sources, shares=None):
        try:
            return self.batcher.submit(work, sources, shares)
        except Overloaded:
            raise overloaded() from None

    async def _answers(self, request, futures):
        """The results of futures, or their exceptions; nobody waits for them any more after."""
        answers = asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
        left = asyncio.ensure_future(wait_for_leaving(request))
        try:
            await asyncio.wait(
                {answers, left}, timeout=self.limits.timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if answers.done():
                return answers.result()
            if left.done():
                raise ClientDisconnect
            raise too_slow(self.limits.timeout)
        finally:
            for future in futures:
                future.cancel()
            left.cancel()


async def _left(request, error):
    return Response(status_code=LEFT)


async def _refused(request, error):
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    if error.status in CLOSING:
        headers["connection"] = "close"
    return JSONResponse({"error": error.message}, error.status, headers)


async def _broken(request, error):
    """What nobody has foreseen is told as JSON too; uvicorn logs it."""
    message = f"The server failed: {type(error).__name__}."
    return JSONResponse({"error": message}, 500, HEADERS)


async def _no_such_endpoint(request, error):
    known = "; ".join(f"{path}: {what}" for path, what in ENDPOINTS.items())
    message = f"{request.method} {request.scope['path']:.200}: {error.detail}. Known: {known}."
    return JSONResponse({"error": message}, error.status_code, error.headers)
