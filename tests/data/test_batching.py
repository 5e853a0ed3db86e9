from collections import Counter

import keras
import numpy as np
import pytest

from s2s_zoo.data import SentencePieceTokenizer, TextProcessor, TokenBatches, batches
from s2s_zoo.protocol import END, PAD, START
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.training.distribution import Parallel

on_tensorflow = keras.backend.backend() == "tensorflow"


@pytest.fixture
def make(processor, pairs):
    def make(batch_tokens=128, data=pairs, **options):
        return TokenBatches(processor, data, batch_tokens, **options)

    return make


def ids_of(batch):
    """The (source, labels) of each real row, without padding."""
    (inputs, labels, weights) = batch
    rows = zip(inputs["source"], labels, weights, strict=True)
    return [
        (tuple(int(t) for t in s if t != PAD), tuple(int(t) for t in y if t != PAD))
        for s, y, w in rows
        if w.any()
    ]


def same(one, other):
    flat = [(x["source"], x["target"], y, w) for x, y, w in (one, other)]
    return all(np.array_equal(a, b) for a, b in zip(*flat, strict=True))


def expected_ids(processor, pairs):
    sources = processor.encode_source([source for source, _ in pairs])
    labels = processor.encode_target([target for _, target in pairs])
    return Counter(
        (tuple(s.tolist()), tuple(y.tolist())) for s, y in zip(sources, labels, strict=True)
    )


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_tokens", [1, 128, 100_000])
def test_every_pair_is_in_one_batch_an_epoch(make, processor, pairs, shuffle, batch_tokens):
    made = make(batch_tokens, shuffle=shuffle)
    for _ in range(2):
        seen = [ids for batch in made for ids in ids_of(batch)]
        assert Counter(seen) == expected_ids(processor, pairs)


