"""Text to the ids of an imported model, and back."""

import re
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from s2s_zoo.checkpoints.pretrained import FAMILIES
from s2s_zoo.checkpoints.pretrained.sides import FromFiles, Side
from s2s_zoo.checkpoints.pretrained.tokenizers import Files
from s2s_zoo.data.processor import TextProcessor
from s2s_zoo.data.targets import Sampling, encode
from s2s_zoo.protocol import START
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.registry import lookup, unknown_name
from s2s_zoo.protocol.types import Config

ROBERTA = "<s>"  # what every text begins with that a RoBERTa's tokenizer cuts, as in a CodeT5


class PretrainedProcessor(FromFiles, TextProcessor):
    """The tokenizer of a published checkpoint, with the ids in the order the package expects.

    The vocabulary is rearranged: the padding token is PAD, the end token END, the unknown token
    has the id START (a decoder made for it reads its own first token, so START has no other use),
    and the rest follow in their order.

    Args:
        files: dict from the names of the tokenizer files to their bytes.
        options: dict with the keys OPTIONS: "family" (the model_type), "vocabulary_size" and
            "target_vocabulary_size" (equal unless the two sides have ids of their own),
            "special" (the ids of padding and end), "tokenizer" (tokenizer_config.json), lengths,
            the language codes "source" and "target" or None, and "prefixes", the texts that
            tell a T5 its "task".
    """

    TYPE = "pretrained"
    OPTIONS = (
        "family",
        "vocabulary_size",
        "target_vocabulary_size",
        "special",
        "tokenizer",
        "max_source_length",
        "max_target_length",
        "source",
        "target",
        "task",
        "prefixes",
    )
    unknown_id = START

    def __init__(self, files: Files, options: Config) -> None:
        self.options = dict(options)
        self.family = lookup(FAMILIES, options["family"], "family")
        self.tokenizer, used = self.family.tokenizer(files, options["tokenizer"])
        self.tokenizer.add(options["tokenizer"].get("added_tokens", {}))
        self.files = {name: files[name] for name in used}
        kind = str(options["tokenizer"].get("tokenizer_class"))
        self.first = ROBERTA if kind.startswith("Roberta") else self.family.first
        several = self.family.languages
        self.languages = {
            found[1]: piece
            for piece in sorted(self.tokenizer.special)
            if several and (found := re.fullmatch(several.pattern, piece))
        }
        source, target = (Side(self.tokenizer, options, target) for target in (False, True))
        super().__init__(source, target, options["max_source_length"], options["max_target_length"])
        self._choose(options["source"], options["target"])

    def between(self, source: str | None = None, target: str | None = None) -> Self:
        """Returns the processor for another pair of languages.

        Raises:
            DataError: for a code the checkpoint does not have; the message names the nearest.
        """
        chosen = {"source": source, "target": target}
        if self.begins_with_target and target not in (None, self.options["target"]):
            raise DataError(
                "This checkpoint writes one language, from its first token on. Received: "
                f"target={target!r}. Load it with from_pretrained(…, target={target!r})."
            )
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        languages = {side: code or self.options[side] for side, code in chosen.items()}
        PretrainedProcessor._choose(other, **languages)
        return other

    def _choose(self, source, target):
        codes = {piece: code for code, piece in self.languages.items()}
        source, target = (
            codes.get(source, source),
            codes.get(target, target),
        )  # settings have either
        self.options = {**self.options, "source": source, "target": target}
        self.source = self.target = None
        self.prefix = self.options["prefixes"].get(self.options["task"], "")
        if source is None and target is None:
            return
        if self.options["prefixes"]:
            name = f"translation_{source}_to_{target}"
            if name not in self.options["prefixes"]:
                known = unknown_name(self.options["prefixes"], name, "task of this checkpoint")
                raise DataError(f"{known} Say both source=… and target=….")
            self.prefix = self.options["prefixes"][name]
        elif self.languages:
            self.source = self._language(source) if self._language_at("ends") else None
            self.target = self._language(target)
        elif [source or self._named[0], target or self._named[1]] != self._named:
            raise DataError(
                f"This checkpoint knows one pair, {' to '.join(map(str, self._named))}."
                f" Received: source={source!r}, target={target!r}. Leave them out."
            )

    @property
    def pair(self) -> list[str | None]:
        """The codes of source and target, None where nobody says."""
        chosen = (self.options["source"], self.options["target"])
        return [code or named for code, named in zip(chosen, self._named, strict=True)]

    @property
    def _named(self):
        """The languages tokenizer_config.json names."""
        return [self.options["tokenizer"].get(f"{side}_lang") for side in ("source", "target")]

    def encode_source(
        self, texts: Sequence[str], truncate: bool = True, sampling: Sampling | None = None
    ) -> list[np.ndarray]:
        prefix: list[int] = []
        suffix: list[int] = []
        if self._language_at("ends") and self.languages:
            code = [self._id(self._required("source"))]
            behind = self.begins_with_target or self.options["tokenizer"].get("legacy_behaviour")
            prefix, suffix = ([], code) if behind else (code, [])
        elif self._language_at("text") and len(self.languages) > 1:
            texts = [self._with_target(text) for text in texts]
        elif self.first is not None:
            prefix = [self._id(self.first)]
        texts = [self.prefix + text for text in texts]
        rows = self._frame(texts, truncate, prefix, suffix, "source", sampling)
        # One of END alone stays: there is no source without a token.
        ends = self.options["tokenizer"].get("source_ends", self.family.source_ends)
        return rows if ends else [row[: max(1, len(row) - 1)] for row in rows]

    def encode_target(
        self,
        texts: Sequence[str],
        truncate: bool = True,
        sampling: Sampling | None = None,
        sources: Sequence[Any] | None = None,
    ) -> list[np.ndarray]:
        prefix = []
        if self.forces_language:
            prefix = [self._id(self._required("target"))]
        elif self.first is not None and self.family.target_begins:
            prefix = [self._id(self.first)]
        return self._frame(texts, truncate, prefix, [], "target", sampling)

    @property
    def between_turns(self) -> str | None:
        """What stands between the turns of a dialogue, or None where it is for no dialogue."""
        return self.family.between_turns

    @property
    def forces_language(self) -> bool:
        """Whether every target begins with the code of its language."""
        return self._language_at("ends") and not self.begins_with_target

    @property
    def begins_with_target(self) -> bool:
        """Whether the decoder starts from the code of the target language."""
        several = self.family.languages
        return several is not None and several.target_starts(self.languages)

    def _language_at(self, place):
        return self.family.languages is not None and self.family.languages.place == place

    def _frame(self, texts, truncate, prefix, suffix, side, sampling):
        limit = getattr(self, f"max_{side}_length") if truncate else None
        limit = limit and limit - len(prefix) - len(suffix)
        rows = encode(getattr(self, f"{side}_tokenizer"), texts, limit, side, sampling)
        return [np.array([*prefix, *row, *suffix], "int32") for row in rows]

    def _id(self, piece):
        return self.to_ours(self.tokenizer.vocabulary[piece])

    def _language(self, code):
        if code is None:
            return None
        # "de" is enough for de_DE, where no other code begins so.
        same = [known for known in self.languages if known.split("_")[0] == code]
        code = same[0] if len(same) == 1 else code
        if code not in self.languages:
            raise DataError(unknown_name(self.languages, code, "language code"))
        return self.languages[code]

    def _required(self, side):
        piece = getattr(self, side)
        if piece is None:
            raise DataError(
                f"This checkpoint reads many languages: say which one with {side}=…. "
                f"Known: {', '.join(self.languages)}."
            )
        return piece

    def _with_target(self, text):
        """Puts the code of the target language before a text that has none."""
        found = re.match(r">>(.+?)<<", text)
        if found is None:
            return f"{self._required('target')} {text}"
        if found[1] not in self.languages:
            raise DataError(unknown_name(self.languages, found[1], "language code"))
        return text
