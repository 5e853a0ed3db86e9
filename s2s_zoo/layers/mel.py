"""Sound as a person hears it, in NumPy: how loud each band of the mel scale is, over time."""

from collections.abc import Iterable, Iterator

import numpy as np

LINEAR = 1000.0  # Hz, up to where the scale is linear
PER_MEL = 200 / 3  # Hz there
GROWTH = np.log(6.4) / 27  # of the logarithm of a frequency, for one mel above
FAINTEST = 1e-10  # a power
RANGE = 8.0  # how many powers of ten below the loudest a sound may be
BLOCK = 4096  # frames that are computed at once


def mel_filters(mels: int, rate: int, length: int) -> np.ndarray:
    """The triangles that make bands of a spectrum (Slaney 1998, Auditory Toolbox).

    A mel is 200 / 3 Hz up to 1000 Hz, and from there a 27th of the way to 6400 Hz in the logarithm.
    The corners of the triangles are `mels` + 2 points from 0 to half the rate, equally far apart in
    mels; each rises from one to the next, falls to the one after it, and has the area 1.

    Args:
        mels: int, M, the number of bands.
        rate: int, samples a second.
        length: int, samples of a frame.

    Returns:
        (length // 2 + 1, M) float64.
    """
    highest = LINEAR / PER_MEL + np.log(rate / 2 / LINEAR) / GROWTH
    points = np.linspace(0, rate / 2 / PER_MEL if rate / 2 < LINEAR else highest, mels + 2)
    bent = LINEAR * np.exp(GROWTH * np.maximum(points - LINEAR / PER_MEL, 0))
    corners = np.where(points < LINEAR / PER_MEL, points * PER_MEL, bent)
    frequencies = np.linspace(0, rate / 2, length // 2 + 1)[:, None]
    rising = (frequencies - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - frequencies) / (corners[2:] - corners[1:-1])
    triangles = np.maximum(np.minimum(rising, falling), 0)
    return triangles * 2 / (corners[2:] - corners[:-2])


def log_mel(
    samples: np.ndarray, mels: int = 80, rate: int = 16000, length: int = 400, hop: int = 160
) -> np.ndarray:
    """The log-mel features of Whisper (Radford et al. 2022, 2212.04356, section 2.2).

    Args:
        samples: (N,) floats, from -1 to 1.
        mels: int, M.
        rate: int, samples a second.
        length: int, samples of a frame.
        hop: int, samples from one frame to the next.

    Returns:
        (N // hop, M) float32: log10 of the power, at least the loudest less 8, then plus 4, over 4.
    """
    found = log_power(samples, mels, rate, length, hop)
    return scaled(found, found.max(initial=-np.inf))


def log_power(
    samples: np.ndarray, mels: int = 80, rate: int = 16000, length: int = 400, hop: int = 160
) -> np.ndarray:
    """log10 of the power in each band, (N // hop, M) float64; arguments as of `log_mel`."""
    count = len(samples) // hop
    if not count:
        return np.zeros((0, mels))
    padded = np.pad(np.asarray(samples, "float64"), length // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)[::hop][:count]
    return _log_bands(frames, _window(length), mel_filters(mels, rate, length))


def scaled(powers: np.ndarray, loudest: float) -> np.ndarray:
    """What `log_power` gives as float32 features, for the loudest of its recording."""
    return ((np.maximum(powers, loudest - RANGE) + 4) / 4).astype("float32")


def log_powers(
    blocks: Iterable[np.ndarray],
    mels: int = 80,
    rate: int = 16000,
    length: int = 400,
    hop: int = 160,
) -> Iterator[np.ndarray]:
    """What `log_power` gives for samples that come block by block, (n, M) float64 at a time.

    Args:
        blocks: iterable of (n,) floats.
        mels, rate, length, hop: as of `log_mel`.
    """
    half, filters = length // 2, mel_filters(mels, rate, length)
    window = _window(length)
    kept, begun = np.zeros(0), False  # from the first sample of the next frame on, mirrored or not
    total = done = 0

    def frames(samples, count):
        if not count:
            return np.zeros((0, mels))
        found = np.lib.stride_tricks.sliding_window_view(samples, length)[::hop][:count]
        return _log_bands(found, window, filters)

    for block in blocks:
        total += len(block)
        kept = np.concatenate([kept, np.asarray(block, "float64")])
        if not begun and len(kept) > half:
            kept, begun = np.concatenate([kept[half:0:-1], kept]), True
        # The last samples are kept, to be mirrored at the end.
        count = max(0, (len(kept) - length) // hop + 1 - 2 * (length // hop)) if begun else 0
        if count >= BLOCK:
            yield frames(kept, count)
            kept, done = kept[count * hop :], done + count
    count = total // hop - done
    if count:
        kept = np.pad(kept, (0 if begun else half, half), mode="reflect")
        yield frames(kept, count)


def _window(length):
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def _log_bands(frames, window, filters):
    """log10 of the power in each band of frames (n, length)."""
    found = [
        np.abs(np.fft.rfft(frames[i : i + BLOCK] * window)) ** 2 @ filters
        for i in range(0, len(frames), BLOCK)
    ]
    return np.log10(np.maximum(np.concatenate(found), FAINTEST))
