"""Translation with a Transformer, after keras.io's English-to-Spanish example.

python docs/examples/transformer.py spa.txt    # lines: English, tab, Spanish (manythings.org/anki)
python docs/examples/transformer.py --small    # a language that counts backwards, a minute
"""

import re
import sys

import keras
import numpy as np

import s2s_zoo
from s2s_zoo import END, PAD, START, UNK

LENGTH = 20


def main(place="--small"):
    small = place == "--small"
    pairs = backwards() if small else read(place)
    held_out = pairs[-8:]
    sources, targets = (Words(texts, most=15_000) for texts in zip(*pairs, strict=True))
    x = sources.ids([source for source, _ in pairs])
    y = targets.ids([target for _, target in pairs], first=[START])

    width, depth = (32, 1) if small else (256, 4)
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    sizes = {"embedding_dim": width, "layers": depth, "heads": 4, "hidden_dim": 4 * width}
    encoded = s2s_zoo.TransformerEncoder(len(sources.words), norm="pre", **sizes)(source)
    logits = s2s_zoo.TransformerDecoder(len(targets.words), norm="pre", **sizes)(target, encoded)
    model = keras.Model([source, target], logits)

    model.compile(
        keras.optimizers.Adam(3e-3 if small else 3e-4),
        keras.losses.SparseCategoricalCrossentropy(True, ignore_class=PAD),
    )
    history = model.fit([x[:-8], y[:-8, :-1]], y[:-8, 1:], batch_size=64, epochs=30, verbose=2)

    search = s2s_zoo.Generator(model, "beam", max_length=LENGTH, num_beams=4)
    written = [targets.text(row) for row in search.generate(x[-8:]).tokens[:, 0]]
    for (text, _), answer in zip(held_out, written, strict=True):
        print(f"{text}\t{answer}")
    return history.history["loss"], [(w, t) for w, (_, t) in zip(written, held_out, strict=True)]


class Words:
    """The words of texts, and their ids."""

    def __init__(self, texts, most):
        counts = {}
        for word in " ".join(texts).split():
            counts[word] = counts.get(word, 0) + 1
        self.words = ["", "", "", "?", *sorted(counts, key=lambda w: (-counts[w], w))[:most]]
        self.places = {word: i for i, word in enumerate(self.words) if i > UNK}

    def ids(self, texts, first=()):
        rows = [[self.places.get(word, UNK) for word in text.split()] for text in texts]
        rows = [[*first, *row[: LENGTH - 1], END] for row in rows]
        return keras.utils.pad_sequences(rows, padding="post", value=PAD)

    def text(self, ids):
        return " ".join(self.words[i] for i in ids if i >= UNK)


def read(place):
    with open(place, encoding="utf-8") as lines:
        rows = [re.sub(r"([?.!,¿¡])", r" \1 ", line.lower()).split("\t") for line in lines]
    return [(row[0], row[1]) for row in rows]


def backwards():
    words = np.array("zero one two three four five six seven eight nine".split())
    draws = np.random.default_rng(0).integers(0, 10, (1500, 4))
    return [(" ".join(words[row]), " ".join(words[row[::-1]])) for row in draws]


if __name__ == "__main__":
    main(*sys.argv[1:])
