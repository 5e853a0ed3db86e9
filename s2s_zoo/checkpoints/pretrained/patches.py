"""Images, perhaps below a question, to the patches of an imported model, and its ids to text."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from s2s_zoo.checkpoints.pretrained import t5
from s2s_zoo.checkpoints.pretrained.images import preprocessor
from s2s_zoo.checkpoints.pretrained.sides import FromFiles, Side
from s2s_zoo.checkpoints.pretrained.tokenizers import Files
from s2s_zoo.data.headers import with_header
from s2s_zoo.data.image_processor import MOST, WINDOW, ImageProcessor
from s2s_zoo.data.images import read_image
from s2s_zoo.data.pairs import PairSource
from s2s_zoo.data.patches import PLACES, in_patches
from s2s_zoo.data.targets import Targets, require_text
from s2s_zoo.protocol.errors import CheckpointError, DataError
from s2s_zoo.protocol.types import Config

PATCHES, SIDE = (1, 1 << 15), (1, 64)  # limits of how many there are, and of pixels of a side
OF_DEPLOT = "Generate underlying data table of the figure below:"


class Patches(np.ndarray):
    """What an image was made of already: it is taken as it is."""


class PretrainedPatchesProcessor(FromFiles, ImageProcessor):
    """The tokenizer of a published Pix2Struct, and how it sees an image.

    A source is an image, or a dict of it and the question that is written above it, {"image": …,
    "question": …}; of an image alone `question` is asked.

    Args:
        files: dict from the names of the tokenizer files to their bytes.
        options: dict with the keys OPTIONS: "vocabulary_size", "special" (the ids of padding and
            end), "patches" (the most of an image), "patch" (the side of one in pixels), "asks"
            (whether it reads a question), "max_target_length", "tokenizer"
            (tokenizer_config.json); and of OPTIONAL: "question".
    """

    TYPE = "pretrained_patches"
    OPTIONS = (
        "vocabulary_size",
        "special",
        "patches",
        "patch",
        "asks",
        "max_target_length",
        "tokenizer",
    )
    OPTIONAL = ("question",)

    # What a processor of several languages would say otherwise.
    forces_language = begins_with_target = False
    target, pair = None, (None, None)
    resize: Any = "patches"

    def __init__(self, files: Files, options: Config) -> None:
        self.options = dict(options)
        for name, (least, most) in (("patches", PATCHES), ("patch", SIDE)):
            value = options[name]
            if type(value) is not int or not least <= value <= most:
                raise CheckpointError(
                    f"A model of patches expected {name} from {least} to {most}. Received: "
                    f"{value!r:.50}. Download the checkpoint again."
                )
        settings = options["tokenizer"]
        self.tokenizer, used = t5.tokenizer(files, settings)
        self.tokenizer.add(settings.get("added_tokens", {}))
        self.files = {name: files[name] for name in used}
        said = {"target_vocabulary_size": options["vocabulary_size"], **options}
        side = Side(self.tokenizer, said, target=True)
        Targets.__init__(self, side, options["max_target_length"])
        self.patches, self.patch = options["patches"], options["patch"]
        square = self.patch * int(self.patches**0.5)
        self.size = (square, square)  # of a square image that is read as it is
        width = PLACES + 3 * self.patch**2
        self.window = max(1, min(WINDOW, MOST // (self.patches * width)))
        self.question = options.get("question")

    @property
    def question(self) -> str | None:
        """What is asked of an image that comes without a question, or None."""
        return self.options.get("question")

    @question.setter
    def question(self, text: str | None) -> None:
        if text is None:
            self.options.pop("question", None)
            return
        if not self.options["asks"]:
            raise _needless(text)
        require_text(text, "question to be a str")
        self.options["question"] = text

    def encode_source(self, sources: Iterable[Any]) -> list[np.ndarray]:
        """Returns a list of (N, 4 + 3 P^2) float32 arrays of images: see `data.in_patches`.

        Raises:
            DataError: for an image that cannot be read, and where a question is missing, or is
                none that is read.
        """
        return [
            source if isinstance(source, Patches) else self._patches(source) for source in sources
        ]

    def _patches(self, source):
        question = self.question
        if isinstance(source, dict):
            if set(source) != {"image", "question"}:
                raise DataError(
                    'An image with its question is {"image": …, "question": …}. Received: a dict '
                    f"of {', '.join(map(repr, source)) or 'nothing'}."
                )
            source, question = source["image"], source["question"]
            require_text(question, "question to be a str")
            if not self.options["asks"]:
                raise _needless(question)
        elif self.options["asks"] and question is None:
            raise DataError(
                "This checkpoint reads a question above the image. Received: an image without "
                'one. Give {"image": …, "question": "…"}, or set processor.question for all '
                f"images: of a DePlot it is {OF_DEPLOT!r}."
            )
        image = read_image(source)
        if question is not None:
            image = with_header(image, question)
        return in_patches(image, self.patches, self.patch).view(Patches)

    def check_model(self, model: Any) -> None:
        """Raises ValueError unless a model has the vocabulary and reads patches of the size."""
        Targets.check_model(self, model)
        here = {"patch": self.patch, "longest": self.patches}
        there = {name: getattr(model.encoder, name, None) for name in here}
        if there != here:
            raise ValueError(
                f"Pipeline expected a model that reads patches as the processor makes them, {here}."
                f" Received: {there}. Make the model with these."
            )

    def training_batches(self, pairs: PairSource, **options: Any) -> Any:
        """See `CaptionBatches`; what is written in an image is not mirrored.

        Raises:
            ValueError: for `mirror` or `augment`.
        """
        odd = {name: options[name] for name in ("mirror", "augment") if options.get(name)}
        if odd:
            raise ValueError(
                "Images in patches are shown as they are. Received: "
                f"{', '.join(f'{k}={v!r:.60}' for k, v in odd.items())}. Leave it out."
            )
        return super().training_batches(pairs, **{**options, "mirror": False})


def _needless(question):
    return DataError(
        f"This checkpoint reads no question. Received: {question!r:.60}. Leave it out; "
        "forced_prefix says how an answer begins."
    )


def patch_options(directory: Path, patches: int, asks: bool) -> Config:
    """Returns "patches", "patch" and "asks" of a processor, as the file of the directory says.

    Args:
        directory: path, with preprocessor_config.json, or a processor_config.json with the same.
        patches: int, the most of an image where it does not say it.
        asks: bool, whether config.json says that questions are read.

    Raises:
        CheckpointError: for other pixels than scaled by the mean and the deviation of an image,
            and for patches that are no squares.
    """
    path, found = preprocessor(directory)
    odd = {name: found[name] for name in ("do_normalize",) if not found.get(name, True)}
    size = found.get("patch_size") or {"height": 16, "width": 16}
    size = size if isinstance(size, dict) else {"height": size, "width": size}
    if size.get("height") != size.get("width"):
        odd["patch_size"] = size
    if odd:
        raise CheckpointError(
            f"{path} expected images in squares, scaled by their own mean and deviation. "
            f"Received: {odd}. Use another checkpoint."
        )
    return {
        "patches": found.get("max_patches", patches),
        "patch": size.get("height"),
        "asks": bool(found.get("is_vqa", asks)),
    }
