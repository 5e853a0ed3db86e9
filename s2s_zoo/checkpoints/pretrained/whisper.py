"""Whisper (Radford et al. 2022, 2212.04356): speech to text in many languages."""

from pathlib import Path
from typing import Any

import numpy as np

from s2s_zoo.checkpoints.pretrained.audio import TIMELESS, PretrainedAudioProcessor
from s2s_zoo.checkpoints.pretrained.bart import NAMES
from s2s_zoo.checkpoints.pretrained.family import ACTIVATIONS, Family
from s2s_zoo.checkpoints.pretrained.sides import read_files
from s2s_zoo.checkpoints.pretrained.tensors import Tensor, Tensors
from s2s_zoo.checkpoints.pretrained.tied import SHARED, matrix_names
from s2s_zoo.checkpoints.pretrained.tokenizers import Files, Read, byte_level
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import read_optional_json
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config

# What its processor makes of generation_config.json; a search knows nothing of it.
SPOKEN = (
    "is_multilingual", "lang_to_id", "task_to_id", "alignment_heads", "no_timestamps_token_id",
    "max_initial_timestamp_index", "begin_suppress_tokens", "suppress_tokens", "prev_sot_token_id",
    "return_timestamps", "forced_decoder_ids", "language", "task", "median_filter_width",
    "condition_on_prev_tokens", "compression_ratio_threshold", "logprob_threshold",
    "no_speech_threshold", "max_length",
)  # fmt: skip
FEATURES = {"sampling_rate": 16000, "n_fft": 400, "hop_length": 160}
ENGLISH_ONLY = 51864  # the vocabulary of the models of one language


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Returns config and tensors in the form the other families have.

    Keys have no bias there, which is the same as one of zeros: scores of one query are shifted
    alike.

    Raises:
        CheckpointError: for features that are not those of Whisper.
    """
    path = directory / "preprocessor_config.json"
    found = read_optional_json(path)
    if not found:
        path = directory / "processor_config.json"
        found = read_optional_json(path).get("feature_extractor") or {}
    odd = {k: found[k] for k, v in FEATURES.items() if found.get(k, v) != v}
    mels = config.get("num_mel_bins", 80)
    if found.get("feature_size", mels) != mels:
        odd["feature_size"] = found["feature_size"]
    if odd:
        raise CheckpointError(
            f"{path} expected the features of Whisper, {FEATURES} in {mels} bands. Received: "
            f"{odd}. Use another checkpoint."
        )
    unified = {
        **config,
        "num_mel_bins": mels,
        "max_position_embeddings": config.get("max_target_positions", 448),
        SHARED: False,
        "speech": read_optional_json(directory / "generation_config.json"),
    }
    return unified, dict(_unified(tensors))


def _unified(tensors):
    for name, tensor in tensors.items():
        yield name.replace("proj_out.weight", "lm_head.weight"), tensor
        bias = name.replace("k_proj.weight", "k_proj.bias")
        if bias != name and bias not in tensors:
            size = tensor.shape[:1]
            yield bias, Tensor(size, "float32", lambda size=size: np.zeros(size, "float32"))


def describe(config: Config) -> tuple[Config, Config]:
    """Returns the configs of encoder and decoder for a unified config."""
    written = config.get("activation_function", "gelu")

    def part(side, positions):
        return {
            "embedding_dim": config["d_model"],
            "layers": config[f"{side}_layers"],
            "heads": config[f"{side}_attention_heads"],
            "hidden_dim": config[f"{side}_ffn_dim"],
            "activation": lookup(ACTIVATIONS, written, "activation_function"),
            "positions": {"name": "learned", "length": positions},
            "dropout": config.get("dropout", 0.0),
        }

    encoder = {
        "name": "whisper",
        **part("encoder", config.get("max_source_positions", 1500)),
        "mels": config["num_mel_bins"],
        "masked": False,
    }
    decoder = {
        "name": "transformer",
        **part("decoder", config["max_position_embeddings"]),
        "vocabulary_size": config["vocab_size"],
        "norm": "pre",
        "scale_embedding": False,  # transformers never scales them, whatever a config says
        "output_bias": False,
    }
    return encoder, decoder


def names(name: str, config: Config) -> tuple[str, ...]:
    """Returns what a weight of ours may be called in the file, the likeliest first."""
    if name.endswith("embedding/embeddings"):
        return matrix_names(name.split("/")[0], config)
    for ours, theirs in NAMES:
        name = name.replace(ours, theirs)
    return (name.replace("/", "."),)


def tokenizer(files: Files, config: Config) -> Read:
    return byte_level(files, config, "whisper", needed=None)


def processor(directory: Path, config: Config, max_target_length: int) -> PretrainedAudioProcessor:
    told: dict[str, Any] = {**_of_config(config), **config["speech"]}
    files = read_files(directory)
    read, _ = tokenizer(files, {})
    pieces = read.vocabulary
    multilingual = told.get("is_multilingual", config["vocab_size"] > ENGLISH_ONLY)
    languages = {
        piece.removeprefix("<|").removesuffix("|>"): token
        for piece, token in (told.get("lang_to_id") or _languages(pieces)).items()
    }
    found = {name: pieces.get(f"<|{name}|>") for name in ("transcribe", "translate")}
    tasks = told.get("task_to_id") or {k: v for k, v in found.items() if v is not None}
    timeless = told.get("no_timestamps_token_id", pieces.get(TIMELESS))
    return PretrainedAudioProcessor(
        files,
        {
            "vocabulary_size": config["vocab_size"],
            "end": _one(config["eos_token_id"]),
            "mels": config["num_mel_bins"],
            "rate": FEATURES["sampling_rate"],
            "frame": FEATURES["n_fft"],
            "hop": FEATURES["hop_length"],
            "window": 2 * config.get("max_source_positions", 1500),
            # max_length of generation_config.json is beside the prompt; a call may say less.
            "max_target_length": config["max_position_embeddings"],
            "languages": languages if multilingual else {},
            "tasks": tasks,
            "timeless": timeless,
            "suppress": told.get("suppress_tokens") or [],
            "begin_suppress": told.get("begin_suppress_tokens") or [],
            "latest_begin": told.get("max_initial_timestamp_index"),
            "alignment_heads": told.get("alignment_heads") or [],
        },
    )


def _of_config(config):
    return {name: config[name] for name in SPOKEN if name in config and name != "max_length"}


def _languages(pieces):
    """The language tokens, which stand between the start and the tasks."""
    start, end = pieces.get("<|startoftranscript|>", 0), pieces.get("<|translate|>", 0)
    return {piece: token for piece, token in pieces.items() if start < token < end}


def _one(ids):
    return ids[0] if isinstance(ids, list) and ids else ids


FAMILY = Family(
    task="transcription",
    describe=describe,
    names=names,
    tokenizer=tokenizer,
    unify=unify,
    processor=processor,
    consumed=SPOKEN,
    defaults={
        "pad_token_id": 50256,
        "eos_token_id": 50256,
        "decoder_start_token_id": 50257,
        "vocab_size": 51865,
    },
)
