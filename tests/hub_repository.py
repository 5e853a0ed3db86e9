"""What the Hub on loopback holds: repositories in memory, and the faults it is told to have."""

import hashlib
from dataclasses import dataclass, field

LARGE = 1024  # bytes from which a file is an LFS object


@dataclass
class Repository:
    private: bool = False
    refs: dict = field(default_factory=lambda: {"main": "0" * 40})
    commits: dict = field(default_factory=lambda: {"0" * 40: {}})
    messages: list = field(default_factory=list)

    def commit(self, files, branch="main", message="", parent=None):
        """Adds a commit of the parent's files and `files`; returns its 40-hex name."""
        content = {**self.commits[self.refs[parent or branch]], **files}
        digest = hashlib.sha1(f"{branch} {len(self.commits)}".encode())
        for name, data in sorted(content.items()):
            digest.update(name.encode() + data)
        self.commits[digest.hexdigest()] = content
        self.refs[branch] = digest.hexdigest()
        self.messages.append(message)
        return digest.hexdigest()


@dataclass
class Fault:
    """What goes wrong with requests whose "METHOD path" a pattern finds."""

    pattern: str
    times: int = 1 << 30
    status: int | None = None  # answer this
    headers: dict = field(default_factory=dict)
    body: bytes = b"no"
    change: object = None  # a function of the bytes that are sent to a GET
    cut_at: int | None = None  # send so many bytes, then close; 0 answers nothing at all
    stall_at: int | None = None  # send so many bytes, then nothing until `release`


def oid(data):
    """What names a blob: the sha256 of a large one, git's sha1 of a small one."""
    if len(data) >= LARGE:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
