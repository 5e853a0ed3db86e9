"""Character-level translation with LSTMs, after keras.io's example of that name.

python docs/examples/character_lstm.py fra.txt    # English, tab, French: manythings.org/anki
python docs/examples/character_lstm.py --small    # numbers into words, a minute
"""

import sys

import keras
import numpy as np

import s2s_zoo
from s2s_zoo import END, PAD, START, UNK


def main(place="--small"):
    small = place == "--small"
    pairs = numbers() if small else read(place)
    sources, targets = zip(*pairs, strict=True)
    characters = sorted(set("".join(sources + targets)))
    ids = {character: i for i, character in enumerate(characters, UNK + 1)}
    x = padded([[ids[c] for c in text] + [END] for text in sources])
    y = padded([[START] + [ids[c] for c in text] + [END] for text in targets])

    model = build(len(ids) + UNK + 1, units=64 if small else 256)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(True, ignore_class=PAD))
    history = model.fit(
        [x, y[:, :-1]], y[:, 1:], batch_size=64, epochs=30, validation_split=0.1, verbose=2
    )

    # The decoder has a step, so nothing is built a second time to write with it.
    search = s2s_zoo.Generator(model, "beam", max_length=y.shape[1], num_beams=3)
    written = [
        "".join(characters[i - UNK - 1] for i in row if i > UNK)
        for row in search.generate(x[-8:]).tokens[:, 0]
    ]
    for source, text in zip(sources[-8:], written, strict=True):
        print(f"{source}\t{text}")
    return history.history["loss"], list(zip(written, targets[-8:], strict=True))


def build(size, units):
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    encoded = s2s_zoo.RecurrentEncoder(size, units, units, direction="forward")(source)
    logits = s2s_zoo.RecurrentDecoder(size, units, units, attention=None)(target, encoded)
    return keras.Model([source, target], logits)


def padded(rows):
    return keras.utils.pad_sequences(rows, padding="post", value=PAD)


def read(place, most=10_000):
    with open(place, encoding="utf-8") as lines:
        return [tuple(line.split("\t")[:2]) for line in lines][:most]


def numbers():
    digits = "zero one two three four five six seven eight nine".split()
    drawn = np.random.default_rng(0).permutation(1000)[:600]
    return [(str(n), " ".join(digits[int(d)] for d in str(n))) for n in drawn]


if __name__ == "__main__":
    main(*sys.argv[1:])
