"""The search strategies, by name."""

from collections.abc import Callable

from s2s_zoo.generation.beam import beam_search
from s2s_zoo.generation.greedy import greedy_search
from s2s_zoo.generation.sampling import sample
from s2s_zoo.protocol import SearchResult

STRATEGIES: dict[str, Callable[..., SearchResult]] = {
    "greedy": greedy_search,
    "beam": beam_search,
    "sample": sample,
}
