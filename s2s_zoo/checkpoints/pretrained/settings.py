"""From tokenizer_config.json and the files beside it to what a tokenizer is made with."""

import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from s2s_zoo.checkpoints.pretrained.tokenizers import (
    UNKNOWN,
    Added,
    JsonTokenizer,
    PieceTokenizer,
)
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import read_optional_json
from s2s_zoo.protocol.types import Config

FILE = "tokenizer_config.json"
# Every key of a tokenizer_config.json is in one of these tables; docs/pretrained.md has them too.
USED = frozenset(
    "tokenizer_class source_lang target_lang src_lang tgt_lang model_max_length extra_ids offset "
    "add_prefix_space separate_vocabs legacy_behaviour language_codes added_tokens_decoder "
    "clean_up_tokenization_spaces eos_token unk_token cls_token sep_token "
    "additional_special_tokens extra_special_tokens".split()
)
# Names of files, of classes and of other tokens, what shapes batches, what a chat looks like.
WITHOUT_EFFECT = frozenset(
    "bos_token pad_token mask_token mask_token_sent name_or_path special_tokens_map_file "
    "tokenizer_file vocab_file merges_file spm_file source_spm target_spm vocab target_vocab_file "
    "processor_class auto_map transformers_version backend is_local local_files_only use_fast "
    "model_input_names max_len max_length stride truncation truncation_strategy padding "
    "padding_side pad_to_multiple_of pad_token_type_id pad_token_type num_madeup_words errors "
    "trim_offsets chat_template model_specific_special_tokens unk_id legacy keep_accents from_slow "
    "special_tokens clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output "
    "do_basic_tokenize never_split spaces_between_special_tokens return_token_type_ids language "
    "verbose cache_dir".split()
)
# A warning names them, unless they have the value that is off; None is off for all.
NOT_DONE: dict[str, Any] = {
    "do_lower_case": False,
    "split_special_tokens": False,
    "truncation_side": "right",
    "sp_model_kwargs": {},
    "add_bos_token": False,
    "add_eos_token": False,
}
KNOWN = USED | WITHOUT_EFFECT | NOT_DONE.keys()
ALWAYS = (
    "tokenizer_class",
    "source_lang",
    "target_lang",
    "clean_up_tokenization_spaces",
)
SPECIAL_TOKENS = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
MORE_SPECIAL = ("additional_special_tokens", "extra_special_tokens")
FLAGS = ("special", "lstrip", "rstrip")


def read_settings(directory: Path, config: Config, done: Collection[str] = ()) -> Config:
    """Returns the settings of a tokenizer, all of them, with "added_tokens".

    What is not done here is named in a warning.

    Args:
        directory: path.
        config: dict, config.json, where the first checkpoints have some of them.
        done: names of those that this tokenizer does, and most do not.

    Raises:
        CheckpointError: for files that are not understood.
    """
    found = read_optional_json(directory / FILE)
    if "added_tokens_decoder" not in found:
        found = {**found, **read_optional_json(directory / "special_tokens_map.json")}
    added = dict(_added(directory, found))
    _warn({name: odd for name, odd in _not_done(found, added).items() if name not in done})
    return {**config, **found, "added_tokens": added}


def kept_settings(settings: Config, options: Collection[str]) -> Config:
    """Those that a processor keeps, to be made of them again.

    Args:
        settings: dict, what `read_settings` returns.
        options: names of those that its family reads.
    """
    kept = (*ALWAYS, *options, *(["added_tokens"] if settings["added_tokens"] else []))
    return {name: settings[name] for name in kept if name in settings}


def check_special(
    settings: Config, tokenizer: PieceTokenizer | JsonTokenizer, end: int, first: str | None
) -> None:
    """Compares the part that tokens have in the settings with the one that they have here.

    Those that are special there and not here are named in a warning.

    Args:
        settings: dict, what `read_settings` returns.
        tokenizer: the one that was made with them.
        end: int, the id of the end token.
        first: str or None, the piece that every text begins with.

    Raises:
        CheckpointError: where a text would end or begin with another token.
    """
    ids = tokenizer.vocabulary
    ends = [("eos_token", end), *([("sep_token", end), ("cls_token", ids[first])] if first else [])]
    for name, wanted in (*ends, ("unk_token", ids[UNKNOWN])):
        content = _content(settings.get(name))
        if content is not None and ids.get(content) != wanted:
            raise CheckpointError(
                f"{FILE} expected {name} to be the token {wanted}. Received: {content!r}, which is "
                f"{ids.get(content, 'none')}. Correct it, or use another checkpoint."
            )
    named = {f"{name}_token": [settings.get(f"{name}_token")] for name in SPECIAL_TOKENS}
    named |= {name: settings.get(name) or [] for name in MORE_SPECIAL}
    _warn(
        {
            name: odd
            for name, tokens in named.items()
            if (odd := [x for x in map(_content, tokens) if x and x not in tokenizer.special])
        }
    )


def _warn(odd):
    if odd:
        warnings.warn(
            f"{FILE} says {', '.join(f'{k}={v!r:.60}' for k, v in odd.items())}, which no "
            "tokenizer here does: answers may differ from those of transformers.",
            stacklevel=3,
        )


def _not_done(settings, added):
    odd = {
        name: value
        for name, value in settings.items()
        if value is not None
        and (name not in KNOWN or (name in NOT_DONE and value != NOT_DONE[name]))
    }
    for piece, token in added.items():
        if token.pop("single_word", False):
            odd[f"added_tokens_decoder[{token['id']}]"] = {"content": piece, "single_word": True}
    return odd


def _added(directory: Path, settings: Config) -> Iterator[tuple[str, Added]]:
    """Yields the added tokens, with their ids and how they stand in a text."""
    if (decoder := settings.get("added_tokens_decoder")) is not None:
        if not isinstance(decoder, dict):
            raise _no_tokens(FILE, decoder)
        for number, token in decoder.items():
            content = _content(token)
            if content is None or not str(number).isdecimal():
                raise _no_tokens(FILE, {number: token})
            flags = token if isinstance(token, dict) else {}
            names = (*FLAGS, "single_word")
            yield content, {"id": int(number), **{x: True for x in names if flags.get(x)}}
        return
    special = {_content(settings.get(f"{name}_token")) for name in SPECIAL_TOKENS}
    for name in MORE_SPECIAL:
        more = settings.get(name) or []
        special |= {_content(token) for token in (more if isinstance(more, list) else [])}
    for content, number in read_optional_json(directory / "added_tokens.json").items():
        if type(number) is not int or number < 0:
            raise _no_tokens("added_tokens.json", {content: number})
        yield content, {"id": number, **({"special": True} if content in special else {})}


def _content(token):
    """The text of a token, which is a text or a dict, or None."""
    token = token.get("content") if isinstance(token, dict) else token
    return token if isinstance(token, str) and token else None


def _no_tokens(name, received):
    return CheckpointError(
        f"{name} expected ids and texts of added tokens. Received: {received!r:.60}. Download the "
        "checkpoint again."
    )
