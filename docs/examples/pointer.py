"""A summarizer that copies words it has never seen: the pointer-generator of See et al. (2017).

python docs/examples/pointer.py titles.tsv    # lines: text, tab, summary
python docs/examples/pointer.py --small       # who called whom, a minute
"""

import collections
import sys

import keras
import numpy as np

import s2s_zoo
from s2s_zoo import END, PAD, START, UNK

EXTRA = 20  # words of one text that the vocabulary does not have


def main(place="--small"):
    small = place == "--small"
    pairs = calls() if small else read(place)
    counts = collections.Counter(word for pair in pairs for text in pair for word in text.split())
    words = [word for word, count in counts.most_common(10_000) if count > 20]
    ids = {word: i for i, word in enumerate(words, UNK + 1)}
    size = len(words) + UNK + 1
    unknown = [[w for w in dict.fromkeys(s.split()) if w not in ids][:EXTRA] for s, _ in pairs]

    def rows(texts):
        """A word outside the vocabulary is `size` and its place among those of its source."""
        for text, others in zip(texts, unknown, strict=True):
            extended = {**ids, **{word: i for i, word in enumerate(others, size)}}
            yield [extended.get(word, UNK) for word in text.split()] + [END]

    x = padded(rows(source for source, _ in pairs))
    y = padded([[START, *row] for row in rows(target for _, target in pairs)])

    width = 48 if small else 256
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    encoded = s2s_zoo.RecurrentEncoder(size, width, width)(source)
    attention = s2s_zoo.BahdanauAttention(width, coverage=True)
    copying = {"pointer": True, "extra_ids": EXTRA, "coverage_loss": 0.1}
    decoder = s2s_zoo.RecurrentDecoder(size, width, width, attention=attention, **copying)
    model = keras.Model([source, target], decoder(target, encoded))
    loss = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=PAD)
    model.compile(keras.optimizers.Adam(3e-3), loss)
    history = model.fit([x[:-8], y[:-8, :-1]], y[:-8, 1:], batch_size=32, epochs=15, verbose=2)

    search = s2s_zoo.Generator(model, "beam", y.shape[1], num_beams=4, no_repeat_ngram_size=3)
    written = []
    for row, others in zip(search.generate(x[-8:]).tokens[:, 0], unknown[-8:], strict=True):
        names = ["", "", "", "?", *words, *others]
        written.append(" ".join(names[i] for i in row if i >= UNK))
        print(written[-1])
    return history.history["loss"], [(w, t) for w, (_, t) in zip(written, pairs[-8:], strict=True)]


def padded(rows):
    return keras.utils.pad_sequences(list(rows), padding="post", value=PAD)


def read(place):
    with open(place, encoding="utf-8") as lines:
        return [tuple(line.lower().strip().split("\t")[:2]) for line in lines]


def calls():
    rng, pairs = np.random.default_rng(0), []
    for _ in range(600):
        one, other = ("".join(rng.choice(list("abdeiklmnorstu"), 5)) for _ in range(2))
        pairs.append((f"on monday {one} rang up {other} at work", f"{one} called {other}"))
    return pairs


if __name__ == "__main__":
    main(*sys.argv[1:])
