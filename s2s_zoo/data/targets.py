"""The side of the targets, which are text whatever the sources are."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from s2s_zoo.data.pairs import PairSource, read_pairs
from s2s_zoo.data.stored import Stored
from s2s_zoo.protocol import END, PAD, START, UNK
from s2s_zoo.protocol.padding import pad_rows
from s2s_zoo.protocol.tasks import Reads

Sampling: TypeAlias = tuple[float, Any]  # alpha and seed of a tokenizer's `sample`


class Targets(Stored):
    """The side of the targets, the same for every kind of source.

    Args:
        target_tokenizer: a tokenizer of the table `TOKENIZERS`.
        max_target_length: int, the longest target in tokens, END counted.

    Attributes:
        reads: what a source is, as `Task` has it.
        held_out: function of pairs, the sources and the targets that a model is scored with.
    """

    reads: Reads
    held_out: Callable[..., tuple[list[Any], list[Any]]]

    window: int | None = None  # how many sources are encoded together; None for all of a list
    unknown_id = UNK
    extra_ids = 0  # beyond the vocabulary, for words that only their source knows

    def __init__(self, target_tokenizer: Any, max_target_length: int) -> None:
        check_length("max_target_length", max_target_length)
        self.target_tokenizer = target_tokenizer
        self.max_target_length = max_target_length

    def __repr__(self) -> str:
        """Its tokenizers, each once, and its numbers and names."""
        tokenizers = dict.fromkeys(map(repr, self.tokenizers.values()))
        known = {**vars(self), **vars(self).get("options", {})}
        known.pop("format_version", None)
        kinds = (int, str, tuple)
        said = [f"{name}={x!r}" for name, x in known.items() if x and isinstance(x, kinds)]
        return f"{type(self).__name__}({', '.join([*tokenizers, *said])})"

    @property
    def prepares(self) -> bool:
        """Whether texts are brought to another form before they become ids."""
        return False

    @property
    def tokenizers(self) -> dict[str, Any]:
        """Those of the sides that are text: a dict from "source" and "target"."""
        return {"target": self.target_tokenizer}

    def save_tokenizers(self, directory: Path) -> None:
        """Writes source.model and target.model, of the sides that are text, for other programs."""
        for side, tokenizer in self.tokenizers.items():
            tokenizer.save(directory / f"{side}.model")

    def encode_target(
        self,
        texts: Sequence[str],
        truncate: bool = True,
        sampling: Sampling | None = None,
        sources: Sequence[Any] | None = None,
    ) -> list[np.ndarray]:
        """Turns targets into ids.

        Args:
            texts: list of str, any.
            truncate: bool, cut a long text at `max_target_length`, with a warning.
            sampling: (alpha, seed) of the tokenizer's `sample`, to draw a segmentation; None
                gives the usual one.
            sources: list of the sources the texts belong to, where known: a `CopyingProcessor`
                has ids for their words.

        Returns:
            list of int32 arrays, each ending in END.
        """
        limit = self.max_target_length if truncate else None
        return encode(self.target_tokenizer, texts, limit, "target", sampling)

    def read_held_out(self, pairs: PairSource) -> tuple[list[Any], list[Any]]:
        """The sources and the targets of what `read_pairs` takes; see `held_out`."""
        return self.held_out(read_pairs(pairs))

    def protected(
        self, sources: Sequence[Any], targets: Sequence[str]
    ) -> tuple[Sequence[Any], Sequence[str]]:
        """Pairs as the model reads and writes them: what must not change behind symbols.

        Args:
            sources: list.
            targets: list of str, one for each source.

        Returns:
            Both; they themselves where the model knows no symbols.
        """
        return sources, targets

    def pad(self, rows: Sequence[Any], length: int | None = None) -> np.ndarray:
        """Returns rows of ids as one int32 array (B, length), or (B, longest row)."""
        longest = max(map(len, rows), default=0)
        if length is not None and length < longest:
            raise ValueError(f"pad expected rows of at most {length} ids. Received: {longest}.")
        return pad_rows(rows, longest if length is None else length)

    def decode(self, ids: Any, sources: Sequence[Any] | None = None) -> Any:
        """Turns generated ids into text.

        Args:
            ids: int array (..., T); what follows the first END is ignored, PAD and START too.
            sources: list of the sources of `ids` along its first axis, as for `encode_target`.

        Returns:
            str where `ids` is (T,), otherwise nested lists of str in the leading shape of `ids`.
        """
        ids = np.asarray(ids)
        rows = ids.reshape(-1, ids.shape[-1])
        rows = np.where(np.cumsum(rows == END, axis=-1) > 0, PAD, rows)
        texts = self._texts([row[(row != PAD) & (row != START)] for row in rows], sources)
        shaped = np.empty(len(texts), object)
        shaped[:] = texts
        return shaped.reshape(ids.shape[:-1]).tolist()

    def _texts(self, rows, sources):
        return self.target_tokenizer.decode(rows)

    def target_pieces(self, row: Iterable[int], source: Any) -> list[str]:
        """The unit behind each id of a target of this source."""
        return self.target_tokenizer.pieces(row)

    def check_model(self, model: Any) -> None:
        """Raises ValueError unless a model has the vocabularies of the processor."""
        extra_ids = getattr(model.decoder, "extra_ids", 0)
        if extra_ids != self.extra_ids:
            raise ValueError(
                f"Pipeline expected a decoder with the {self.extra_ids} extra_ids of the "
                f"processor. Received: {extra_ids}. Words need a CopyingProcessor and a decoder "
                "with as many extra_ids, subwords a TextProcessor and none."
            )
        parts = {"source": model.encoder, "target": model.decoder}
        for side, tokenizer in self.tokenizers.items():
            part = parts[side]
            if tokenizer.vocabulary_size != part.vocabulary_size:
                size = tokenizer.vocabulary_size
                raise ValueError(
                    f"Pipeline expected a model with the {side} vocabulary of the processor, "
                    f"{size} units. Received: {part.vocabulary_size}. Make the model with "
                    f"vocabulary_size={size}."
                )


def encode(
    tokenizer: Any,
    texts: Sequence[str],
    limit: int | None,
    side: str,
    sampling: Sampling | None = None,
) -> list[np.ndarray]:
    """Returns the ids of texts, each with END, cut at `limit` with a warning unless it is None."""
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"encode_{side} expected a list of str. Received: {texts!r:.80}.")
    rows = tokenizer.encode(texts) if sampling is None else tokenizer.sample(texts, *sampling)
    if limit is not None:
        long = [index for index, row in enumerate(rows) if len(row) >= limit]
        for index in long:
            rows[index] = rows[index][: limit - 1]
        if long:
            warnings.warn(
                f"{len(long)} of {len(rows)} {side} texts are longer than {limit} tokens and were "
                f"cut there. Split them, or raise max_{side}_length.",
                stacklevel=3,
            )
    return [np.array([*row, END], "int32") for row in rows]


def require_text(text: Any, expected: str = "text: str, or a list or an iterator of str") -> None:
    """Raises TypeError for anything but a str."""
    if not isinstance(text, str):
        raise TypeError(
            f"Pipeline expected {expected}. Received: {type(text).__name__} {text!r:.80}."
        )


def check_length(name: str, length: int) -> None:
    """Raises ValueError unless a longest length leaves room for a token and END."""
    if not isinstance(length, int) or length < 2:
        raise ValueError(
            f"A processor expected {name} >= 2, a token and END. Received: {name}={length!r}."
        )
