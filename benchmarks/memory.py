"""The memory of this process, as Linux tells it."""

import time
from pathlib import Path

STATUS = Path("/proc/self/status")


def resident(peak=False):
    """The bytes this process holds, or the most it held since `forget_peak`."""
    name = "VmHWM:" if peak else "VmRSS:"
    lines = STATUS.read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def forget_peak():
    Path("/proc/self/clear_refs").write_text("5")


def loading(load):
    """What a function returns, and the seconds and, where Linux tells them, the bytes it took.

    Returns:
        What it returns, and a dict of "seconds", "held" (bytes by which the process is larger
        after it than before) and "peak" (bytes by which it was larger meanwhile, at most).
    """
    before, told = 0, STATUS.exists()
    if told:
        forget_peak()
        before = resident()
    start = time.perf_counter()
    found = load()
    facts = {"seconds": time.perf_counter() - start}
    if told:
        facts |= {"held": resident() - before, "peak": resident(peak=True) - before}
    return found, facts
