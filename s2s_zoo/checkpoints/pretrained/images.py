"""Images to the pixels of an imported captioner, and its ids to text."""

from pathlib import Path

from s2s_zoo.checkpoints.pretrained import bert
from s2s_zoo.checkpoints.pretrained.sides import FromFiles, Side
from s2s_zoo.checkpoints.pretrained.tokenizers import (
    SPECIAL,
    UNKNOWN,
    Files,
    Read,
    byte_level,
    renumbered,
)
from s2s_zoo.data.image_processor import ImageProcessor
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import read_optional_json
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config, StrPath

BILINEAR, BICUBIC = 2, 3
RESIZES = {BILINEAR: "stretch", BICUBIC: "bicubic"}


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
            (as of an `ImageProcessor`), "tokenizer" (tokenizer_config.json).
    """

    TYPE = "pretrained_image"
    OPTIONS = ("family", "vocabulary_size", "end", "size", "max_target_length")
    OPTIONAL = ("pad", "resize", "tokenizer")

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
        size, pad = options["vocabulary_size"], options.get("pad")
        if pad is None:
            pad, vocabulary = size - 2, self.tokenizer.target_vocabulary
            self.tokenizer.target_vocabulary = {**vocabulary, UNKNOWN: size - 1}
        said = {"target_vocabulary_size": size, "special": [pad, options["end"]]}
        side = Side(self.tokenizer, {**said, "tokenizer": settings}, target=True)
        resize = options.get("resize", "stretch")
        super().__init__(side, options["size"], resize, options["max_target_length"])


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
    path = directory / "preprocessor_config.json"
    found = read_optional_json(path)
    if not found:
        path = directory / "processor_config.json"
        found = read_optional_json(path).get("image_processor") or {}
    made = image_options({"size": size, **(usual or {}), **found}, path)
    if made["size"] != _pair(size):
        raise CheckpointError(
            f"{path} makes images of {made['size']}, and the encoder reads {size}. "
            "Download the checkpoint again."
        )
    return made


def image_options(config: Config, path: StrPath) -> Config:
    """Returns "size" (H, W), "resize", "mean" and "std" of a preprocessor_config.json.

    Args:
        config: dict, what the file holds.
        path: of the file, for the error.

    Raises:
        CheckpointError: for another kind of resizing or scaling than that of a ViT.
    """
    size = config.get("size", 224)
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
    scaled = config.get("do_normalize", True)
    mean = config.get("image_mean", [0.5] * 3) if scaled else [0.0] * 3
    std = config.get("image_std", [0.5] * 3) if scaled else [1.0] * 3
    return {"size": size, "resize": RESIZES[resample], "mean": mean, "std": std}


def _pair(size):
    return [size, size] if isinstance(size, int) else list(size)
