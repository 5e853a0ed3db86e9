"""Folders that somebody made up, loaded in a process that may take little time and memory.

A bomb then fails its test and not the machine.
"""

import json
import subprocess
import sys

MEMORY = 1 << 30  # bytes beyond what the process takes before
SECONDS = 60  # for each folder
SCRIPT = """
import json, resource, signal, sys, threading

from s2s_zoo import from_pretrained
from s2s_zoo.protocol.errors import S2SZooError

good, memory, seconds, *folders = sys.argv[1:]
from_pretrained(good)(["ein hund"])
with open("/proc/self/statm") as file:
    taken = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + int(memory),) * 2)


def stop(*_):
    raise TimeoutError


signal.signal(signal.SIGALRM, stop)
for folder in folders:
    signal.alarm(int(seconds))
    try:
        said = repr(from_pretrained(folder)(["ein hund"]))
    except BaseException as error:
        said = f"{'ours' if isinstance(error, S2SZooError) else type(error).__name__}: {error}"
    signal.alarm(0)
    print(json.dumps([folder, said]), flush=True)
"""


def load_each(good, folders):
    """Returns {folder: what loading and calling it said}, "ours: …" for an error of ours.

    Args:
        good: a folder that loads, so that all is imported before memory is counted.
        folders: list of paths.
    """
    names = list(map(str, folders))
    command = [sys.executable, "-c", SCRIPT, str(good), str(MEMORY), str(SECONDS), *names]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120 + 20 * len(names))
    found = dict(json.loads(line) for line in ran.stdout.splitlines() if line.startswith("["))
    return {name: found.get(name, f"died: {ran.returncode} {ran.stderr[-300:]}") for name in names}
