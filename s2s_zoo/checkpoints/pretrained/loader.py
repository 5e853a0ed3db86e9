"""From a directory in the layout of the Hub to a checkpoint of ours."""

import re
from contextlib import contextmanager

from s2s_zoo.checkpoints.contents import Checkpoint, Opened, check_generation
from s2s_zoo.checkpoints.pretrained import FAMILIES
from s2s_zoo.checkpoints.pretrained.generation import (
    generation_part,
    longest_target,
    search_defaults,
)
from s2s_zoo.checkpoints.pretrained.matching import WHOLE, assign, match
from s2s_zoo.checkpoints.pretrained.processor import PretrainedProcessor
from s2s_zoo.checkpoints.pretrained.refused import why_not
from s2s_zoo.checkpoints.pretrained.settings import (
    check_special,
    kept_settings,
    read_settings,
)
from s2s_zoo.checkpoints.pretrained.sides import read_files
from s2s_zoo.checkpoints.pretrained.tied import as_tied
from s2s_zoo.checkpoints.pretrained.weights import read_weights
from s2s_zoo.checkpoints.weights import check_numbers
from s2s_zoo.layers.initial import to_be_loaded
from s2s_zoo.layers.policy import dtype_policy
from s2s_zoo.model.seq2seq import Seq2Seq
from s2s_zoo.protocol.errors import CheckpointError, DataError, S2SZooError
from s2s_zoo.protocol.files import read_optional_json
from s2s_zoo.protocol.registry import lookup

BOTH_HALVES = "EncoderDecoderModel"
HEADS = ("ForConditionalGeneration", "MTModel", "WithLMHeadModel", "GitForCausalLM")
MAX_LENGTH = 512  # of targets, where neither checkpoint nor caller says


def load_pretrained(
    opened: Opened,
    dtype: str | None = None,
    task: str | None = None,
    source: str | None = None,
    target: str | None = None,
) -> Checkpoint:
    """Reads a checkpoint that transformers wrote.

    Args:
        opened: an `Opened` directory with config.json (with a "model_type"), weights and
            tokenizer files.
        dtype: str, the dtype policy of the model, or None for the present one.
        task: str, or None for what the family is mostly used for.
        source, target: language codes, for checkpoints of several.

    Returns:
        Checkpoint.

    Raises:
        CheckpointError: for an unknown family, a model without encoder or decoder, files that
            are missing, damaged or unsafe, and tensors that do not fit, all by name.
        DataError: for a language code the checkpoint does not have.
    """
    directory = opened.directory
    family = _family(directory, opened.config)
    config = {**family.defaults, **opened.config}
    tensors = {
        name.removeprefix("model."): tensor for name, tensor in read_weights(directory).items()
    }
    task = task or family.task
    try:
        config, tensors = family.unify(config, tensors, directory)
        config = as_tied(config, tensors)
        path = directory / "generation_config.json"
        generation = read_optional_json(path) or generation_part(config)
        parts = family.describe(config)
        described = _describe_model(parts, config)
        check_numbers(described, [tensor.shape for tensor in tensors.values()])
        limit = config.get("max_position_embeddings", MAX_LENGTH)
        with _of_a_search(path):
            most = min(limit, config.get("max_target_positions", limit))
            longest = min(most, longest_target(generation) or MAX_LENGTH)
        generation = {k: v for k, v in generation.items() if k not in family.consumed}
        if family.processor is not None:
            _refuse_languages(source, target, family.task)
            processor = family.processor(directory, config, longest)
        else:
            processor = _text_processor(
                directory, family, config, parts, limit, longest, task, source, target
            )
        if processor.target is None and processor.forces_language:
            processor = _with_forced_language(processor, generation)
        start = described["decoder"]["start_token"] = _start(config, generation, processor)
        with _of_a_search(path):
            defaults = search_defaults(generation, processor, task == "translation", start)
            check_generation(defaults, path)
        names = match(described, tensors, directory, family, config)
        with dtype_policy(dtype), to_be_loaded():
            model = Seq2Seq.from_config(described)
    except (S2SZooError, ImportError, Warning):
        raise
    except Exception as error:  # whatever it is, a config from elsewhere provoked it
        raise CheckpointError(
            f"{directory / 'config.json'} does not describe a {config['model_type']} model: "
            f"{error!r:.300}. Download the checkpoint again, or use another."
        ) from error
    assign(model, names, tensors, directory, family, config, processor)
    pair = processor.pair if all(processor.pair) else []
    return Checkpoint(task, model, processor, defaults, pair)


