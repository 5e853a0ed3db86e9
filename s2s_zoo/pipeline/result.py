"""What a pipeline knows of a text it generated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from s2s_zoo.protocol.errors import S2SZooError
from s2s_zoo.protocol.types import StrPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Result(NamedTuple):
    """A generated text with what is known of it. In a notebook an alignment shows as an image.

    Attributes:
        text: str.
        score: float, as the search defines it, or None where it was not computed.
        source_tokens: sequence of str, S units, the last being the end of the text.
        target_tokens: sequence of str, T units.
        alignment: (T, S) float32, how much each target token attended to each source token, or
            None where not asked for. Row t is the attention from which token t was predicted.
        p_gen: (T,) float32, how much each target token came from the vocabulary; the rest was
            copied from where its row of `alignment` looked. None without a pointer, and without
            alignment.
        score_per_token: float, the mean log-probability of the tokens with END, or None where none
            was computed.
        warning: str, what should make its reader look twice, or None.
        segments: tuple of Result, of the sentences of a text of several; their scores, tokens and
            alignments are in them, and `score` is the sum.
    """

    text: str
    score: float | None = None
    source_tokens: Sequence = ()
    target_tokens: Sequence = ()
    alignment: Any = None
    p_gen: Any = None
    score_per_token: float | None = None
    warning: str | None = None
    segments: tuple[Result, ...] = ()

    def __repr__(self) -> str:
        """The text and what is known of it, of tokens and matrices only how many."""
        said = [repr(self.text)]
        for name, value in zip(self._fields[1:], self[1:], strict=True):
            if isinstance(value, float):
                said.append(f"{name}={value:.4g}")
            elif isinstance(value, str):
                said.append(f"{name}={value!r}")
            elif value is not None and hasattr(value, "shape"):
                said.append(f"{name}: {' x '.join(map(str, value.shape))}")
            elif value is not None and len(value):
                said.append(f"{name}: {len(value)}")
        return f"Result({', '.join(said)})"

    def plot(self, path: StrPath | None = None) -> Figure:
        """Draws the alignment as figure 3 of Bahdanau et al. (2015, 1409.0473).

        The columns are the source, the rows the target; white is 1, black 0.

        Args:
            path: str or path of the picture to write, of a kind that matplotlib writes, by its
                ending; None writes none.

        Returns:
            The matplotlib Figure. To save it yourself: `savefig(…, bbox_inches="tight")`.

        Raises:
            S2SZooError: where there is no alignment with a text, no matplotlib, or it does not
                know the ending.
        """
        if self.alignment is None or not len(self.source_tokens):
            raise S2SZooError(
                "There is no alignment with a source text to draw. Ask for it with "
                "return_alignment=True; those of a text of several sentences are in its "
                "`segments`, and the attention over a photo or a recording is drawn by "
                "`s2s_zoo.plots.plot_caption` and `plot_transcription`."
            )
        from s2s_zoo.pipeline.plots import heat_map

        return heat_map(self.alignment, self.source_tokens, self.target_tokens, path)

    def _repr_png_(self):
        from s2s_zoo.pipeline.plots import png

        return png(self)


def combined(text: str, segments: Sequence[Result]) -> Result:
    """The `Result` of a text whose parts were generated one by one.

    Args:
        text: str, the whole.
        segments: list of Result, in order.
    """
    scores = [segment.score for segment in segments if segment.score is not None]
    warnings = dict.fromkeys(segment.warning for segment in segments if segment.warning)
    return Result(
        text,
        sum(scores) if scores and len(scores) == len(segments) else None,
        [token for segment in segments for token in segment.source_tokens],
        [token for segment in segments for token in segment.target_tokens],
        warning=" ".join(warnings) or None,
        segments=tuple(segments),
    )
