"""Images to the pixels of an imported captioner, and its ids to text."""

from s2s_zoo.checkpoints.pretrained.sides import FromFiles, Side
from s2s_zoo.checkpoints.pretrained.tokenizers import UNKNOWN, Files, Read, byte_level
from s2s_zoo.data.image_processor import ImageProcessor
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config, StrPath

BILINEAR = 2


def gpt2(files: Files, config: Config) -> Read:
    """The tokenizer of a GPT-2, which has no unknown piece."""
    return byte_level(files, config, "gpt2", needed=None)


TOKENIZERS = {"gpt2": gpt2}  # of decoders, by their model_type


class PretrainedImageProcessor(FromFiles, ImageProcessor):
    """The tokenizer and the image size of a published captioner.

    A GPT-2 has neither a padding nor an unknown token: the last two ids of its vocabulary are
    added ones, which it never writes.

    Args:
        files: dict from the names of the tokenizer files to their bytes.
        options: dict with the keys OPTIONS: "family" (of the tokenizer), "vocabulary_size" (with
            the added ids), "end" (the id of the end token), "size" (H, W), "max_target_length".
    """

    TYPE = "pretrained_image"
    OPTIONS = ("family", "vocabulary_size", "end", "size", "max_target_length")

    # What a processor of several languages would say otherwise.
    forces_language = begins_with_target = False
    target, pair = None, (None, None)

    def __init__(self, files: Files, options: Config) -> None:
        self.options = dict(options)
        tokenizer, used = lookup(TOKENIZERS, options["family"], "family")(files, {})
        self.files = {name: files[name] for name in used}
        size = options["vocabulary_size"]
        tokenizer.target_vocabulary = {**tokenizer.target_vocabulary, UNKNOWN: size - 1}
        special = [size - 2, options["end"]]
        side = Side(tokenizer, {"target_vocabulary_size": size, "special": special}, target=True)
        super().__init__(side, options["size"], "stretch", options["max_target_length"])


def image_options(config: Config, path: StrPath) -> tuple[list[int], list[float], list[float]]:
    """Returns (H, W), mean and std of a preprocessor_config.json.

    Args:
        config: dict, what the file holds.
        path: of the file, for the error.

    Raises:
        CheckpointError: for another kind of resizing or scaling than that of a ViT.
    """
    size = config.get("size", 224)
    if isinstance(size, dict):
        size = [size.get("height"), size.get("width")]
    size = [size, size] if isinstance(size, int) else list(size)
    usual = {"resample": BILINEAR, "rescale_factor": 1 / 255, "do_center_crop": False}
    odd = {
        name: config[name]
        for name, value in usual.items()
        if config.get(name) is not None and abs(config[name] - value) > 1e-6
    }
    odd |= {name: config[name] for name in ("do_resize", "do_rescale") if not config.get(name, 1)}
    if odd or len(size) != 2 or not all(isinstance(side, int) for side in size):
        raise CheckpointError(
            f"{path} expected images resized bilinearly to a height and a width, and divided by "
            f"255. Received: size={config.get('size')!r}, {odd}. Use another checkpoint."
        )
    scaled = config.get("do_normalize", True)
    mean = config.get("image_mean", [0.5] * 3) if scaled else [0.0] * 3
    std = config.get("image_std", [0.5] * 3) if scaled else [1.0] * 3
    return size, mean, std
