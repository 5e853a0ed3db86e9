"""A translation memory: what was translated once is not translated again, in another run either."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from s2s_zoo.pipeline.memory_file import failure, open_memory, refusal
from s2s_zoo.pipeline.tmx import Unit, write_tmx
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.types import StrPath

PAGE = 1000  # rows that are read at once, so that nobody who writes waits for an export
KEPT = "SELECT source, answers, checksum FROM translations WHERE key = ?"


class Remembered(NamedTuple):
    """What a memory keeps of an answer.

    Attributes:
        text: str.
        score: float, or None where it was not computed.
        warning: str, what was said of it, or None.
        score_per_token: float, or None where it was not computed.
    """

    text: str
    score: float | None = None
    warning: str | None = None
    score_per_token: float | None = None


class Memory:
    """Translations of sentences in a file, by what translated them.

    Threads may share one, and processes a file. The file is its user's alone (mode 600) and has
    at most 1 GiB; what cannot be kept, where it is full or read-only, is told by one warning and
    translated all the same. Nothing in it is ever removed.

    Args:
        path: str or path of the file, made where there is none.
        key: str, all that an answer depends on but its source: the `fingerprint` of a pipeline,
            the options of the search, the version of what is done with texts before and after.
            A file holds translations of many keys. None opens one that is there, to export it.
        languages: the codes of source and target, which an export then knows, None being unknown;
            empty is both unknown.

    Raises:
        DataError: for a file that is no memory, is damaged, of a newer version of the package, or
            that others may read or write; it is left as it is.
    """

    def __init__(
        self, path: StrPath, key: str | None = None, languages: Iterable[str | None] = ()
    ) -> None:
        self.path = Path(os.path.abspath(path))
        self.key = key
        self.languages = tuple(languages) or (None, None)
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._keeps = True
        self._connection: sqlite3.Connection | None = open_memory(self.path, key is not None)

    def lookup(self, sentences: Sequence[str]) -> dict[str, tuple[Remembered, ...]]:
        """The answers to those of some sentences that were stored under the key, the best first.

        Raises:
            DataError: for a damaged file.
        """
        if isinstance(sentences, str):
            raise TypeError(f"lookup expected a list of sentences. Received: {sentences!r:.80}.")
        found = {}
        with self._reading() as connection:
            number = self._number(connection)
            for sentence in dict.fromkeys(sentences):
                source = _stored(sentence)
                row = connection.execute(f"{KEPT} AND source = ?", (number, source)).fetchone()
                if row is None:
                    continue
                if row[0] != source:  # which an index out of order gives
                    raise failure(self.path)
                found[sentence] = self._answers(self._key, row)
        return found

    def store(self, answers: Mapping[str, Sequence[Any]]) -> None:
        """Keeps the answers to sentences, in place of those there were.

        Args:
            answers: for each sentence its hypotheses, the best first: `Remembered`, or whatever
                has `text` and may have its other attributes, such as a `Result`.

        Raises:
            DataError: for a damaged file.
        """
        key = self._key
        rows = [(_stored(source), _stored(_packed(kept))) for source, kept in answers.items()]
        if not rows or not self._keeps:
            return
        try:
            with self._at_work() as connection, _transaction(connection, "BEGIN IMMEDIATE"):
                connection.execute(
                    "INSERT OR IGNORE INTO keys (key, source_language, target_language) "
                    "VALUES (?, ?, ?)",
                    (_stored(key), *self.languages),
                )
                number = self._number(connection)
                connection.executemany(
                    "INSERT OR REPLACE INTO translations VALUES (?, ?, ?, ?)",
                    [(number, *row, _checksum(key, *row)) for row in rows],
                )
        except sqlite3.Error as error:
            if (reason := refusal(error)) is None:
                raise failure(self.path, error) from error
            self._keeps = False
            warnings.warn(
                f"The memory {self.path} keeps nothing more in this run: {reason}. What it holds "
                "is used; choose another path, or make room, to keep more.",
                stacklevel=2,
            )

    def pairs(self) -> dict[tuple[str | None, str | None], int]:
        """How many translations there are from which language to which, None being unknown."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT source_language, target_language, count(*) FROM translations "
                "JOIN keys ON keys.id = translations.key GROUP BY 1, 2 ORDER BY 1, 2"
            ).fetchall()
        return {(source, target): count for source, target, count in rows}

    def export_tmx(self, path: StrPath, source_language: str, target_language: str) -> int:
        """Writes the best answers of the key in TMX 1.4, the format that translators exchange.

        Without a key those of all that translate between the two languages, or of which the
        memory does not know between which; of a sentence the last key's.

        Args:
            path: str or path of the file, replaced once all is written.
            source_language, target_language: str, codes such as "de", "pt-BR" or "deu_Latn".

        Returns:
            int, the number of translations.

        Raises:
            DataError: for a damaged memory, a path that is the memory itself, or that cannot be
                written.
        """
        path = Path(os.path.abspath(path))
        if path.exists() and path.samefile(self.path):
            raise DataError(f"{path} is the memory itself. Give the TMX another path.")
        units = self._units(source_language, target_language)
        return write_tmx(path, units, source_language, target_language)

    def close(self) -> None:
        """Closes the file; a second time does nothing."""
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _key(self) -> str:
        if self.key is None:
            raise ValueError(
                "This memory was opened to export it. Open it with Memory(path, key) for more."
            )
        return self.key

    def _number(self, connection):
        """The number of the key in the file, None where nothing was stored under it."""
        row = connection.execute(
            "SELECT id FROM keys WHERE key = ?", (_stored(self._key),)
        ).fetchone()
        return row and row[0]

    def _answers(self, key, row):
        """What a row holds, which is believed if its checksum is right."""
        source, answers, checksum = row
        if not isinstance(answers, str | bytes) or checksum != _checksum(key, source, answers):
            raise failure(self.path)
        return tuple(Remembered(*answer) for answer in json.loads(_restored(answers)))

    def _units(self, source_language: str, target_language: str) -> Iterator[Unit]:
        """Yields what is to be exported, some rows at a time."""
        with self._reading() as connection:
            chosen = connection.execute(
                "SELECT id, key FROM keys WHERE coalesce(source_language, ?1) = ?1 "
                "AND coalesce(target_language, ?2) = ?2 AND coalesce(?3, key) = key ORDER BY id",
                (source_language, target_language, None if self.key is None else _stored(self.key)),
            ).fetchall()
        for place, (number, key) in enumerate(chosen):
            later = ",".join(str(other) for other, _ in chosen[place + 1 :])
            query = (
                f"{KEPT} AND source > ? AND NOT EXISTS (SELECT 1 FROM translations AS later "
                f"WHERE later.key IN ({later}) AND later.source = translations.source) "
                f"ORDER BY source LIMIT {PAGE}"
            )
            last: Any = -1  # before any text
            while True:
                with self._reading() as connection:
                    rows = connection.execute(query, (number, last)).fetchall()
                for row in rows:
                    if answers := self._answers(_restored(key), row):
                        best = answers[0]
                        yield Unit(_restored(row[0]), best.text, best.score, best.warning)
                if len(rows) < PAGE:
                    break
                last = rows[-1][0]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Within it the file is as it was at the start."""
        try:
            with self._at_work() as connection, _transaction(connection, "BEGIN"):
                yield connection
        except sqlite3.Error as error:
            raise failure(self.path, error) from error

    @contextmanager
    def _at_work(self) -> Iterator[sqlite3.Connection]:
        """One thread at a time, in the process that opened the file."""
        if self._process != os.getpid():
            raise RuntimeError(
                f"This process was forked after the memory {self.path} had been opened. Open it "
                "in each process by itself."
            )
        with self._lock:
            if self._connection is None:
                raise ValueError(f"The memory {self.path} was closed. Open it again.")
            yield self._connection


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _packed(hypotheses: Sequence[Any]) -> str:
    """Plain JSON of answers: a list of lists, in the order of `Remembered`."""
    kept = [
        [
            answer.text,
            _number(getattr(answer, "score", None)),
            getattr(answer, "warning", None),
            _number(getattr(answer, "score_per_token", None)),
        ]
        for answer in hypotheses
    ]
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def _number(score: Any) -> float | None:
    return None if score is None else float(score)


def _stored(text: str) -> str | bytes:
    """A text as SQLite takes it: half surrogate pairs and NUL it has in bytes alone."""
    encoded = text.encode("utf-8", "surrogatepass")
    return encoded if "\0" in text or encoded.decode(errors="replace") != text else text


def _restored(stored: str | bytes) -> str:
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogatepass")


def _checksum(key: str, source: str | bytes, answers: str | bytes) -> int:
    """What tells a row that is as it was written."""
    parts = [[type(part).__name__, _restored(part)] for part in (source, answers)]
    return zlib.crc32(json.dumps([key, *parts]).encode())
