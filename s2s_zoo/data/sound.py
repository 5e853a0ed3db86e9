"""Sound from files, bytes, addresses and arrays, as one channel of one rate."""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from s2s_zoo.data.images import download, is_address
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.types import StrPath

ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64")
VALUES = 1 << 14  # of all channels together, read at once; what is lost where a file is damaged
RATES = (1000, 1 << 20)  # samples a second
MOST_BYTES = 256 << 20  # of what is not a file
SILENT = 1e-4  # the loudest sample of a recording in which there is nothing: 80 dB below the most
LONGEST = 3600.0  # seconds that are held in memory at once
EXTRA = "pip install 's2s-zoo[speech]'"


class Sound(NamedTuple):
    """One channel of sound.

    Attributes:
        samples: (N,) float32, mostly from -1 to 1.
        name: str, what it is called in messages.
    """

    samples: np.ndarray
    name: str


def sound_files(folder: StrPath) -> list[Path]:
    """Returns the paths of the sound files in a folder, by the ending of their names, in order.

    Raises:
        DataError: if there is none.
    """
    found = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in ENDINGS)
    if not found:
        raise DataError(
            f"{folder} holds no sound: no name ends in {', '.join(ENDINGS)}. Name a folder with "
            "recordings, or the files."
        )
    return found


def is_sound_array(source: Any) -> bool:
    """Whether a source is an array with its rate: (array, rate), or a dict of data sets."""
    if isinstance(source, dict):
        return "array" in source
    pair = isinstance(source, tuple) and len(source) == 2
    return pair and hasattr(source[0], "shape") and not hasattr(source[1], "shape")


