"""The features that Kaldi makes of sound, in NumPy: the logarithm of the power in mel bands."""

import numpy as np

LOWEST = 20.0  # Hz, where the first band begins
FRAME, HOP = 0.025, 0.010  # seconds
PREEMPHASIS = 0.97
SCALE = 1 << 15  # samples are whole numbers of 16 bits there
FAINTEST = float(np.finfo("float32").eps)  # a power
BLOCK = 4096  # frames that are computed at once


def filter_banks(samples: np.ndarray, mels: int = 80, rate: int = 16000) -> np.ndarray:
    """The filter-bank features of Kaldi (Povey et al. 2011), without dither.

    Of each frame the mean is taken away, then 0.97 of the sample before each, and it is weighted
    by a Hann window to the power 0.85.

    Args:
        samples: (N,) floats, from -1 to 1.
        mels: int, M.
        rate: int, samples a second.

    Returns:
        (1 + (N - L) // H, M) float32, where a frame has L samples and H lie between two; of fewer
        samples than a frame, those of one that ends in silence.
    """
    length, hop = round(FRAME * rate), round(HOP * rate)
    samples = np.asarray(samples, "float64") * SCALE
    samples = np.pad(samples, (0, max(0, length - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]
    size = 1 << (length - 1).bit_length()
    window, filters = np.hanning(length) ** 0.85, _filters(mels, rate, size)
    found = []
    for i in range(0, len(frames), BLOCK):
        block = frames[i : i + BLOCK]
        block = block - block.mean(axis=1, keepdims=True)
        before = np.concatenate([block[:, :1], block[:, :-1]], axis=1)
        spectrum = np.fft.rfft((block - PREEMPHASIS * before) * window, size)
        found.append(np.abs(spectrum) ** 2 @ filters)
    return np.log(np.maximum(np.concatenate(found), FAINTEST)).astype("float32")


def normalized(features: np.ndarray, means: bool = True, deviations: bool = True) -> np.ndarray:
    """Features (T, M) of which each band has, over the time, the mean 0 and the deviation 1."""
    if means:
        features = features - features.mean(axis=0)
    if deviations:
        spread = features.std(axis=0)
        features = features / np.where(spread > 0, spread, 1)
    return features.astype("float32")


def _filters(mels, rate, size):
    """Triangles (size // 2 + 1, M) that rise and fall on the mel scale of Kaldi."""

    def mel(frequency):
        return 1127 * np.log(1 + frequency / 700)

    corners = np.linspace(mel(LOWEST), mel(rate // 2), mels + 2)
    places = mel(rate / size * np.arange(size // 2 + 1))[:, None]
    rising = (places - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - places) / (corners[2:] - corners[1:-1])
    return np.maximum(np.minimum(rising, falling), 0)
