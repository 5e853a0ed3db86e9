"""The queue before the model: what runs together, what does not, and whose answer is whose."""

import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait

import pytest

from s2s_zoo.apps.serving.batcher import Batcher, Overloaded


class Work:
    """Doubles numbers, and keeps the batches it was given. It can be held up."""

    def __init__(self, bad=()):
        self.batches, self.bad, self.go = [], bad, threading.Event()
        self.go.set()
        self.begun = threading.Event()

    def __call__(self, sources):
        self.batches.append(list(sources))
        self.begun.set()
        self.go.wait(10)
        if any(source in self.bad for source in sources):
            raise ValueError("bad number")
        return [2 * source for source in sources]

    def hold(self, batcher):
        """Occupies the thread until `go` is set."""
        self.go.clear()
        future = batcher.submit(self, [0])[0]
        assert self.begun.wait(10)
        return future


@pytest.fixture
def make():
    made = []

    def make(**options):
        made.append(Batcher(**options))
        return made[-1]

    yield make
    for batcher in made:
        batcher.close(timeout=10)
        assert not batcher._thread.is_alive()


def results(futures):
    return [future.result(10) for future in futures]


def test_answers_are_in_order(make):
    assert results(make(max_batch=3).submit(Work(), range(10))) == list(range(0, 20, 2))


def test_what_waits_runs_together_up_to_max_batch(make):
    batcher, work = make(max_batch=4, max_wait=0), Work()
    held = work.hold(batcher)
    futures = [future for n in range(1, 11) for future in batcher.submit(work, [n])]
    assert batcher.length == 10
    work.go.set()
    assert results([held, *futures]) == list(range(0, 22, 2))
    assert work.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    assert batcher.length == 0


def test_it_waits_for_others_and_no_longer_than_for_a_full_batch(make):
    batcher, work = make(max_batch=2, max_wait=30), Work()
    start = time.monotonic()
    first = batcher.submit(work, [1])
    second = batcher.submit(work, [2])
    assert results([*first, *second]) == [2, 4]
    assert time.monotonic() - start < 10
    assert work.batches == [[1, 2]]


def test_it_waits_no_longer_than_max_wait(make):
    batcher, work = make(max_batch=64, max_wait=0.05), Work()
    start = time.monotonic()
    assert results(batcher.submit(work, [3])) == [6]
    assert 0.05 <= time.monotonic() - start < 5


def test_different_works_are_not_mixed_and_the_oldest_comes_first(make):
    batcher, one, other, blocker = make(max_wait=0), Work(), Work(), Work()
    held = blocker.hold(batcher)
    futures = []
    for n in (1, 2, 3):
        futures += [*batcher.submit(one, [n]), *batcher.submit(other, [10 * n])]
    blocker.go.set()
    assert results([held, *futures]) == [0, 2, 20, 4, 40, 6, 60]
    assert one.batches == [[1, 2, 3]] and other.batches == [[10, 20, 30]]


def test_only_what_is_bad_fails(make):
    batcher, work = make(max_wait=0), Work(bad={5, 6, 11})
    held = work.hold(batcher)
    futures = batcher.submit(work, range(1, 17))
    work.go.set()
    wait([held, *futures], 10)
    for number, future in enumerate(futures, 1):
        if number in work.bad:
            with pytest.raises(ValueError, match="bad number"):
                future.result()
        else:
            assert future.result() == 2 * number


def test_a_work_that_answers_too_much_fails_and_the_thread_lives(make):
    batcher = make()
    for future in batcher.submit(lambda sources: [*sources, 0], [1, 2, 3]):
        with pytest.raises(ValueError):
            future.result(10)
    assert results(batcher.submit(Work(), [1])) == [2]


def test_overload_is_refused_as_a_whole_and_ends(make):
    batcher, work = make(max_queue=3, max_wait=0), Work()
    held = work.hold(batcher)
    first = batcher.submit(work, [1, 2])
    with pytest.raises(Overloaded):
        batcher.submit(work, [3, 4])
    assert batcher.length == 2
    last = batcher.submit(work, [3])
    work.go.set()
    assert results([held, *first, *last]) == [0, 2, 4, 6]
    assert results(batcher.submit(work, [7, 8, 9])) == [14, 16, 18]
    assert [number for batch in work.batches for number in batch] == [0, 1, 2, 3, 7, 8, 9]


