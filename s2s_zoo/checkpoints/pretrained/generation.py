"""From generation_config.json to the defaults of a search."""

import warnings
from collections.abc import Iterator
from typing import Any

from s2s_zoo.generation.options import OPTIONS, check_groups
from s2s_zoo.protocol import END
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import Config

SAMPLING = ("temperature", "top_p")
# The same, unless they are off.
CUTS = {"min_p": 0.0, "typical_p": 1.0, "epsilon_cutoff": 0.0, "eta_cutoff": 0.0}
# The options that keys of theirs become, where the names differ.
OURS = {
    "min_new_tokens": "min_length",
    "max_new_tokens": "max_length",
    "renormalize_logits": "renormalize",
    "num_return_sequences": "num_return",
}
DECAY = "exponential_decay_length_penalty"
LISTS = ("bad_words_ids", "suppress_tokens")  # checked as they are read
TOP_K = 50  # of transformers, where a file that samples says nothing

# Every key of a generation_config.json is in one of these tables; docs/pretrained.md has them too.
USED = frozenset(
    "max_length max_new_tokens min_length min_new_tokens early_stopping do_sample num_beams "
    "temperature top_k top_p repetition_penalty length_penalty no_repeat_ngram_size bad_words_ids "
    "encoder_no_repeat_ngram_size renormalize_logits suppress_tokens forced_bos_token_id "
    "forced_eos_token_id eos_token_id decoder_start_token_id num_return_sequences min_p typical_p "
    "epsilon_cutoff eta_cutoff num_beam_groups diversity_penalty exponential_decay_length_penalty "
    "force_bos_token_to_be_generated".split()
)
# They change no text: what is returned beside it, caches, compilation, drafts of an assistant.
WITHOUT_EFFECT = frozenset(
    "use_cache cache_implementation cache_config max_cache_len remove_invalid_values "
    "output_attentions output_hidden_states output_scores output_logits return_dict_in_generate "
    "pad_token_id bos_token_id is_assistant num_assistant_tokens num_assistant_tokens_schedule "
    "assistant_confidence_threshold prompt_lookup_num_tokens max_matching_ngram_size "
    "assistant_early_exit assistant_lookbehind target_lookbehind assistant_ensemble_weight "
    "speculation_type compile_config disable_compile continuous_batching_config low_memory "
    "prefill_chunk_size use_mtp transformers_version _from_model_config _commit_hash".split()
)
# A warning names them, unless they have the value that is off; None is off for all.
NOT_DONE: dict[str, Any] = {
    "encoder_repetition_penalty": 1.0,
    "begin_suppress_tokens": [],
    "sequence_bias": {},
    "token_healing": False,
    "guidance_scale": 1.0,
    "watermarking_config": None,
    "max_time": None,
    "stop_strings": [],
    "penalty_alpha": 0.0,
    "dola_layers": None,
    "constraints": [],
    "force_words_ids": [],
    "forced_decoder_ids": [],
}
# The same, where tokens are drawn.
NOT_DRAWN_SO: dict[str, Any] = {"top_h": None}
KNOWN = USED | WITHOUT_EFFECT | NOT_DONE.keys() | NOT_DRAWN_SO.keys()


def search_defaults(config: Config, processor: Any, translates: bool, start: int = -1) -> Config:
    """Returns what `Pipeline` takes as `generation`, so that it writes what transformers would.

    The unknown and the padding token are never written. What a search here does not do is named
    in a warning.

    Args:
        config: dict, generation_config.json, or of config.json what is `KNOWN`.
        processor: a `PretrainedProcessor`.
        translates: bool; the limit of a translation follows the length of its source, and
            max_length is only its upper bound.
        start: int, the id that the decoder reads first.

    Raises:
        CheckpointError: for several end tokens, and for values that no search could have.
        ValueError: for groups that do not divide the beams.
    """
    config = {name: value for name, value in config.items() if value is not None}
    _check_ends(config, processor)
    _check_values(config)
    beams = config.get("num_beams", 1)
    sampled = beams == 1 and config.get("do_sample", False)
    options = {
        "num_beams": beams,
        "no_repeat_ngram_size": config.get("no_repeat_ngram_size", 0),
        "repetition_penalty": config.get("repetition_penalty", 1.0),
        # The token a decoder starts from counts in min_length.
        "min_length": config.get("min_new_tokens", max(config.get("min_length", 0) - 1, 0)),
        "suppress_tokens": _suppressed(config, processor),
        "score_forced": False,
        "length_penalty": config.get("length_penalty", 1.0),
        "early_stopping": config.get("early_stopping", False),
    }
    if config.get("encoder_no_repeat_ngram_size", 0):
        options["encoder_no_repeat_ngram_size"] = config["encoder_no_repeat_ngram_size"]
    if options["early_stopping"] == "never":  # which is what None says here
        options["early_stopping"] = None
    if config.get("renormalize_logits", False):
        options["renormalize"] = True
    if DECAY in config:
        options["end_growth_start"], options["end_growth"] = _decay(config[DECAY])
    if config.get("num_beam_groups", 1) > 1:
        options["num_beam_groups"] = config["num_beam_groups"]
        options["diversity_penalty"] = config.get("diversity_penalty", 0.0)
        check_groups(beams, options["num_beam_groups"], options["diversity_penalty"])
    if not translates and (limit := longest_target(config)) is not None:
        options["max_length"] = limit
    if "forced_bos_token_id" in config or processor.forces_language:
        options["forced_prefix"] = ""  # the processor begins every target with that token
    if sampled:
        options["strategy"] = "sample"
        options |= {name: config[name] for name in SAMPLING if name in config}
        options |= {k: config[k] for k, off in CUTS.items() if config.get(k, off) != off}
        options["top_k"] = config.get("top_k", TOP_K) or None
    if beams > 1 or sampled:
        options["num_return"] = config.get("num_return_sequences", 1)
    if odd := dict(_not_done(config, processor, beams, sampled, start)):
        warnings.warn(
            f"generation_config.json says {', '.join(f'{k}={v!r:.60}' for k, v in odd.items())}, "
            "which no search here does: answers may differ from those of transformers.",
            stacklevel=2,
        )
    return options


