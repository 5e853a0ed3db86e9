"""Draws docs/pictures anew, of presets and bundled models: python docs/making/pictures.py."""

import sys
from pathlib import Path

import beams
from diagram import diagram
from s2s_zoo.presets import PRESETS

import s2s_zoo

PICTURES = Path(__file__).parent.parent / "pictures"
SENTENCE = "Ein Mann steht vor einem Haus und wartet."
ABSTRACT = (
    "We present a new corpus of spoken Icelandic dialogues, annotated with dialogue acts by three "
    "linguists. Inter-annotator agreement is high, and a bidirectional LSTM tagger trained on the "
    "corpus reaches an accuracy of 81 percent."
)


def presets(folder=PICTURES):
    """A diagram of each preset."""
    for name, config in PRESETS.items():
        (folder / f"{name}.svg").write_text(diagram(config["model"]), encoding="utf-8")


def of_models(folder=PICTURES):
    """What bundled models look at, copy and find important, and a search as a tree."""
    from matplotlib.cbook import get_sample_data
    from PIL import Image
    from s2s_zoo.plots import plot_caption, plot_copies

    translate = s2s_zoo.from_pretrained("translation-de-en")
    nodes, answer = beams.search(translate, SENTENCE, 3)
    (folder / "beams.svg").write_text(beams.tree(nodes, answer), encoding="utf-8")
    translate(SENTENCE, num_beams=4, return_alignment=True).plot(folder / "alignment.png")
    s2s_zoo.explain(translate, SENTENCE).plot(folder / "explained.png")
    plot_copies(s2s_zoo.from_pretrained("summarization-titles-en"), ABSTRACT, folder / "copied.png")
    with get_sample_data("grace_hopper.jpg") as photo:  # of the United States Navy: public domain
        photo = Image.open(photo).convert("RGB")
    caption = s2s_zoo.from_pretrained("captioning-en")
    plot_caption(caption, photo, folder / "caption.jpg", num_beams=5)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    presets()
    if "--presets" not in sys.argv:
        of_models()
