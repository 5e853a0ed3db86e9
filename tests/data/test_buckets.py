from itertools import combinations

import numpy as np
import pytest

from s2s_zoo.data.buckets import assign, choose_shapes, rows_of


@pytest.fixture
def lengths():
    generator = np.random.default_rng(0)
    target = generator.integers(2, 30, 400)
    return np.maximum(1, target + generator.integers(-6, 7, 400)), target


def positions(shapes, source, target, batch_tokens):
    """Counted one pair at a time, each in the smallest shape that holds it."""
    rows = {shape: 0 for shape in shapes}
    for s, t in zip(source, target, strict=True):
        rows[min((x for x in shapes if x[0] >= s and x[1] >= t), key=sum)] += 1
    total = 0
    for shape, count in rows.items():
        batch = rows_of(shape, batch_tokens)
        total += -(-count // batch) * batch * sum(shape)
    return total


def test_every_pair_has_a_shape_and_every_shape_a_pair(lengths):
    source, target = lengths
    shapes = choose_shapes(source, target, 256, max_shapes=6)
    owners = assign(shapes, source, target)
    assert 1 < len(shapes) <= 6
    assert (np.array(shapes)[owners] >= np.stack([source, target], 1)).all()
    assert set(owners) == set(range(len(shapes)))


def test_pairs_go_to_the_smallest_shape_that_holds_them():
    shapes = [(4, 4), (8, 4), (4, 12), (12, 12)]
    source, target = np.array([[1, 2], [4, 4], [5, 4], [5, 5], [3, 5], [12, 12]]).T
    assert assign(shapes, source, target).tolist() == [0, 0, 1, 3, 2, 3]


def test_two_shapes_are_the_best_two(lengths):
    source, target = lengths
    sides = (8, 16, 24, 40)
    grid = [(s, t) for s in (8, 16, 24, source.max()) for t in (8, 16, 24, target.max())]
    widest = (source.max(), target.max())
    best = min(positions({other, widest}, source, target, 128) for other in grid)
    shapes = choose_shapes(source, target, 128, lengths=sides, max_shapes=2)
    assert positions(shapes, source, target, 128) == best


def test_more_shapes_waste_less(lengths):
    wasted = [
        positions(choose_shapes(*lengths, 128, max_shapes=k), *lengths, 128) for k in range(1, 9)
    ]
    assert all(more <= fewer for fewer, more in zip(wasted, wasted[1:], strict=False))
    assert wasted[-1] < 0.7 * wasted[0]


def test_a_shape_that_does_not_pay_is_not_made():
    # One batch holds all pairs: a second shape would be a second, mostly empty batch.
    assert choose_shapes(np.array([3, 9]), np.array([4, 8]), 16) == [(9, 8)]
    assert choose_shapes(np.full(50, 5), np.full(50, 7), 16) == [(5, 7)]


def test_shapes_do_not_exceed_what_was_found():
    assert choose_shapes(np.array([1500]), np.array([2000]), 4096) == [(1500, 2000)]


@pytest.mark.parametrize("combination", [*combinations((1, 7, 100, 5000), 2)])
def test_rows(combination):
    target_length, batch_tokens = combination
    rows = rows_of((3, target_length), batch_tokens)
    assert rows * target_length <= batch_tokens < (rows + 1) * target_length
    assert rows_of((3, batch_tokens), target_length) == 1


@pytest.mark.parametrize("option", [{"batch_tokens": 0}, {"max_shapes": 0}])
def test_no_tokens_or_shapes(lengths, option):
    with pytest.raises(ValueError, match=f"Received: .*{next(iter(option))}=0"):
        choose_shapes(*lengths, **{"batch_tokens": 64, **option})
