"""The SQLite file of a translation memory: made for its user alone, and believed once checked."""

from __future__ import annotations

import os
import shlex
import sqlite3
import stat
from pathlib import Path

from s2s_zoo.protocol.errors import DataError

APPLICATION = 0x7332736D  # "s2sm", which tells a memory from other files of SQLite
VERSION = 1
LARGEST = 1 << 30  # bytes of a file
PATIENCE = 30  # seconds to wait for who writes
SMALLEST = 512  # bytes; SQLite takes a file of one byte for an empty database
SCHEMA = (
    "CREATE TABLE keys (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, "
    "source_language TEXT, target_language TEXT)",
    "CREATE TABLE translations (key INTEGER NOT NULL, source NOT NULL, answers NOT NULL, "
    "checksum INTEGER NOT NULL, PRIMARY KEY (key, source)) WITHOUT ROWID",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)
REFUSED = {  # what is no fault of the file, by the name of SQLite's error
    "SQLITE_READONLY": "it cannot be written",
    "SQLITE_PERM": "it cannot be written",
    "SQLITE_FULL": f"there is no more room, on the disk or in the {LARGEST >> 30} GiB of a memory",
    "SQLITE_BUSY": f"another program has been writing to it for {PATIENCE} seconds",
    "SQLITE_LOCKED": f"another program has been writing to it for {PATIENCE} seconds",
    "SQLITE_PROTOCOL": "its drive does not lock files",
    "SQLITE_IOERR": "its drive fails, or does not lock files",
    "SQLITE_CANTOPEN": "it cannot be opened",
}


def open_memory(path: Path, create: bool) -> sqlite3.Connection:
    """Opens a memory, or makes one where there is no file or an empty one.

    The journal is a file beside it, not a write-ahead log, which is none for network drives.

    Args:
        path: absolute.
        create: bool, whether it may be made.

    Raises:
        DataError: for what is no memory, one that is damaged, of a newer version, or that others
            than its user may read or write. A file that was there stays as it is.
    """
    made = create and _make(path)
    try:
        _check_place(path)
        if not path.stat().st_size:
            _check_alone(path)
        connection = sqlite3.connect(
            path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        try:
            _check_content(path, connection, create)
            _check_alone(path)
        except BaseException:
            connection.close()
            raise
    except BaseException:
        if made and not path.stat().st_size:
            path.unlink()
        raise
    return connection


def _make(path: Path) -> bool:
    """Makes an empty file that only its user can read; False where there is one."""
    _check_folder(path)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return False
    except OSError as error:
        raise DataError(
            f"The memory {path} cannot be made: {error.strerror}. Choose a path in a folder that "
            "is there and that you may write to."
        ) from error
    return True


def _check_folder(path: Path) -> None:
    """Raises DataError where everybody may put another file in place of one."""
    try:
        mode = path.parent.stat().st_mode
    except OSError:
        return  # which opening tells
    if hasattr(os, "getuid") and mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise DataError(
            f"Everybody may replace files of {path.parent}, and with a memory what is translated. "
            f"Choose a path in another folder, or: chmod o-w {shlex.quote(str(path.parent))}"
        )


def _check_place(path: Path) -> None:
    """Raises DataError unless there is a file that may be a database."""
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(
            f"The memory {path} cannot be opened: {error.strerror}. Give the path of one that "
            "translating with memory=… has written."
        ) from error
    if not stat.S_ISREG(status.st_mode) or 0 < status.st_size < SMALLEST:
        raise _no_memory(path)


def _check_alone(path: Path) -> None:
    """Raises DataError for a file that others may read, change or replace."""
    _check_folder(path)
    if not hasattr(os, "getuid"):
        return
    status = path.stat()
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise DataError(
            f"The memory {path} can be read or changed by others (its mode is "
            f"{stat.S_IMODE(status.st_mode):o}), and it holds what you translate. Make it yours: "
            f"chmod 600 {shlex.quote(str(path))}, or choose a path in your home directory where "
            "the drive keeps no modes."
        )
    if path.parent.stat().st_mode & stat.S_IWOTH and status.st_uid != os.geteuid():
        raise DataError(
            f"The memory {path} belongs to another user, in a folder that everybody may write to. "
            "Choose a path in a folder of your own."
        )


def _check_content(path: Path, connection: sqlite3.Connection, create: bool) -> None:
    """Makes the tables of a new memory; raises DataError for anything but a memory."""
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA application_id")  # which undoes what a killed process began
        if create and path.stat().st_size == 0:
            connection.execute("BEGIN IMMEDIATE")  # of several that make it one does
            if path.stat().st_size == 0:
                for statement in SCHEMA:
                    connection.execute(statement)
            connection.execute("COMMIT")
        [application] = connection.execute("PRAGMA application_id").fetchone()
        [version] = connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION:
            raise _no_memory(path)
        if version > VERSION:
            raise DataError(
                f"The memory {path} has version {version}; this s2s_zoo reads up to {VERSION}. "
                "Upgrade with `pip install --upgrade s2s-zoo`, or choose another path."
            )
        connection.execute("SELECT source, checksum FROM translations LIMIT 1").fetchone()
        connection.execute("SELECT source_language FROM keys LIMIT 1").fetchone()
        [size] = connection.execute("PRAGMA page_size").fetchone()
        connection.execute(f"PRAGMA max_page_count = {LARGEST // size}")
    except sqlite3.Error as error:
        if _kind(error) == "SQLITE_NOTADB":
            raise _no_memory(path) from error
        raise failure(path, error) from error


def failure(path: Path, error: sqlite3.Error | None = None) -> DataError:
    """The error of a memory that cannot be read: None says that its own checksums tell."""
    if error is not None and (reason := refusal(error)):
        return DataError(
            f"The memory {path} cannot be used: {reason} ({error}). Choose a path on a disk of "
            "this machine, or go on without memory."
        )
    said = "" if error is None else f" ({error})"
    return DataError(
        f"The memory {path} is damaged{said}. It was left as it is: move it away and a new one is "
        f"made; `sqlite3 {shlex.quote(str(path))} .recover` may save what it holds."
    )


def refusal(error: sqlite3.Error) -> str | None:
    """Why nothing can be written or read now, or None where the file itself is damaged."""
    return next((why for name, why in REFUSED.items() if _kind(error).startswith(name)), None)


def _kind(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", None) or ""


def _no_memory(path: Path) -> DataError:
    return DataError(
        f"{path} is no translation memory, and was left as it is. Give another path: of a memory, "
        "or of a file that is not there yet."
    )