def _text_processor(directory, family, config, parts, limit, longest, task, source, target):
    tokenizer = read_settings(directory, config, family.tokenizer_options)
    prefixes = config.get("task_specific_params") or {}
    processor = PretrainedProcessor(
        read_files(directory),
        {
            "family": config["model_type"],
            "vocabulary_size": config["vocab_size"],
            "target_vocabulary_size": parts[1]["vocabulary_size"],
            "special": [config["pad_token_id"], _one(config["eos_token_id"])],
            "tokenizer": kept_settings(tokenizer, family.tokenizer_options),
            "max_source_length": min(limit, tokenizer.get("model_max_length") or limit),
            "max_target_length": longest,
            "source": source or tokenizer.get("src_lang"),
            "target": target or tokenizer.get("tgt_lang"),
            "task": task,
            "prefixes": {k: v["prefix"] for k, v in prefixes.items() if v.get("prefix")},
        },
    )
    check_special(tokenizer, processor.tokenizer, _one(config["eos_token_id"]), processor.first)
    return processor


@contextmanager
def _of_a_search(path):
    """Within it an error is one of a file that says how to search."""
    try:
        yield
    except (TypeError, ValueError, LookupError) as error:
        if isinstance(error, S2SZooError):
            raise
        raise CheckpointError(
            f"{path} does not describe a search: {error!r:.300}. Download the checkpoint again, or "
            "write what transformers writes there."
        ) from error


def _refuse_languages(source, target, task):
    if source or target:
        call = " A call says them: language=…, task=…." * (task == "transcription")
        raise DataError(
            f"This checkpoint, of {task}, is not told its languages when it is loaded. Received: "
            f"source={source!r}, target={target!r}. Leave them out.{call}"
        )


def _family(directory, config):
    path = directory / "config.json"
    if (reason := why_not(config.get("model_type"))) is not None:
        raise CheckpointError(f"{path}: {reason}. Known: {', '.join(sorted(FAMILIES))}.")
    try:
        family = lookup(FAMILIES, config.get("model_type"), "model_type")
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error
    architectures = config.get("architectures") or []
    if type(architectures) is not list or not all(type(name) is str for name in architectures):
        raise CheckpointError(
            f"{path} expected architectures to be a list of names. Received: "
            f"{architectures!r:.80}. Download the checkpoint again."
        )
    for name in architectures:
        if not name.endswith(HEADS) and not re.fullmatch(r"[A-Za-z0-9]+Model", name):
            raise CheckpointError(
                f"{path} describes a {name}, which does not write text from text. Use a checkpoint "
                f"whose architecture ends in {' or '.join(HEADS)}."
            )
        half = name.endswith(("EncoderModel", "DecoderModel"))
        if half and not name.endswith(BOTH_HALVES):
            raise CheckpointError(f"{path} describes a {name}, half of a model. {WHOLE}")
    return family


def _with_forced_language(processor, generation):
    """The target language that generation_config.json forces, where it does."""
    forced = generation.get("forced_bos_token_id")
    codes = {
        processor.tokenizer.vocabulary[piece]: code for code, piece in processor.languages.items()
    }
    return processor.between(target=codes[forced]) if forced in codes else processor


def _start(config, generation, processor):
    """The id the decoder reads first: a token, or the code of the target language."""
    found = [file.get("decoder_start_token_id") for file in (generation, config)]
    found += [processor.start, config["pad_token_id"]]
    start = next(token for token in found if token is not None)
    if processor.begins_with_target and processor.target is not None:
        start = processor.tokenizer.vocabulary[processor.target]
    return processor.to_ours(start)


def _describe_model(parts, config):
    """The configuration of the `Seq2Seq`."""
    encoder, decoder = parts
    return {
        "encoder": encoder,
        "decoder": {**decoder, "tie_embeddings": config["tie_word_embeddings"]},
        "share_embeddings": config.get("share_encoder_decoder_embeddings", True),
    }


def _one(ids):
    return ids[0] if isinstance(ids, list) and ids else ids
