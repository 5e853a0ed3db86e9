"""IBM Model 1 against the worked example of Koehn 2010, "Statistical Machine Translation"."""

import numpy as np
import pytest

from s2s_zoo.generation import ibm_model as alignments
from s2s_zoo.generation.ibm_model import translation_table

DAS, HAUS, BUCH, EIN = range(4)
THE, HOUSE, BOOK, A = range(10, 14)
SOURCES = [np.array(row) for row in ([DAS, HAUS], [DAS, BUCH], [EIN, BUCH])]
TARGETS = [np.array(row) for row in ([THE, HOUSE], [THE, BOOK], [A, BOOK])]


# Figure 4.4 of section 4.2.3: t(the|das), t(book|das), t(house|das), t(the|buch), t(book|buch).
KOEHN = {
    1: [0.5, 0.25, 0.25, 0.25, 0.5],
    2: [0.6364, 0.1818, 0.1818, 0.1818, 0.6364],
    3: [0.7479, 0.1208, 0.1313, 0.1208, 0.7479],
}


@pytest.mark.parametrize("iterations", KOEHN)
@pytest.mark.parametrize("at_once", [1, 2048])
def test_worked_example(iterations, at_once, monkeypatch):
    monkeypatch.setattr(alignments, "PAIRS_AT_ONCE", at_once)
    source, target, probability = translation_table(SOURCES, TARGETS, iterations)
    found = dict(zip(zip(source.tolist(), target.tolist(), strict=True), probability, strict=True))
    links = [(DAS, THE), (DAS, BOOK), (DAS, HOUSE), (BUCH, THE), (BUCH, BOOK)]
    np.testing.assert_allclose([found[link] for link in links], KOEHN[iterations], atol=5e-5)
    assert (HAUS, BOOK) not in found
    assert list(found) == sorted(found)


def test_pairs_that_do_not_match():
    with pytest.raises(ValueError, match="3 sources, 2 targets"):
        translation_table(SOURCES, TARGETS[:2])
    with pytest.raises(ValueError, match="at least one"):
        translation_table([], [])
