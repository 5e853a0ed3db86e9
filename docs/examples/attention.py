"""Translation with attention and what it looked at, after TensorFlow's text tutorial.

python docs/examples/attention.py spa.txt    # lines: English, tab, Spanish; reads the Spanish
python docs/examples/attention.py --small    # dates into another form, a minute
"""

import datetime
import re
import sys

import keras
import numpy as np

import s2s_zoo
from s2s_zoo import END, PAD, START, UNK


def main(place="--small"):
    small = place == "--small"
    pairs = dates() if small else read(place)
    words = sorted({word for pair in pairs for text in pair for word in text.split()})
    ids = {word: i for i, word in enumerate(words, UNK + 1)}
    x = padded([[ids[word] for word in text.split()] + [END] for text, _ in pairs])
    y = padded([[START] + [ids[word] for word in text.split()] + [END] for _, text in pairs])

    size, units = len(words) + UNK + 1, 48 if small else 256
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    encoded = s2s_zoo.RecurrentEncoder(size, units, units, cell="gru")(source)
    decoder = s2s_zoo.RecurrentDecoder(
        size, units, units, cell="gru", attention=s2s_zoo.BahdanauAttention(units), dropout=0.1
    )
    model = keras.Model([source, target], decoder(target, encoded))
    loss = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=PAD)
    model.compile(keras.optimizers.Adam(3e-3), loss)
    history = model.fit([x[:-4], y[:-4, :-1]], y[:-4, 1:], batch_size=64, epochs=20, verbose=2)

    # The tutorial draws with a temperature; greedy search says what it looked at.
    length = y.shape[1]
    drawn = s2s_zoo.Generator(model, "sample", length, temperature=0.5).generate(x[-4:])
    best = s2s_zoo.Generator(model, "greedy", length, return_alignments=True).generate(x[-4:])
    found = []
    for row, (text, expected) in enumerate(pairs[-4:]):
        one, other = (
            " ".join(words[i - UNK - 1] for i in result.tokens[row, 0] if i > UNK)
            for result in (drawn, best)
        )
        print(f"{text}: drawn {one}, best {other}")
        print(np.round(best.alignments[row, 0, : len(other.split()), : len(text.split())], 1))
        found.append((other, expected))
    return history.history["loss"], found


def padded(rows):
    return keras.utils.pad_sequences(rows, padding="post", value=PAD)


def read(place):
    with open(place, encoding="utf-8") as lines:
        rows = [re.sub(r"([?.!,¿¡])", r" \1 ", line.lower()).split("\t") for line in lines]
    return [(row[1], row[0]) for row in rows]


def dates():
    days = np.random.default_rng(0).integers(0, 6000, 1500)
    drawn = [datetime.date(1990, 1, 1) + datetime.timedelta(int(day)) for day in days]
    return [(f"{d:%d %b %Y}".lower(), f"{d:%Y - %m - %d}") for d in drawn]


if __name__ == "__main__":
    main(*sys.argv[1:])
