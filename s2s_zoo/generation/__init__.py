"""Search: pure functions of a step, and the models that compile them."""

from s2s_zoo.generation.beam import beam_search
from s2s_zoo.generation.generator import Generator
from s2s_zoo.generation.greedy import greedy_search
from s2s_zoo.generation.penalties import normalise
from s2s_zoo.generation.sample import sample
from s2s_zoo.generation.scorer import Scorer
from s2s_zoo.generation.strategies import STRATEGIES
from s2s_zoo.generation.streamer import Streamer

__all__ = [
    "STRATEGIES",
    "Generator",
    "Scorer",
    "Streamer",
    "beam_search",
    "greedy_search",
    "normalise",
    "sample",
]