class Recording:
    """A sound that is read piece by piece, so that its length costs no memory.

    Args:
        source: str or path of a file; str, an address (http, https); bytes of a file, or a file
            that is open in binary mode; an array (N,) or (N, channels) with its rate, as
            (array, rate) or {"array": …, "sampling_rate": …}, floats or integers; or a `Sound`.
        rate: int, samples a second of what is read.

    Attributes:
        name: str, what it is called in messages.
        seconds: float, how long it says it is, or None where it does not say.

    Raises:
        DataError: for what is no sound, or cannot be read.
        TypeError: for anything else, and for an array without a rate.
    """

    def __init__(self, source: Any, rate: int = 16000) -> None:
        self.rate = rate
        self._file, self._array = None, None
        if isinstance(source, Sound):
            source, self.name = (source.samples, rate), source.name
        elif is_sound_array(source):
            self.name = "The array"
        if is_sound_array(source):
            self._array, self._from = _array_of(source)
            self._count = len(self._array)
        else:
            self.name, opened = _opened(source)
            self._file = _sound_file(opened, self.name)
            self._from, self._count = self._file.samplerate, self._file.frames
        if not RATES[0] <= self._from <= RATES[1]:
            raise DataError(
                f"{self.name} expected a rate from {RATES[0]:,} to {RATES[1]:,} samples a second. "
                f"Received: {self._from:,}. Check the file, or give the array with its true rate."
            )
        # A header may say anything; what cannot be true is no length.
        known = 0 <= self._count < 1 << 50
        self.seconds = self._count / self._from if known else None

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields the samples in order, (n,) float32, once.

        Raises:
            DataError: for samples that are NaN or infinite.
        """
        if self._from == self.rate:
            yield from self._pieces()
            return
        stream = _import("soxr").ResampleStream(self._from, self.rate, 1, dtype="float32")
        for piece in self._pieces():
            yield stream.resample_chunk(np.ascontiguousarray(piece, "float32"))
        yield stream.resample_chunk(np.zeros(0, "float32"), last=True)

    def read(self, seconds: float = LONGEST) -> Sound:
        """All of it, where it is not longer than that.

        Raises:
            DataError: for a longer one, and as `blocks`.
        """
        pieces, count = [np.zeros(0, "float32")], 0
        for piece in self.blocks():
            pieces.append(piece)
            count += len(piece)
            if count > seconds * self.rate:
                raise DataError(
                    f"{self.name} is longer than {seconds:g} seconds, which are held in memory at "
                    "once. Cut it into parts."
                )
        return Sound(np.concatenate(pieces), self.name)

    def _pieces(self):
        for values in self._raw():
            mono = values if values.ndim == 1 else values.mean(axis=1, dtype="float32")
            if not np.isfinite(mono).all():
                raise DataError(
                    f"{self.name} holds samples that are NaN or infinite. Write it again, or "
                    "replace them, such as by numpy.nan_to_num."
                )
            yield mono

    def _raw(self):
        if self._array is not None:
            step = max(1, VALUES // math.prod(self._array.shape[1:]))
            for start in range(0, len(self._array), step):
                yield _as_floats(self._array[start : start + step])
            return
        step, found = max(1, VALUES // self._file.channels), 0
        with self._file as file:
            while True:
                try:
                    values = file.read(step, dtype="float32", always_2d=True)
                except Exception as error:  # of libsndfile
                    self._warn(found, error)
                    return
                if not len(values):
                    break
                found += len(values)
                yield values
        if self.seconds is not None and found < self._count:
            self._warn(found, "the file is shorter than its head says")

    def _warn(self, found, why):
        if not found:
            raise DataError(f"{self.name} cannot be decoded: {why}. Make or copy it again.")
        warnings.warn(
            f"{self.name} ends early, after {found / self._from:.1f} seconds: {why}. What is "
            "there is used.",
            stacklevel=2,
        )


def _array_of(source):
    if isinstance(source, dict):
        found = source.get("sampling_rate", source.get("rate"))
        array, rate = np.asarray(source["array"]), found
    else:
        array, rate = np.asarray(source[0]), source[1]
    if isinstance(rate, bool) or not isinstance(rate, int | float | np.number) or rate != int(rate):
        raise TypeError(
            "Expected an array with its rate, a whole number of samples a second: (array, 16000). "
            f"Received: a rate of {rate!r:.40}."
        )
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiu":
        raise TypeError(
            "Expected an array of samples (N,) or (N, channels), floats from -1 to 1 or integers. "
            f"Received: {array.dtype} {array.shape}."
        )
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        raise DataError(
            "An array of samples is (N,) or (N, channels). Received: "
            f"{array.shape}, more channels than samples. Turn it round: array.T."
        )
    return array, int(rate)


def _as_floats(array):
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return array.astype("float32")
    bits = 8 * array.dtype.itemsize
    middle = 1 << (bits - 1) if array.dtype.kind == "u" else 0
    return ((array.astype("float64") - middle) / (1 << (bits - 1))).astype("float32")


def _opened(source):
    """What a source is called, and a path or an open file of it."""
    if isinstance(source, bytes | bytearray):
        return f"The {len(source)} bytes", io.BytesIO(bytes(source))
    if is_address(source):
        return source, io.BytesIO(download(source, MOST_BYTES, "a sound"))
    if hasattr(source, "read"):
        name = f"The file {getattr(source, 'name', source)!r:.80}"
        try:
            data = source.read(MOST_BYTES + 1)
        except (OSError, ValueError) as error:
            raise DataError(f"{name} cannot be read: {error}. Open it in binary mode.") from error
        if not isinstance(data, bytes):
            raise TypeError(f"{name} gives {type(data).__name__}, not bytes. Open it with 'rb'.")
        if len(data) > MOST_BYTES:
            raise DataError(
                f"{name} is too large: more than {MOST_BYTES:,} bytes. Give the name of the file."
            )
        return name, io.BytesIO(data)
    if hasattr(source, "shape"):
        raise TypeError(
            f"Expected a rate beside an array of samples: (array, 16000). Received: an array "
            f"{tuple(source.shape)} alone."
        )
    if not isinstance(source, str | os.PathLike):
        raise TypeError(
            "Expected a sound: a path, an address, bytes, an open file or (array, rate). "
            f"Received: {type(source).__name__} {source!r:.80}."
        )
    try:
        path = Path(source)
        if not path.is_file():
            kind = "a folder" if path.is_dir() else "no file"
            raise DataError(f"{source} is {kind}. Check the name of the recording.")
    except (OSError, ValueError) as error:  # a name that no file can have
        raise DataError(f"{source!r:.200} cannot be read: {error}. Check the name.") from error
    return str(source), str(path)


def _sound_file(opened, name):
    soundfile = _import("soundfile")
    try:
        return soundfile.SoundFile(opened)
    except Exception as error:  # of libsndfile, and of ctypes for names
        raise DataError(
            f"{name} is no sound that is read here ({', '.join(x[1:] for x in ENDINGS)}): "
            f"{error!s:.200}. Convert it, such as with: ffmpeg -i FILE -vn sound.flac"
        ) from error


def _import(name):
    import importlib

    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: without its own library
        raise ImportError(f"Sound is read by the package `{name}`: {EXTRA}") from error