def generation_part(config: Config) -> Config:
    """Of a config.json what tells how to generate, for checkpoints without another file."""
    part = {name: value for name, value in config.items() if name in KNOWN}
    if part.pop("force_bos_token_to_be_generated", False):  # of the first BART
        part["forced_bos_token_id"] = config.get("bos_token_id")
    return part


def longest_target(config: Config) -> int | None:
    """The most tokens of a target, END counted, or None."""
    if (limit := config.get("max_new_tokens")) is not None:
        return limit
    return None if config.get("max_length") is None else config["max_length"] - 1


def _check_ends(config, processor):
    """Raises CheckpointError unless a text ends as the processor thinks."""
    ends = config.get("eos_token_id", [])
    ends = ends if isinstance(ends, list) else [ends]
    if any(processor.to_ours(token) != END for token in ends):
        raise CheckpointError(
            "generation_config.json expected eos_token_id to be the one of config.json. Received: "
            f"{config['eos_token_id']!r}. A text that ends with one of several tokens is not "
            "written here: use another checkpoint."
        )


def _check_values(config):
    """Raises CheckpointError for a value that no search could have."""
    off = {"early_stopping": "never", "top_k": 0}
    if config.get("do_sample") is not True:  # then it says nothing
        off["temperature"] = 0
    for name, value in config.items():
        option = OPTIONS.get(OURS.get(name, name))
        if option is None or name in LISTS or (name in off and value == off[name]):
            continue
        if not option.fits(value) or (type(value) is not bool and not option.allows(value)):
            kind = f"{option.kind.__name__} {option.range}".rstrip()
            raise CheckpointError(
                f"generation_config.json expected {name} to be {kind}. Received: {value!r:.60}. "
                "Correct the file, or download the checkpoint again."
            )


def _not_done(
    config: Config, processor: Any, beams: int, sampled: bool, start: int
) -> Iterator[tuple[str, Any]]:
    """Yields the keys, and their values, that make another text in transformers than here."""
    off = {**NOT_DONE, **(NOT_DRAWN_SO if sampled else {})}
    for name, value in config.items():
        if name not in KNOWN or (name in off and value != off[name]):
            yield name, value
    if beams > 1 and config.get("do_sample"):
        yield "do_sample", True
    if config.get("diversity_penalty") and config.get("num_beam_groups", 1) == 1:
        yield "diversity_penalty", config["diversity_penalty"]
    # There of the logits where no beams are.
    if DECAY in config and beams == 1:
        yield DECAY, config[DECAY]
    # The same, and of the token that the decoder starts from.
    if config.get("repetition_penalty", 1.0) != 1 and (beams == 1 or start == END):
        yield "repetition_penalty", config["repetition_penalty"]
    forced = config.get("forced_eos_token_id")
    if forced is not None and processor.to_ours(forced) != END:
        yield "forced_eos_token_id", forced
    first = config.get("forced_bos_token_id")
    if first is not None and not processor.forces_language:
        begun = processor.encode_target([""])[0]
        if len(begun) < 2 or processor.to_ours(first) != begun[0]:
            yield "forced_bos_token_id", first


def _decay(written):
    """The start and the factor of an exponential_decay_length_penalty."""
    options = [OPTIONS[name] for name in ("end_growth_start", "end_growth")]
    fits = isinstance(written, list | tuple) and len(written) == len(options)
    if not fits or not all(
        option.fits(value) and option.allows(value)
        for option, value in zip(options, written, strict=True)
    ):
        raise CheckpointError(
            f"generation_config.json expected {DECAY} to be a number of tokens and a factor above "
            f"0, such as [15, 1.6]. Received: {written!r:.60}. Correct the file, or leave it out."
        )
    return written


def _suppressed(config, processor):
    words = config.get("bad_words_ids") or []
    words = {tuple(map(processor.to_ours, word)) for word in words}
    words |= {(processor.to_ours(token),) for token in config.get("suppress_tokens") or []}
    single = {word[0] for word in words if len(word) == 1} - {END}
    return sorted(single) + sorted(list(word) for word in words if len(word) > 1)