def test_who_gives_up_leaves_the_queue(make):
    batcher, work = make(max_queue=2, max_wait=0), Work()
    held = work.hold(batcher)
    gone, stays = batcher.submit(work, [1, 2])
    assert gone.cancel() and batcher.length == 1
    [later] = batcher.submit(work, [3])
    assert not held.cancel()  # it has begun
    work.go.set()
    assert results([held, stays, later]) == [0, 4, 6]
    assert work.batches == [[0], [2, 3]]


def test_sizes_are_told(make):
    sizes = []
    batcher, work = make(max_batch=4, max_wait=0, on_batch=sizes.append), Work()
    held = work.hold(batcher)
    futures = batcher.submit(work, range(6))
    work.go.set()
    results([held, *futures])
    assert sizes == [1, 4, 2]


def test_close_finishes_what_waits(make):
    batcher, work = make(max_batch=2, max_wait=30), Work()
    futures = batcher.submit(work, [1, 2, 3])
    batcher.close(timeout=10)
    assert results(futures) == [2, 4, 6]
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit(work, [4])


def test_many_threads_get_their_own_answers(make):
    batcher, work = make(max_batch=16, max_wait=0.001, max_queue=10_000), Work()

    def ask(first):
        return results([f for n in range(first, first + 50) for f in batcher.submit(work, [n])])

    with ThreadPoolExecutor(8) as pool:
        for first, answers in enumerate(pool.map(ask, range(0, 400, 50))):
            assert answers == [2 * n for n in range(50 * first, 50 * first + 50)]
    assert len(work.batches) < 400 and batcher.length == 0


class Panic(BaseException):
    """What an extension written in Rust raises."""


@pytest.mark.parametrize(
    "error",
    [Panic, SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, CancelledError],
)
def test_nothing_that_a_work_raises_ends_the_thread(make, error):
    batcher = make(max_wait=0)

    def panic(sources):
        raise error("out of luck")

    for future in batcher.submit(panic, [1, 2]):
        with pytest.raises(Exception, match="out of luck"):
            future.result(10)
    thread = batcher._thread
    assert results(batcher.submit(Work(), [1])) == [2]
    assert batcher._thread is thread and batcher.busy_for == 0


def test_what_panics_fails_alone(make):
    batcher, work = make(max_wait=0), Work()

    def panic(sources):
        if 3 in sources:
            raise Panic("out of luck")
        return work(sources)

    held = work.hold(batcher)
    futures = batcher.submit(panic, [1, 2, 3, 4])
    work.go.set()
    assert results([held, *futures[:2], futures[3]]) == [0, 2, 4, 8]
    assert "Panic: out of luck" in str(futures[2].exception(10))


def test_a_thread_that_fails_outside_of_a_work_goes_on(make):
    restarts, sizes = [], iter([Panic("no more"), None])

    def on_batch(size):
        if error := next(sizes, None):
            raise error

    batcher = make(max_wait=0, on_batch=on_batch, on_restart=lambda: restarts.append(1))
    with pytest.raises(RuntimeError, match="no more"):
        batcher.submit(Work(), [1])[0].result(10)
    assert results(batcher.submit(Work(), [1])) == [2] and restarts == [1]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("ask", [lambda batcher: batcher.submit(Work(), [9]), Batcher.revive])
def test_a_thread_that_ended_is_replaced(make, ask):
    ends = iter([SystemExit, None, None])
    batches = iter([None, Panic])

    def raises(errors):
        if error := next(errors, None):
            raise error

    batcher = make(
        max_wait=0,
        on_batch=lambda size: raises(batches),
        on_restart=lambda: raises(ends),
    )
    work = Work()
    held = work.hold(batcher)
    thread = batcher._thread
    lost = batcher.submit(work, [1])
    [waits] = batcher.submit(Work(), [2])
    work.go.set()
    assert held.result(10) == 0
    with pytest.raises(RuntimeError, match="Panic"):
        results(lost)
    thread.join(10)
    assert not thread.is_alive() and not waits.done()
    assert ask(batcher)
    assert waits.result(10) == 4 and batcher._thread is not thread
    assert not batcher.revive()


def test_how_long_a_batch_has_been_run_is_told(make):
    batcher, work = make(max_wait=0), Work()
    assert batcher.busy_for == 0
    held = work.hold(batcher)
    time.sleep(0.05)
    assert 0.05 <= batcher.busy_for < 5
    work.go.set()
    assert held.result(10) == 0
    while batcher.busy_for:
        time.sleep(0.001)
