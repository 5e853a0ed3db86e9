"""Images to text by a ViT, DeiT or Swin and a decoder of another family that attends to it."""

import warnings
from pathlib import Path
from typing import Any

from s2s_zoo.checkpoints.pretrained import donut, gpt2, swin, tags, trocr, vit
from s2s_zoo.checkpoints.pretrained.family import Family
from s2s_zoo.checkpoints.pretrained.images import (
    TOKENIZERS,
    PretrainedImageProcessor,
    pages,
    pixels,
)
from s2s_zoo.checkpoints.pretrained.settings import check_special, kept_settings, read_settings
from s2s_zoo.checkpoints.pretrained.sides import read_files
from s2s_zoo.checkpoints.pretrained.tensors import Tensors
from s2s_zoo.checkpoints.pretrained.tied import SHARED
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import read_optional_json
from s2s_zoo.protocol.types import Config

# By their model_type.
ENCODERS: dict[str, Any] = {**dict.fromkeys(vit.KINDS, vit), **dict.fromkeys(swin.KINDS, swin)}
DECODERS = {"gpt2": gpt2.HALF, "trocr": trocr.HALF, "mbart": donut.HALF}
PARTS = {"encoder": tuple(ENCODERS), "decoder": tuple(DECODERS)}
DONUT = "donut-swin"
SETTINGS = ("add_prefix_space",)


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Returns config and tensors in the form the other families have.

    Raises:
        CheckpointError: for parts of other kinds, or options they do not have here.
    """
    for side, kinds in PARTS.items():
        if config[side].get("model_type") not in kinds:
            raise CheckpointError(
                f"{directory / 'config.json'} expected the {side} to be a {' or a '.join(kinds)}. "
                f"Received: {config[side].get('model_type')!r}. Use another checkpoint."
            )
    half = DECODERS[config["decoder"]["model_type"]]
    kind = ENCODERS[config["encoder"]["model_type"]]
    encoder = kind.complete({**kind.DEFAULTS, **config["encoder"]}, directory / "config.json")
    decoder = {**half.defaults, **config["decoder"]}
    read = {name: x for name, x in tensors.items() if name.startswith("encoder.")}
    written = {name: x for name, x in tensors.items() if name.startswith("decoder.")}
    between = {name: x for name, x in tensors.items() if name not in {**read, **written}}
    said, written = half.unify(decoder, written, directory)
    unified = {
        "eos_token_id": decoder["eos_token_id"],
        "decoder_start_token_id": decoder.get("decoder_start_token_id"),
        **{name: value for name, value in config.items() if value is not None},
        **said,
        "encoder": encoder,
        "decoder": decoder,
        SHARED: False,
        "pixels": pages(directory)
        if encoder["model_type"] == DONUT
        else pixels(directory, encoder["image_size"]),
    }
    return unified, {**kind.unified(read), **written, **between}


def describe(config: Config) -> tuple[Config, Config]:
    """Returns the configs of encoder and decoder for a unified config."""
    encoder, decoder = config["encoder"], config["decoder"]
    width = config["hidden_size"]
    # A decoder that knows how wide its memory is reads it as it is.
    apart = encoder["hidden_size"] != width and not decoder.get("cross_attention_hidden_size")
    half = DECODERS[decoder["model_type"]]
    return (
        ENCODERS[encoder["model_type"]].describe(
            encoder, config["pixels"], width if apart else None
        ),
        half.describe(decoder),
    )


def names(name: str, config: Config) -> tuple[str, ...]:
    if name.startswith("decoder"):
        return DECODERS[config["decoder"]["model_type"]].names(name, config)
    for ours, theirs in (*ENCODERS[config["encoder"]["model_type"]].NAMES, *gpt2.LEAVES):
        name = name.replace(ours, theirs)
    return (name.replace("/", "."),)


def processor(directory: Path, config: Config, max_target_length: int) -> PretrainedImageProcessor:
    options = {
        "family": config["tokenizer"],
        "vocabulary_size": config["vocab_size"],
        "end": config["eos_token_id"],
        "size": config["pixels"]["size"],
        "resize": config["pixels"]["resize"],
        "max_target_length": max_target_length,
    }
    if config["tokenizer"] == "gpt2":
        return PretrainedImageProcessor(read_files(directory), options)
    settings = read_settings(directory, {}, SETTINGS)
    options |= {"pad": config["pad_token_id"], "tokenizer": kept_settings(settings, SETTINGS)}
    if config["encoder"]["model_type"] == DONUT:
        options["task"] = _task(directory, config, options)
    made = PretrainedImageProcessor(read_files(directory), options)
    check_special(settings, made.tokenizer, config["eos_token_id"], trocr.FIRST)
    return made


def _task(directory, config, options):
    """The piece that the decoder of a Donut starts from, or None where it is none of a task.

    Where no file says which, it is the only one, or the first.
    """
    made = PretrainedImageProcessor(read_files(directory), {**options, "task": None})
    found = (read_optional_json(directory / "generation_config.json"), config)
    start = next(
        (x for x in (f.get("decoder_start_token_id") for f in found) if x is not None), None
    )
    pieces = made.tokenizer.vocabulary
    known = sorted(tags.tasks(pieces), key=pieces.__getitem__)
    if start is not None:
        return next((piece for piece in known if pieces[piece] == start), None)
    if len(known) > 1:
        warnings.warn(
            f"{directory / 'config.json'} does not say which of {', '.join(known)} its texts begin "
            f"with: {known[0]} is taken. For another one write its id there, as "
            f"decoder_start_token_id: {', '.join(str(pieces[piece]) for piece in known)}.",
            stacklevel=2,
        )
    return known[0] if known else None


FAMILY = Family(
    task="captioning",
    describe=describe,
    names=names,
    tokenizer=TOKENIZERS["gpt2"],
    unify=unify,
    processor=processor,
)
