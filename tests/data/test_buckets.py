from itertools import combinations, product

import numpy as np
import pytest

from s2s_zoo.data.buckets import (
    assign,
    assign_in_batches,
    choose_shapes,
    rows_of,
    share_out,
)
from s2s_zoo.data.buckets import positions as positions_of


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


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [2, 3, 4])
def test_no_nested_shapes_are_better(seed, count):
    generator = np.random.default_rng(seed)
    target = generator.geometric(0.3, 60).clip(1, 5)
    source = (target + generator.integers(-1, 2, 60)).clip(1, 5)
    grid = [*product(range(1, source.max() + 1), range(1, target.max() + 1))]
    series = [
        [*shapes, grid[-1]]
        for shapes in combinations(grid[:-1], count - 1)
        if all(np.less_equal(*pair).all() for pair in zip(shapes, shapes[1:], strict=False))
    ]

    def padded(shapes):
        filled = np.bincount(assign(shapes, source, target), minlength=len(shapes))
        return positions_of(shapes, filled, 16, spare=False)

    chosen = choose_shapes(source, target, 16, range(1, 6), count, spare=False)
    assert padded(chosen) <= min(map(padded, series))
    assert padded(chosen) == (np.array(chosen)[assign(chosen, source, target)]).sum()


def test_a_side_moves_where_no_nested_shapes_are_right():
    # Either side alone is long: the best two of three shapes do not hold one another.
    source, target = np.repeat([[9, 2], [2, 9], [9, 9]], [40, 40, 1], axis=0).T
    chosen = choose_shapes(source, target, 18, range(1, 10), 3)
    assert chosen == [(9, 2), (2, 9), (9, 9)]


def test_pairs_that_fill_no_batch_move_on():
    shapes = [(4, 4), (2, 6), (6, 6), (8, 8)]
    source, target = np.array([[4, 4]] * 3 + [[3, 4]] * 7 + [[6, 6]] * 3 + [[8, 8]]).T
    owners = assign_in_batches(shapes, source, target, 16)
    # Ten pairs in rows of four are two batches, and two pairs that go where both their sides fit;
    # the five that are then there are two batches of two, and the longest goes on once more.
    assert owners.tolist() == [0, 2, 2, *[0] * 7, 2, 2, 3, 3]


def test_pairs_that_no_other_shape_holds_stay():
    shapes, lengths = [(8, 4), (4, 9)], (np.array([8, 4]), np.array([4, 9]))
    assert assign_in_batches(shapes, *lengths, 64).tolist() == [0, 1]


def test_pairs_stay_where_moving_on_makes_more_positions():
    shapes, lengths = [(4, 4), (40, 40)], np.array([4] * 3 + [40])
    assert assign_in_batches(shapes, lengths, lengths, 16).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("batch_tokens", [64, 256, 2048])
def test_shared_out_pairs_pad_no_more_than_each_in_its_smallest_shape(lengths, batch_tokens):
    shapes, owners = share_out(*lengths, batch_tokens, max_shapes=6)
    assert set(owners) == set(range(len(shapes))) and len(shapes) <= 6
    assert (np.array(shapes)[owners] >= np.stack(lengths, 1)).all()
    usual = choose_shapes(*lengths, batch_tokens, max_shapes=6)
    now = positions_of(shapes, np.bincount(owners), batch_tokens)
    assert now <= positions(usual, *lengths, batch_tokens)
    assert batch_tokens != 256 or now < 0.96 * positions(usual, *lengths, batch_tokens)


def test_twelve_shapes_of_sentences_pad_an_eighth():
    # Lengths as of sentences and their translations; a shape after the other, each the best one to
    # add, of even lengths, padded .143.
    generator = np.random.default_rng(0)
    target = np.exp(generator.normal(2.6, 0.45, 20_000)).clip(2, 90).astype(int)
    source = (target * np.exp(generator.normal(0, 0.12, 20_000))).clip(2, 90).astype(int)
    shapes, owners = share_out(source, target, 2048, max_shapes=12)
    padded = positions_of(shapes, np.bincount(owners), 2048)
    assert 1 - (source + target).sum() / padded < 0.125


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
