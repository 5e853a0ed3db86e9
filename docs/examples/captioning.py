"""Image captioning with a CNN and a Transformer, after keras.io's example of that name.

python docs/examples/captioning.py Flicker8k_Dataset Flickr8k.token.txt weights.h5
python docs/examples/captioning.py --small    # squares of three colors, a minute

The weights are those of keras.applications.MobileNetV2(include_top=False).
"""

import pathlib
import sys

import keras
import numpy as np

import s2s_zoo
from s2s_zoo import END, PAD, START, UNK

COLORS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}
SIZES = {"small": 4, "large": 12}


def main(folder="--small", captions=None, weights=None):
    small = folder == "--small"
    images, texts = squares() if small else read(folder, captions)
    words = sorted({word for text in texts for word in text.split()})
    ids = {word: i for i, word in enumerate(words, UNK + 1)}
    rows = [[START, *(ids[word] for word in text.split()), END] for text in texts]
    y = keras.utils.pad_sequences(rows, padding="post", value=PAD)

    size, width = images.shape[1:3], 32 if small else 256
    image = keras.Input((*size, 3), name="source")
    if small:  # nothing to download: convolutions of one's own give a memory (B, S, D) as well
        grid = keras.layers.Rescaling(1 / 255)(image)
        for filters in (16, width):
            grid = keras.layers.Conv2D(filters, 3, 4, "same", activation="relu")(grid)
        encoded = keras.layers.Reshape((-1, width))(grid)
    else:
        encoder = s2s_zoo.CNNEncoder("mobilenet_v2", size, projection=width)
        encoded = encoder(image)
        encoder.load_backbone(weights)
        encoder.freeze()
    target = keras.Input((None,), dtype="int32", name="target")
    decoder = s2s_zoo.TransformerDecoder(
        len(words) + UNK + 1, width, layers=1, heads=2, hidden_dim=2 * width, dropout=0.1
    )
    model = keras.Model([image, target], decoder(target, encoded))
    loss = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=PAD)
    model.compile(keras.optimizers.Adam(3e-3 if small else 3e-4), loss)
    history = model.fit([images, y[:, :-1]], y[:, 1:], batch_size=32, epochs=15, verbose=2)

    search = s2s_zoo.Generator(model, "beam", max_length=y.shape[1], num_beams=3)
    rows = search.generate(images[-4:]).tokens[:, 0]
    written = [" ".join(words[i - UNK - 1] for i in row if i > UNK) for row in rows]
    print("\n".join(written))
    return history.history["loss"], list(zip(written, texts[-4:], strict=True))


def squares():
    rng = np.random.default_rng(0)
    images, texts = rng.integers(0, 60, (240, 32, 32, 3)).astype("float32"), []
    for image in images:
        color, size = rng.choice(list(COLORS)), rng.choice(list(SIZES))
        side = slice(16 - SIZES[size], 16 + SIZES[size])
        image[side, side] += COLORS[color]
        texts.append(f"a {size} {color} square")
    return images, texts


def read(folder, captions, size=(224, 224), most=8000):
    with open(captions, encoding="utf-8") as lines:
        rows = [line.lower().rstrip(" .\n").split("#0\t") for line in lines if "#0\t" in line]
    load, path = keras.utils.load_img, pathlib.Path(folder)
    images = [np.array(load(path / name, target_size=size)) for name, _ in rows[:most]]
    return np.array(images, "float32"), [text for _, text in rows[:most]]


if __name__ == "__main__":
    main(*sys.argv[1:])
