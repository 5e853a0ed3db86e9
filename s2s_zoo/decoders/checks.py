"""Which arguments of a recurrent decoder go together."""

from s2s_zoo.decoders.cells import BRIDGES
from s2s_zoo.layers.config import LayerSpec
from s2s_zoo.protocol.registry import check_option

QUERIES = ("current", "previous")


def check_options(
    attention: LayerSpec | None,
    layers: int,
    query: str,
    input_feeding: bool,
    summary_feeding: bool,
    bridge: str,
) -> None:
    """Raises ValueError for an unknown option, and where nothing of the source would be known."""
    if layers < 1:
        raise ValueError(
            f"RecurrentDecoder expected at least one layer. Received: layers={layers}."
        )
    check_option("RecurrentDecoder", "query", query, QUERIES)
    check_option("RecurrentDecoder", "bridge", bridge, BRIDGES)
    if attention is None and (query == "previous" or input_feeding):
        raise ValueError(
            "RecurrentDecoder needs an attention for query='previous' and for input feeding. "
            f"Received: attention=None, query={query!r}, input_feeding={input_feeding}. "
            "Give an attention, or feed the source summary with summary_feeding=True."
        )
    if attention is None and bridge == "zero" and not summary_feeding:
        raise ValueError(
            "RecurrentDecoder would know nothing of the source. Received: attention=None, "
            "bridge='zero', summary_feeding=False. Change one of them."
        )


def check_copying(
    attention: LayerSpec | None, pointer: bool, extra_ids: int, coverage_loss: float
) -> None:
    """Raises ValueError for arguments of a decoder that do not go together."""
    if attention is None and (pointer or coverage_loss):
        raise ValueError(
            "A decoder copies and covers by attention. Received: attention=None, "
            f"pointer={pointer}, coverage_loss={coverage_loss}. Give an attention."
        )
    if extra_ids and not pointer:
        raise ValueError(
            "A decoder has ids beyond its vocabulary only to copy them. Received: "
            f"extra_ids={extra_ids}, pointer=False. Use pointer=True."
        )
