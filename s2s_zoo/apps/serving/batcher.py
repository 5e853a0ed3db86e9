"""One thread that owns the model, and runs what arrives together as one batch."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, NamedTuple

log = logging.getLogger("uvicorn.error")
FULL = 1 + 1e-6  # the shares of a batch: 1, and what sums are rounded by
PAUSE = 0.05  # seconds before a thread that failed outside of any work goes on


class Overloaded(Exception):
    """As much is waiting as may wait."""


class Job(NamedTuple):
    """A source that waits.

    Attributes:
        source: what the work is done on.
        future: of its answer.
        arrived: float, seconds of `time.monotonic`.
        share: float, of a batch that it takes.
    """

    source: Any
    future: Future
    arrived: float
    share: float


class Batcher:
    """A queue and the thread that empties it.

    Sources wait by the work that is to be done on them: those of equal work go together, what has
    waited longest first, each kind in its order.

    Nothing that a work raises ends the thread, a panic of native code or SystemExit neither. Should
    it end all the same, the next `submit` or `revive` starts another one.

    Args:
        max_batch: int, sources run at once.
        max_wait: float, seconds that a source waits for others of its kind to arrive.
        max_queue: int, sources that may wait.
        on_batch: function of the size of every batch, or None.
        on_restart: function without arguments, called when the thread was lost, or None.
    """

    def __init__(
        self,
        max_batch: int = 64,
        max_wait: float = 0.005,
        max_queue: int = 256,
        on_batch: Callable[[int], Any] | None = None,
        on_restart: Callable[[], Any] | None = None,
    ) -> None:
        self.max_batch = max_batch
        self.max_wait = max_wait
        self.max_queue = max_queue
        self.on_batch = on_batch
        self.on_restart = on_restart
        self.length = 0
        self._waiting: dict[Any, deque[Job]] = {}  # of each work
        self._changed = threading.Condition()
        self._closed = False
        self._running: list[Job] = []
        self._since: float | None = None  # when the batch that is run began
        self._start()

    def submit(
        self,
        work: Callable[[list[Any]], Sequence[Any]],
        sources: Sequence[Any],
        shares: Sequence[float] | None = None,
    ) -> list[Future]:
        """Puts sources into the queue, all or none.

        Args:
            work: hashable function of a list of at most `max_batch` sources to as many answers.
                Sources of equal works may be run together.
            sources: list.
            shares: list of float, how much of a batch each takes: together at most 1, or one
                source alone. Nothing where None.

        Returns:
            list of Future. One that is cancelled before its batch begins leaves the queue.

        Raises:
            Overloaded: if they would be too many.
            RuntimeError: after `close`.
        """
        self.revive()
        now = time.monotonic()
        shares = shares or [0.0] * len(sources)
        jobs = [
            Job(source, Future(), now, share) for source, share in zip(sources, shares, strict=True)
        ]
        with self._changed:
            if self._closed:
                raise RuntimeError("The batcher is closed.")
            if self.length + len(jobs) > self.max_queue:
                raise Overloaded
            if jobs:
                self._waiting.setdefault(work, deque()).extend(jobs)
            self.length += len(jobs)
            self._changed.notify()
        for job in jobs:
            job.future.add_done_callback(self._forget)
        return [job.future for job in jobs]

    def close(self, timeout: float | None = None) -> None:
        """Takes nothing more, finishes what waits, and ends the thread.

        Args:
            timeout: float, seconds to wait for that, or None.
        """
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout)

    def revive(self) -> bool:
        """Starts another thread if the one that was there has ended, and says whether it had."""
        with self._changed:
            if self._closed or self._thread.is_alive():
                return False
            self._lost(RuntimeError("The thread of the model ended."))
            self._start()
            return True

    @property
    def busy_for(self) -> float:
        """The seconds that the batch has been running that is run now."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def _start(self):
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def _lost(self, error):
        """What was running when the thread failed, not a work of it, has failed with it."""
        log.error("The thread of the model failed, and goes on.", exc_info=error)
        for job in self._running:
            if not job.future.done():
                job.future.set_exception(as_exception(error))
        self._running, self._since = [], None
        if self.on_restart is not None:
            self.on_restart()

    def _forget(self, future):
        if future.cancelled():
            with self._changed:
                self.length -= 1

    def _run(self):
        while True:
            try:
                self._work_off()
                return
            except BaseException as error:
                self._lost(error)
                time.sleep(PAUSE)

    def _work_off(self):
        while taken := self._take():
            work, jobs = taken
            if jobs and self.on_batch is not None:
                self.on_batch(len(jobs))
            self._since = time.monotonic()
            _answer(work, jobs)
            self._running, self._since = [], None

    def _take(self):
        """The next work and its jobs, None when all is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return None
            work, jobs = min(self._waiting.items(), key=lambda item: item[1][0].arrived)
            self._changed.wait_for(
                lambda: len(jobs) >= self.max_batch or self._closed,
                timeout=jobs[0].arrived + self.max_wait - time.monotonic(),
            )
            taken, room = [], FULL
            self._running = taken
            while jobs and len(taken) < self.max_batch:
                if taken and jobs[0].share > room:
                    break
                job = jobs.popleft()
                if job.future.set_running_or_notify_cancel():
                    taken.append(job)
                    room -= job.share
            if not jobs:
                del self._waiting[work]
            self.length -= len(taken)
            return work, taken


def _answer(work, jobs):
    """Runs jobs together; where that fails, in halves, so that only what cannot be done fails."""
    if not jobs:
        return
    try:
        answered = list(zip(jobs, work([job.source for job in jobs]), strict=True))
    except BaseException as error:
        if len(jobs) == 1:
            jobs[0].future.set_exception(as_exception(error))
            return
        middle = len(jobs) // 2
        _answer(work, jobs[:middle])
        _answer(work, jobs[middle:])
    else:
        for job, answer in answered:
            job.future.set_result(answer)


def as_exception(error: BaseException) -> Exception:
    """What a future can have and asyncio can hand on: for a panic and its like a RuntimeError."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration | CancelledError):
        return error
    told = RuntimeError(f"{type(error).__name__}: {error}")
    told.__cause__ = error
    return told
