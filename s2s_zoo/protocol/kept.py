"""Where what was computed once is kept for the next process: folders of one user alone."""

import os
from pathlib import Path

from s2s_zoo.protocol.errors import CheckpointError

OTHERS_MAY_WRITE = 0o022


def private_folder(name: str, what: str) -> Path:
    """A folder of the user's cache, made where it is not there; of this user alone.

    Args:
        name: str, of the folder.
        what: str, what is kept there, as an error says it.

    Raises:
        CheckpointError: where it cannot be made, or others may write into it.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "s2s_zoo" / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = folder.stat()
    except OSError as error:
        raise CheckpointError(
            f"{folder} is where {what} are kept, and cannot be used: "
            f"{error.strerror or error}. Set XDG_CACHE_HOME to a directory that can be written."
        ) from error
    if os.name == "posix" and (about.st_uid != os.getuid() or about.st_mode & OTHERS_MAY_WRITE):
        raise CheckpointError(
            f"{folder} is where {what} are kept, and expected to be writable by its user "
            f"alone. Received: user {about.st_uid}, mode {about.st_mode & 0o777:o}. Set "
            "XDG_CACHE_HOME to a directory of your own, or take the right to write from others."
        )
    return folder
