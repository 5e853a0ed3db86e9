from collections import Counter

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_text")

from s2s_zoo.data import (  # noqa: E402
    SentencePieceTokenizer,
    TextProcessor,
    TokenBatches,
    batches,
    stream_batches,
    stream_pairs,
)
from s2s_zoo.protocol import END, PAD, START  # noqa: E402
from s2s_zoo.protocol.errors import DataError  # noqa: E402

ODD = [
    ("ein großer Hund", "the big dog"),
    ("L’été, où êtes-vous ?", "我爱吃苹果"),
    ("🐕 and 👩‍👩‍👧", "Ｆｕｌｌ　ｗｉｄｔｈ １２３"),
    ("a  b\u2028c", "</s> <pad> dog"),
]


def stream_of(pairs):
    sources, targets = zip(*pairs, strict=True)
    return tf.data.Dataset.from_tensor_slices((list(sources), list(targets)))


def ids_of(dataset):
    found = Counter()
    for inputs, labels, weights in dataset:
        rows = zip(np.asarray(inputs["source"]), np.asarray(labels), weights, strict=True)
        for source, label, weight in rows:
            if np.any(weight):
                found[(*source[source != PAD].tolist(), -1, *label[label != PAD].tolist())] += 1
    return found


def test_the_same_ids_as_in_memory(processor, pairs):
    data = [*pairs, *ODD]
    streamed = stream_batches(processor, stream_of(data), 128)
    for _ in range(2):
        assert ids_of(streamed) == ids_of(TokenBatches(processor, data, 128))


def test_a_data_set_of_dicts_is_read_as_rows(processor):
    sources, targets = map(list, zip(*ODD, strict=True))
    named = tf.data.Dataset.from_tensor_slices({"target": targets, "source": sources})
    assert ids_of(batches(processor, named)) == ids_of(TokenBatches(processor, ODD))


def test_two_tokenizers(tokenizer, other_tokenizer):
    processor = TextProcessor(tokenizer, other_tokenizer)
    streamed = stream_batches(processor, stream_of(ODD))
    assert ids_of(streamed) == ids_of(TokenBatches(processor, ODD))


def test_texts_are_read_as_in_memory(pairs):
    texts = [text for pair in [*pairs, *ODD] for text in pair]
    learned = SentencePieceTokenizer.train(texts, 340, symbols=["⟦1⟧"], byte_fallback=True)
    form = {"normalize": True, "symbols": {"template": "⟦{}⟧", "limit": 1}}
    processor = TextProcessor(learned, learned, **form)
    data = [*ODD, ("siehe „a@b.de“", "see “a@b.de”")]
    streamed = ids_of(stream_batches(processor, stream_of(data)))
    assert streamed == ids_of(TokenBatches(processor, data))
    assert streamed != ids_of(TokenBatches(TextProcessor(learned, learned), data))


def test_few_fixed_shapes(processor, pairs):
    data = [*pairs, ("dog " * 25, "Hund " * 15)]
    streamed = stream_batches(processor, stream_of(data), 128, buffer_size=50, max_shapes=4)
    found = {(*x["source"].shape, y.shape[1]) for x, y, _ in streamed}
    assert 1 < len(found) <= 5
    assert len({shape[1:] for shape in found}) == len(found)
    assert all(rows == max(1, 128 // target) for rows, _, target in found)
    assert (2, 60, 60) in found


def test_the_same_form_as_in_memory(processor, pairs):
    filled = 0
    streamed = stream_batches(processor, stream_of(pairs), 128)
    assert streamed.element_spec == TokenBatches(processor, pairs).as_dataset().element_spec
    for inputs, labels, weights in streamed.as_numpy_iterator():
        shifted = np.where(labels == END, PAD, labels)[:, :-1]
        assert (inputs["target"][:, 0] == START).all()
        assert (inputs["target"][:, 1:] == shifted).all()
        assert (weights == (labels != PAD)).all()
        empty = ~weights.any(1)
        filled += empty.sum()
        assert (inputs["source"][empty] == [END] + [PAD] * (inputs["source"].shape[1] - 1)).all()
    assert filled > 0


def test_shuffling_depends_on_the_seed_and_the_epoch(processor, pairs):
    def epochs(**options):
        streamed = stream_batches(processor, stream_of(pairs), 128, **options)
        return [[y.tolist() for _, y, _ in streamed.as_numpy_iterator()] for _ in range(2)]

    first, second = epochs(seed=1)
    assert first != second
    assert epochs(seed=1) == [first, second]
    assert epochs(seed=2)[0] != first
    plain = epochs(shuffle=False)
    assert plain[0] == plain[1]


def test_pairs_above_the_limits_are_dropped_with_a_warning(processor, pairs):
    data = [("dog " * 70, "Hund"), *pairs, ("dog", "Hund " * 70)]
    with pytest.warns(UserWarning, match="2 of the first 122 pairs .* longer than 60"):
        streamed = stream_batches(processor, stream_of(data), 128)
    assert ids_of(streamed) == ids_of(TokenBatches(processor, pairs, 128))


def test_blank_pairs_are_dropped(processor, pairs):
    data = [("", "Hund"), *pairs, ("dog", " \u3000")]
    streamed = stream_batches(processor, stream_of(data), 128)
    assert ids_of(streamed) == ids_of(TokenBatches(processor, pairs, 128))


@pytest.mark.parametrize("data", [[("", "b"), ("a", " ")], [("dog " * 70, "Hund")]])
def test_nothing_that_can_be_used(processor, data):
    with pytest.raises(DataError, match=f"None of the first {len(data)} pairs of the stream"):
        stream_batches(processor, stream_of(data))


def test_an_empty_stream(processor, pairs):
    with pytest.raises(DataError, match="None of the first 0 pairs"):
        stream_batches(processor, stream_of(pairs).take(0))


def test_batches_of_a_dataset_are_streamed(processor, pairs):
    streamed = batches(processor, stream_of(pairs), 128, buffer_size=60)
    assert streamed.cardinality() == tf.data.UNKNOWN_CARDINALITY
    assert ids_of(streamed) == ids_of(TokenBatches(processor, pairs, 128))


def test_files_are_read_while_used(processor, tmp_path):
    data = [(f"dog {number}", f"Hund\u2028{number}") for number in range(2500)]
    tsv, source, target = (tmp_path / name for name in ("x.tsv", "x.en", "x.de"))
    tsv.write_text("".join(f"{s}\t{t}\r\n" for s, t in data), encoding="utf-8", newline="")
    source.write_text("".join(f"{s}\n" for s, _ in data), encoding="utf-8")
    target.write_text("".join(f"{t}\n" for _, t in data), encoding="utf-8")

    def texts(dataset):
        return [tuple(text.decode() for text in pair) for pair in dataset.as_numpy_iterator()]

    assert texts(stream_pairs(tsv)) == texts(stream_pairs((source, target))) == data
    assert texts(stream_pairs(tsv, swap=True)) == [pair[::-1] for pair in data]
    assert ids_of(batches(processor, stream_pairs(tsv))) == ids_of(TokenBatches(processor, data))


def test_a_bad_line_is_named(tmp_path):
    path = tmp_path / "bad.tsv"
    path.write_text("a\tb\n" * 1500 + "no tab\n", encoding="utf-8")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"DataError: .*bad\.tsv, line 1501"):
        list(stream_pairs(path))
