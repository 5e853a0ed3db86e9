"""Images to the pixels of an imported captioner, and its ids to text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s2s_zoo.checkpoints.pretrained import bert
from s2s_zoo.checkpoints.pretrained.sides import FromFiles, Side
from s2s_zoo.checkpoints.pretrained.tags import tasks, token2json
from s2s_zoo.checkpoints.pretrained.tokenizers import (
    SPECIAL,
    UNKNOWN,
    Files,
    Read,
    byte_level,
    renumbered,
)
from s2s_zoo.data.image_processor import ImageProcessor
from s2s_zoo.data.pairs import PairSource
from s2s_zoo.data.targets import Sampling
from s2s_zoo.protocol.errors import CheckpointError, DataError
from s2s_zoo.protocol.files import read_optional_json
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config, StrPath

BILINEAR, BICUBIC = 2, 3
RESIZES = {BILINEAR: "stretch", BICUBIC: "bicubic"}
PAGE = {"height": 2560, "width": 1920}  # of a Donut whose file does not say it


def gpt2(files: Files, config: Config) -> Read:
    """The tokenizer of a GPT-2, which has no unknown piece."""
    return byte_level(files, config, "gpt2", needed=None)


def trocr(files: Files, config: Config) -> Read:
    """That of a RoBERTa, or in the small checkpoints that of an XLM-RoBERTa."""
    if "tokenizer.json" in files or "vocab.json" in files:
        return byte_level(files, config, "trocr")

    def number(pieces):
        vocabulary = {piece: i + 1 for i, piece in enumerate(pieces)}
        vocabulary |= {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", UNKNOWN])}
        return {**vocabulary, "<mask>": len(pieces) + 1}, list(SPECIAL)

    return renumbered(files, "trocr", "sentencepiece.bpe.model", number)


TOKENIZERS = {"gpt2": gpt2, "bert": bert.tokenizer, "trocr": trocr}  # of decoders


class PretrainedImageProcessor(FromFiles, ImageProcessor):
    """The tokenizer and the image size of a published captioner.

    A GPT-2 has neither a padding nor an unknown token: the last two ids of its vocabulary are
    added ones, which it never writes.

    Args:
        files: dict from the names of the tokenizer files to their bytes.
        options: dict with the keys OPTIONS: "family" (of the tokenizer), "vocabulary_size" (with
            the added ids), "end" (the id of the end token), "size" (H, W), "max_target_length";
            and of OPTIONAL: "pad" (the id of the padding token, where there is one), "resize"
            (as of an `ImageProcessor`), "tokenizer" (tokenizer_config.json), "task" (of a Donut,
            whose texts keep their tags: the piece that its decoder starts from, or None).
    """

    TYPE = "pretrained_image"
    OPTIONS = ("family", "vocabulary_size", "end", "size", "max_target_length")
    OPTIONAL = ("pad", "resize", "tokenizer", "task")

    # What a processor of several languages would say otherwise.
    forces_language = begins_with_target = False
    target, pair = None, (None, None)

    def __init__(self, files: Files, options: Config) -> None:
        self.options = dict(options)
        settings = options.get("tokenizer", {})
        make = lookup(TOKENIZERS, options["family"], "family")
        self.tokenizer, used = make(files, settings)
        self.tokenizer.add(settings.get("added_tokens", {}))
        self.files = {name: files[name] for name in used}
        self.tokenizer.keeps_tags = "task" in options
        self._tasks = tasks(self.tokenizer.vocabulary) if "task" in options else []
        if task := options.get("task"):
            self.start = self.tokenizer.vocabulary[task]
        size, pad = options["vocabulary_size"], options.get("pad")
        if pad is None:
            pad, vocabulary = size - 2, self.tokenizer.target_vocabulary
            self.tokenizer.target_vocabulary = {**vocabulary, UNKNOWN: size - 1}
        said = {"target_vocabulary_size": size, "special": [pad, options["end"]]}
        side = Side(self.tokenizer, {**said, "tokenizer": settings}, target=True)
        resize = options.get("resize", "stretch")
        super().__init__(side, options["size"], resize, options["max_target_length"])

    def encode_target(
        self,
        texts: Sequence[str],
        truncate: bool = True,
        sampling: Sampling | None = None,
        sources: Sequence[Any] | None = None,
    ) -> list[np.ndarray]:
        """As `Targets.encode_target`; the piece that a decoder starts from may stand first.

        Raises:
            DataError: for a text that begins with that of another task.
        """
        if "task" in self.options:
            texts = [self._begun(text) for text in texts]
        return super().encode_target(texts, truncate, sampling, sources)

    def training_batches(self, pairs: PairSource, **options: Any) -> Any:
        """See `CaptionBatches`; what is written in an image is mirrored only if somebody asks."""
        written = "task" in self.options or self.options["family"] == "trocr"
        return super().training_batches(pairs, **{"mirror": not written, **options})

    def _begun(self, text):
        """A text without the piece of its task."""
        task, pieces = self.options["task"], self.tokenizer.vocabulary
        if task is not None and text.startswith(task):
            return text.removeprefix(task)
        other = next((piece for piece in self._tasks if text.startswith(piece)), None)
        if other is not None:
            raise DataError(
                f"This checkpoint starts from {task or 'no task'}. Received: a text that begins "
                f"with {other}. Leave it out, or load a checkpoint whose config.json says "
                f"decoder_start_token_id: {pieces[other]}."
            )
        return text

    def token2json(self, text: str) -> Any:
        """The form that a text of a Donut stands for: see `tags.token2json`."""
        return token2json(text, self.tokenizer.vocabulary)


def pages(directory: Path) -> Config:
    """As `pixels`, of a Donut, whose encoder reads images of any size: that of the file.

    Raises:
        CheckpointError: for another way from a page to pixels.
    """
    path, found = preprocessor(directory)
    size, resample = found.get("size"), found.get("resample")
    if isinstance(size, list):  # of the first versions: (W, H)
        size = size[::-1]
    odd = {name: found[name] for name in ("do_thumbnail", "do_pad") if not found.get(name, True)}
    odd |= {} if resample in (None, BILINEAR) else {"resample": resample}
    kinds = {name: found.get(name) for name in ("image_processor_type", "feature_extractor_type")}
    odd |= {name: kind for name, kind in kinds.items() if str(kind).startswith("Nougat")}
    if odd:
        raise CheckpointError(
            f"{path} expected pages as a Donut reads them, resized bilinearly and laid on black. "
            f"Received: {odd}. Use another checkpoint."
        )
    made = image_options({**found, "size": PAGE if size is None else size}, path)
    turned = found.get("do_align_long_axis", found.get("do_align_axis", False))
    return {**made, "resize": "turned_page" if turned else "page"}


def pixels(directory: Path, size: int | list[int], usual: Config | None = None) -> Config:
    """Returns how images become pixels: "size", "resize", and "mean" and "std" of the colours.

    Args:
        directory: path, with preprocessor_config.json, or a processor_config.json with the same.
        size: of the images that the encoder reads: a side, or (H, W).
        usual: dict, what that file means where it does not say it.

    Raises:
        CheckpointError: for another kind of resizing or scaling than that of a ViT, and for
            images of another size than the encoder reads.
    """
    path, found = preprocessor(directory)
    made = image_options({"size": size, **(usual or {}), **found}, path)
    if made["size"] != _pair(size):
        raise CheckpointError(
            f"{path} makes images of {made['size']}, and the encoder reads {size}. "
            "Download the checkpoint again."
        )
    return made


def preprocessor(directory: Path) -> tuple[Path, Config]:
    """The path of the file that says how images become pixels, and what it says."""
    path = directory / "preprocessor_config.json"
    found = read_optional_json(path)
    if not found:
        path = directory / "processor_config.json"
        found = read_optional_json(path).get("image_processor") or {}
    return path, found


def image_options(config: Config, path: StrPath) -> Config:
    """Returns "size" (H, W), "resize", "mean" and "std" of a preprocessor_config.json.

    Args:
        config: dict, what the file holds.
        path: of the file, for the error.

    Raises:
        CheckpointError: for another kind of resizing or scaling than that of a ViT.
    """
    size = config.get("size", 224)
    if isinstance(size, dict) and "shortest_edge" in size:
        return _middle(config, path)
    if isinstance(size, dict):
        size = [size.get("height"), size.get("width")]
    size, resample = _pair(size), config.get("resample")
    resample = BILINEAR if resample is None else resample
    usual = {"rescale_factor": 1 / 255, "do_center_crop": False}
    odd = {
        name: config[name]
        for name, value in usual.items()
        if config.get(name) is not None and abs(config[name] - value) > 1e-6
    }
    odd |= {name: config[name] for name in ("do_resize", "do_rescale") if not config.get(name, 1)}
    odd |= {} if resample in RESIZES else {"resample": resample}
    if odd or len(size) != 2 or not all(isinstance(side, int) for side in size):
        raise CheckpointError(
            f"{path} expected images resized bilinearly or bicubically to a height and a width, "
            f"and divided by 255. Received: size={config.get('size')!r}, {odd}. Use another "
            "checkpoint."
        )
    return {"size": size, "resize": RESIZES[resample], **_colours(config)}


def _middle(config, path):
    """As `image_options`, of a CLIP: the shorter side resized, and the middle cut out."""
    said = config["size"]["shortest_edge"]
    cut = config.get("crop_size", said)
    cut = [cut.get("height"), cut.get("width")] if isinstance(cut, dict) else _pair(cut)
    odd = {
        name: config[name]
        for name in ("do_resize", "do_rescale", "do_center_crop")
        if not config.get(name, name != "do_center_crop")
    }
    odd |= {"rescale_factor": config["rescale_factor"]} if _rescales_otherwise(config) else {}
    odd |= {} if config.get("resample") == BICUBIC else {"resample": config.get("resample")}
    if odd or type(said) is not int or cut != [said, said]:
        raise CheckpointError(
            f"{path} expected images whose shorter side is resized bicubically to a number of "
            "pixels, of which the middle is cut out as a square, and divided by 255. Received: "
            f"size={config['size']!r}, crop_size={config.get('crop_size')!r}, {odd}. Use another "
            "checkpoint."
        )
    return {"size": cut, "resize": "middle", **_colours(config)}


def _rescales_otherwise(config):
    factor = config.get("rescale_factor")
    return factor is not None and abs(factor - 1 / 255) > 1e-6


def _colours(config):
    """The mean and the deviation of the colours, 0 to 1."""
    if not config.get("do_normalize", True):
        return {"mean": [0.0] * 3, "std": [1.0] * 3}
    return {
        "mean": config.get("image_mean", [0.5] * 3),
        "std": config.get("image_std", [0.5] * 3),
    }


def _pair(size):
    return [size, size] if isinstance(size, int) else list(size)
