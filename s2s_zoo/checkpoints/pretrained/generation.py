"""From generation_config.json to the defaults of a search."""

from typing import Any

from s2s_zoo.protocol import END
from s2s_zoo.protocol.types import Config

SAMPLING = ("temperature", "top_k", "top_p")


def search_defaults(config: Config, processor: Any, translates: bool) -> Config:
    """Returns what `Pipeline` takes as `generation`, so that it writes what transformers would.

    The unknown and the padding token are never written.

    Args:
        config: dict, generation_config.json, or config.json where a checkpoint has no other.
        processor: a `PretrainedProcessor`.
        translates: bool; the limit of a translation follows the length of its source, and
            max_length is only its upper bound.
    """

    def value(name, default):
        found = config.get(name)
        return default if found is None else found

    beams = value("num_beams", 1)
    options = {
        "num_beams": beams,
        "no_repeat_ngram_size": value("no_repeat_ngram_size", 0),
        "repetition_penalty": value("repetition_penalty", 1.0),
        # The token a decoder starts from counts there.
        "min_length": max(value("min_new_tokens", 0), value("min_length", 0) - 1, 0),
        "suppress_tokens": _suppressed(config, processor),
        "score_forced": False,
        "length_penalty": value("length_penalty", 1.0),
        "early_stopping": value("early_stopping", False),
    }
    if options["early_stopping"] == "never":  # which is what None says here
        options["early_stopping"] = None
    if not translates and (limit := longest_target(config)) is not None:
        options["max_length"] = limit
    if value("forced_bos_token_id", None) is not None or processor.forces_language:
        options["forced_prefix"] = ""  # the processor begins every target with that token
    if beams == 1 and value("do_sample", False):
        options["strategy"] = "sample"
        options |= {name: config[name] for name in SAMPLING if config.get(name) is not None}
    return options


def longest_target(config: Config) -> int | None:
    """The most tokens of a target, END counted, or None."""
    if (limit := config.get("max_new_tokens")) is not None:
        return limit
    return None if config.get("max_length") is None else config["max_length"] - 1


def _suppressed(config, processor):
    words = config.get("bad_words_ids") or []
    words = {tuple(map(processor.to_ours, word)) for word in words}
    words |= {(processor.to_ours(token),) for token in config.get("suppress_tokens") or []}
    single = {word[0] for word in words if len(word) == 1} - {END}
    return sorted(single) + sorted(word for word in words if len(word) > 1)
