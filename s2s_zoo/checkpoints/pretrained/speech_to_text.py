"""Speech2Text (Wang et al. 2020, 2010.05171): speech to text, or to that of another language."""

from pathlib import Path
from typing import Any

from s2s_zoo.checkpoints.pretrained import bart
from s2s_zoo.checkpoints.pretrained.family import Family
from s2s_zoo.checkpoints.pretrained.features import (
    SETTINGS,
    PretrainedFeatureProcessor,
    tokenizer,
)
from s2s_zoo.checkpoints.pretrained.settings import check_special, kept_settings, read_settings
from s2s_zoo.checkpoints.pretrained.sides import read_files
from s2s_zoo.checkpoints.pretrained.tensors import Tensors
from s2s_zoo.checkpoints.pretrained.tied import SHARED
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import read_optional_json
from s2s_zoo.protocol.types import Config

# What its feature extractor does and another does not.
FEATURES = {"sampling_rate": 16000, "dither": 0.0, "padding_value": 0.0}


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Returns config and tensors in the form the other families have.

    Raises:
        CheckpointError: for other features, or several channels of them.
    """
    path = directory / "preprocessor_config.json"
    found = read_optional_json(path)
    if not found:
        path = directory / "processor_config.json"
        found = read_optional_json(path).get("feature_extractor") or {}
    mels = config["input_feat_per_channel"]
    usual: dict[str, Any] = {**FEATURES, "num_mel_bins": mels, "feature_size": mels}
    odd = {k: found[k] for k, v in usual.items() if found.get(k, v) != v}
    if config["input_channels"] != 1:
        odd["input_channels"] = config["input_channels"]
    if odd:
        raise CheckpointError(
            f"{path} expected filter banks of one channel, {usual}. Received: {odd}. Use another "
            "checkpoint."
        )
    centred = found.get("do_ceptral_normalize", True)
    unified = {
        **config,
        "max_position_embeddings": config["max_target_positions"],
        SHARED: False,
        "normalize": [
            bool(centred and found.get(name, True))
            for name in ("normalize_means", "normalize_vars")
        ],
    }
    return unified, tensors


def describe(config: Config) -> tuple[Config, Config]:
    """Returns the configs of encoder and decoder for a unified config."""
    # Positions are counted from the id of the padding, plus one.
    positions = {
        "name": "sinusoidal",
        "spacing": "tensor2tensor",
        "offset": config["pad_token_id"] + 1,
    }
    encoder, decoder = bart.stack(config, positions=positions, norm="pre")
    read = ("embedding_dim", "layers", "heads", "hidden_dim", "activation", "positions", "dropout")
    return (
        {
            "name": "speech_transformer",
            **{name: encoder[name] for name in read},
            "mels": config["input_feat_per_channel"],
            "channels": config["conv_channels"],
            "kernels": list(config["conv_kernel_sizes"]),
            "scaled": config["scale_embedding"],
        },
        {**decoder, "output_bias": False},
    )


def names(name: str, config: Config) -> tuple[str, ...]:
    return bart.names(name.replace("encoder/convolution_", "encoder/conv/conv_layers/"), config)


def processor(
    directory: Path, config: Config, max_target_length: int
) -> PretrainedFeatureProcessor:
    settings = read_settings(directory, {}, SETTINGS)
    if settings.get("lang_codes") is not None:
        raise CheckpointError(
            f"{directory / 'tokenizer_config.json'} has what this package cannot do: lang_codes, "
            "several languages to write. Use a checkpoint of one, or a Whisper."
        )
    made = PretrainedFeatureProcessor(
        read_files(directory),
        {
            "vocabulary_size": config["vocab_size"],
            "special": [config["pad_token_id"], config["eos_token_id"]],
            "mels": config["input_feat_per_channel"],
            "normalize": config["normalize"],
            "max_target_length": max_target_length,
            "tokenizer": kept_settings(settings, SETTINGS),
        },
    )
    check_special(settings, made.tokenizer, config["eos_token_id"], None)
    return made


FAMILY = Family(
    task="transcription",
    describe=describe,
    names=names,
    tokenizer=tokenizer,
    unify=unify,
    processor=processor,
    defaults={
        **bart.IDS,
        "decoder_start_token_id": 2,
        "activation_function": "relu",
        "scale_embedding": True,
        "max_target_positions": 1024,
        "conv_kernel_sizes": [5, 5],
        "conv_channels": 1024,
        "input_feat_per_channel": 80,
        "input_channels": 1,
    },
)
