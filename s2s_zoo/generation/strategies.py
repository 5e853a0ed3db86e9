"""The search strategies, by name."""

from s2s_zoo.generation.beam import beam_search
from s2s_zoo.generation.greedy import greedy_search
from s2s_zoo.generation.sampling import sample

STRATEGIES = {"greedy": greedy_search, "beam": beam_search, "sample": sample}
