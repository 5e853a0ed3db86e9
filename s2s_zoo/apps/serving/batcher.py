"""One thread that owns the model, and runs what arrives together as one batch."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple


class Overloaded(Exception):
    """As much is waiting as may wait."""


class Job(NamedTuple):
    """A source that waits.

    Attributes:
        source: what the work is done on.
        future: of its answer.
        arrived: float, seconds of `time.monotonic`.
    """

    source: Any
    future: Future
    arrived: float


class Batcher:
    """A queue and the thread that empties it.

    Sources wait by the work that is to be done on them: those of equal work go together, what has
    waited longest first, each kind in its order.

    Args:
        max_batch: int, sources run at once.
        max_wait: float, seconds that a source waits for others of its kind to arrive.
        max_queue: int, sources that may wait.
        on_batch: function of the size of every batch, or None.
    """

    def __init__(
        self,
        max_batch: int = 64,
        max_wait: float = 0.005,
        max_queue: int = 256,
        on_batch: Callable[[int], Any] | None = None,
    ) -> None:
        self.max_batch = max_batch
        self.max_wait = max_wait
        self.max_queue = max_queue
        self.on_batch = on_batch
        self.length = 0
        self._waiting: dict[Any, deque[Job]] = {}  # of each work
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def submit(
        self, work: Callable[[list[Any]], Sequence[Any]], sources: Sequence[Any]
    ) -> list[Future]:
        """Puts sources into the queue, all or none.

        Args:
            work: hashable function of a list of at most `max_batch` sources to as many answers.
                Sources of equal works may be run together.
            sources: list.

        Returns:
            list of Future. One that is cancelled before its batch begins leaves the queue.

        Raises:
            Overloaded: if they would be too many.
            RuntimeError: after `close`.
        """
        now = time.monotonic()
        jobs = [Job(source, Future(), now) for source in sources]
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

    def _forget(self, future):
        if future.cancelled():
            with self._changed:
                self.length -= 1

    def _run(self):
        while taken := self._take():
            work, jobs = taken
            if jobs and self.on_batch is not None:
                self.on_batch(len(jobs))
            _answer(work, jobs)

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
            taken = []
            while jobs and len(taken) < self.max_batch:
                job = jobs.popleft()
                if job.future.set_running_or_notify_cancel():
                    taken.append(job)
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
    except Exception as error:
        if len(jobs) == 1:
            jobs[0].future.set_exception(error)
            return
        middle = len(jobs) // 2
        _answer(work, jobs[:middle])
        _answer(work, jobs[middle:])
    else:
        for job, answer in answered:
            job.future.set_result(answer)
