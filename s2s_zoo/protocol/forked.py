"""A fork after a model was loaded: threads stay behind, and what waits for them hangs."""

import os

_used = _left_behind = False


def use() -> None:
    """Notes that a backend is at work in this process.

    Raises:
        RuntimeError: in a process that was forked from one in which it was.
    """
    global _used
    if _left_behind:
        raise RuntimeError(
            "This process was forked after a model had been loaded, and the threads that it needs "
            "stayed behind: a call would hang. Start processes with "
            "multiprocessing.get_context('spawn') or 'forkserver', or load and use the model in "
            "the forked process alone."
        )
    _used = True


def _in_child():
    global _left_behind
    _left_behind = _used


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_in_child)