@pytest.mark.parametrize("shuffle", [True, False])
def test_so_many_parts_hold_every_pair(make, processor, pairs, shuffle):
    whole = make(shuffle=shuffle)
    made = make(shuffle=shuffle, parts=3)
    assert len(made) == -(-len(whole) // 3) and len(whole) % 3
    parts = [[ids for batch in made for ids in ids_of(batch)] for _ in range(3)]
    assert made.epoch == 3 and set(parts[0]) != set(parts[1])
    assert set(sum(parts, [])) == set(expected_ids(processor, pairs))
    resumed = make(shuffle=shuffle, parts=3, start_epoch=1)
    assert [ids for batch in resumed for ids in ids_of(batch)] == parts[1]
    first = made[0]
    assert same(first, make(shuffle=shuffle, parts=3, start_epoch=3)[0])
    assert same(first, whole[0]) is not shuffle  # another pass, in another order


def test_parts_are_counted_from_one(make):
    with pytest.raises(ValueError, match="parts of at least 1. Received: 0"):
        make(parts=0)


def test_targets_and_weights_follow_from_the_labels(make):
    for inputs, labels, weights in make():
        assert {array.dtype for array in (*inputs.values(), labels)} == {np.dtype("int32")}
        assert weights.dtype == np.float32
        assert inputs["target"].shape == labels.shape == weights.shape
        for target, label, weight in zip(inputs["target"], labels, weights, strict=True):
            count = int(weight.sum())
            real = [*label[: max(0, count - 1)], END] if count else []
            assert label.tolist() == real + [PAD] * (len(label) - count)
            assert weight.tolist() == [1] * count + [0] * (len(label) - count)
            start = [START, *real[:-1]]
            assert target.tolist() == start + [PAD] * (len(label) - len(start))


def test_rows_that_fill_a_batch_have_a_source_and_no_weight(make):
    filled = 0
    for inputs, _, weights in make():
        for source, target, weight in zip(*inputs.values(), weights, strict=True):
            if not weight.any():
                filled += 1
                assert source.tolist() == [END] + [PAD] * (len(source) - 1)
                assert target.tolist() == [START] + [PAD] * (len(target) - 1)
    assert filled > 0


def test_few_fixed_shapes_of_at_most_batch_tokens(make):
    made = make(max_shapes=5)
    found = [(*x["source"].shape, y.shape[1]) for x, y, _ in made]
    assert set(found) == set(made.shapes)
    assert 1 < len(made.shapes) <= 5
    assert all(rows * target <= 128 for rows, _, target in found)
    assert len(found) == len(made) == made.num_batches


def test_lengths_may_be_chosen(make):
    made = make(lengths=(10, 20))
    (_, *longest) = made.shapes[-1]
    assert {s for _, s, _ in made.shapes} <= {10, 20, longest[0]}
    assert {t for *_, t in made.shapes} <= {10, 20, longest[1]}


def test_padding_is_the_share_of_empty_positions(make):
    made = make()
    counts = np.array(
        [
            ((x["source"] != PAD)[w.any(1)].sum() + w.sum(), x["source"].size + y.size)
            for x, y, w in made
        ]
    ).sum(0)
    assert made.padding == pytest.approx(1 - counts[0] / counts[1])
    assert made.padding < make(max_shapes=1).padding


def test_order_depends_on_seed_and_epoch_alone(make):
    first, again, other = make(seed=3), make(seed=3), make(seed=4)
    epochs = [list(first), list(first)]
    for batches_of_epoch in epochs:
        assert all(map(same, batches_of_epoch, again))
    orders = [[ids_of(batch) for batch in epoch] for epoch in (*epochs, other)]
    assert orders[0] != orders[1] and orders[0] != orders[2]
    assert [len(rows) for rows in orders[0]] != [len(rows) for rows in orders[1]]


def test_a_resumed_run_sees_the_same_order(make):
    whole = make()
    epochs = [list(whole) for _ in range(4)]
    resumed = make(start_epoch=2)
    assert all(map(same, epochs[2], resumed))
    assert resumed.epoch == 3
    resumed.epoch = 1
    assert all(map(same, epochs[1], [resumed[index] for index in range(len(resumed))]))


def test_without_shuffling_every_epoch_is_the_same(make):
    made = make(shuffle=False)
    assert all(map(same, list(made), list(made)))
    assert all(map(same, list(made), list(make(shuffle=False, seed=1))))


def test_sampling_draws_other_units_of_the_same_text_each_epoch(make, processor, pairs):
    made = make(sampling=0.2, shuffle=False)
    epochs = [[ids for batch in made for ids in ids_of(batch)] for _ in range(3)]
    usual = expected_ids(processor, pairs)
    for ids in epochs:
        texts = [tuple(processor.decode(np.array(side)) for side in pair) for pair in ids]
        assert sorted(texts) == sorted(pairs)
        assert 0 < sum(pair not in usual for pair in ids)
    assert sum(a != b for a, b in zip(epochs[0], epochs[1], strict=True)) > len(pairs) / 4


def test_sampling_depends_on_seed_and_epoch_alone(make):
    whole = make(sampling=0.2, seed=3)
    epochs = [list(whole) for _ in range(3)]
    resumed = make(sampling=0.2, seed=3, start_epoch=1)
    assert all(map(same, epochs[1], [resumed[index] for index in range(len(resumed))]))
    resumed.epoch = 2
    assert all(map(same, epochs[2], resumed))
    assert not all(map(same, epochs[0], make(sampling=0.2, seed=4)))


def test_draws_that_do_not_fit_give_way_to_the_usual_units(tokenizer, pairs, make):
    longest = max(len(row) for row in tokenizer.encode([text for pair in pairs for text in pair]))
    tight = TextProcessor(tokenizer, tokenizer, longest + 1, longest + 1)
    made = TokenBatches(tight, pairs, 128, sampling=0.01)
    seen = [ids for batch in made for ids in ids_of(batch)]
    assert len(seen) == len(pairs)
    assert max(len(side) for pair in seen for side in pair) <= longest + 1
    assert 0 < sum(pair in expected_ids(tight, pairs) for pair in seen) < len(pairs)


@pytest.mark.parametrize("sampling", [0, -1.0])
def test_sampling_above_zero(make, sampling):
    with pytest.raises(ValueError, match="sampling > 0, or None"):
        make(sampling=sampling)


def test_an_iteration_that_is_left_early_does_not_count(make):
    made = make()
    first = next(iter(made))
    assert made.epoch == 0
    assert same(next(iter(made)), first)
    assert sum(1 for _ in made) == len(made)
    assert made.epoch == 1


def test_pairs_above_the_limits_are_dropped_with_one_warning(make, pairs):
    long = ("dog " * 70, "Hund")
    with pytest.warns(UserWarning, match="Dropped 2 of 122 pairs: longer than 60") as warned:
        made = make(data=[long, *pairs, long[::-1]])
    assert len(warned) == 1
    assert sum(len(ids_of(batch)) for batch in made) == 120


def test_pairs_above_the_limits_may_be_cut(make, pairs):
    with pytest.warns(UserWarning, match="1 of 121 source texts are longer than 60"):
        made = make(data=[("dog " * 70, "Hund"), *pairs], too_long="truncate")
    rows = [ids for batch in made for ids in ids_of(batch)]
    assert len(rows) == 121
    assert max(len(source) for source, _ in rows) == 60


def test_nothing_left_is_an_error(make):
    with pytest.raises(DataError, match="All 1 pairs are longer than 60 source or 60 target"):
        make(data=[("dog " * 70, "Hund")])
    with pytest.raises(DataError, match="no sentence pair"):
        make(data=[])


def test_an_unknown_treatment_of_long_pairs(make):
    with pytest.raises(ValueError, match="'drop' or 'truncate'. Received: 'cut'"):
        make(too_long="cut")


def test_pairs_may_be_a_file(make, pairs, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{s}\t{t}\n" for s, t in pairs), encoding="utf-8")
    assert all(map(same, make(data=path), make()))


def test_two_tokenizers(tokenizer, other_tokenizer, pairs):
    processor = TextProcessor(tokenizer, other_tokenizer)
    made = TokenBatches(processor, pairs, 128)
    assert Counter(ids for batch in made for ids in ids_of(batch)) == expected_ids(processor, pairs)


@pytest.fixture
def model():
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    embedding = keras.layers.Embedding(60, 4)
    logits = keras.layers.Dense(60)(embedding(target) + embedding(source)[:, :1])
    model = keras.Model({"source": source, "target": target}, logits)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def epochs_asked(monkeypatch):
    asked, plan = [], TokenBatches.plan
    monkeypatch.setattr(
        TokenBatches, "plan", lambda self, epoch: [asked.append(epoch), plan(self, epoch)][1]
    )
    return asked


@pytest.mark.parametrize("batch_tokens", [128, 2000, 100_000])
def test_fit_moves_on_an_epoch_at_a_time(processor, pairs, model, monkeypatch, batch_tokens):
    asked = epochs_asked(monkeypatch)
    made = batches(processor, pairs, batch_tokens, max_shapes=2, start_epoch=5)
    steps = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: steps.append(step))
    model.fit(made, epochs=3, verbose=0, shuffle=False, callbacks=[count])
    model.fit(made, epochs=1, verbose=0, shuffle=False)
    assert len(steps) == 3 * len(made)
    if len(made) > 1:  # else looking at one batch, as the first `fit` does, is an epoch
        assert list(dict.fromkeys(asked)) == [5, 6, 7, 8]
    assert asked == sorted(asked)


@pytest.mark.skipif(on_tensorflow, reason="tf.data is the way on TensorFlow")
def test_without_tensorflow_batches_are_a_py_dataset(processor, pairs):
    assert isinstance(batches(processor, pairs), TokenBatches)


@pytest.mark.skipif(not on_tensorflow, reason="needs TensorFlow")
class TestDataset:
    def test_the_same_batches_over_two_epochs(self, processor, pairs, make):
        made = batches(processor, pairs, 128, seed=3)
        expected = make(seed=3)
        for _ in range(2):
            epoch = list(made.as_numpy_iterator())
            assert len(epoch) == len(expected)
            assert all(map(same, epoch, expected))

    @pytest.mark.parametrize("batch_tokens", [128, 2000, 100_000])
    def test_the_number_of_steps_is_known(self, make, batch_tokens):
        made = make(batch_tokens)
        assert len(made.as_dataset()) == len(made)

    def test_no_end_of_an_epoch_waits_for_data_to_be_tuned(self, make):
        assert make().as_dataset().options().autotune.enabled is False

    def test_the_spec_says_what_varies(self, make):
        inputs, labels, weights = make().as_dataset().element_spec
        assert set(inputs) == {"source", "target"}
        assert labels.shape.as_list() == weights.shape.as_list() == [None, None]
        assert (labels.dtype.name, weights.dtype.name) == ("int32", "float32")

    @pytest.mark.parametrize("batch_tokens", [40, 700, 1000, 1400])
    def test_looking_at_a_batch_does_not_count(self, make, batch_tokens):
        made = make(batch_tokens)
        dataset = made.as_dataset()
        for _ in range(3):
            next(dataset.as_numpy_iterator())
        assert len(made) > 1
        assert made.epoch == 0

    def test_a_resumed_run_sees_the_same_order(self, processor, pairs, make):
        whole = make()
        expected = [list(whole) for _ in range(3)][2]
        resumed = batches(processor, pairs, 128, start_epoch=2)
        assert all(map(same, resumed.as_numpy_iterator(), expected))


def test_a_vocabulary_that_knows_nothing_still_makes_batches(pairs):
    tokenizer = SentencePieceTokenizer.train(["我爱吃苹果"] * 20, 10)
    made = TokenBatches(TextProcessor(tokenizer, tokenizer), pairs, 128)
    assert sum(len(ids_of(batch)) for batch in made) == 120


@pytest.mark.parametrize(("devices", "processes"), [(1, 1), (2, 2), (4, 2), (3, 1), (64, 2)])
def test_the_processes_of_a_training_share_each_batch(make, devices, processes):
    options = {"word_dropout": 0.2, "sampling": 0.3}
    whole = make(**options)
    parts = [
        make(**options, parallel=Parallel(devices, processes, process))
        for process in range(processes)
    ]
    for (inputs, labels, weights), *shares in zip(whole, *parts, strict=True):
        assert len({len(labels) for _, labels, _ in shares}) == 1
        assert sum(len(labels) for _, labels, _ in shares) % devices == 0
        rows, none = np.split(np.concatenate([part[2] for part in shares]), [len(labels)])
        assert np.array_equal(rows, weights) and not none.any() and len(none) < devices
        for name in inputs:
            found = np.concatenate([part[0][name] for part in shares])
            assert np.array_equal(found[: len(labels)], inputs[name])
        assert np.array_equal(np.concatenate([part[1] for part in shares])[: len(labels)], labels)
