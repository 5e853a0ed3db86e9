import numpy as np
import pytest

from s2s_zoo import Seq2Seq, SmoothedCrossEntropy
from tests.variants import VOCABULARY, config

SOURCE = np.array([[4, 5, 6, 2], [7, 2, 0, 0], [8, 9, 2, 0], [5, 2, 0, 0]])
LABELS = np.array([[5, 6, 2], [7, 2, 0], [2, 0, 0], [8, 9, 2]])
TARGET = np.array([[1, 5, 6], [1, 7, 0], [1, 0, 0], [1, 8, 9]])


@pytest.fixture(scope="module")
def model():
    model = Seq2Seq.from_config(config("bilstm", "luong-general", "lstm"))
    model.compile("sgd", SmoothedCrossEntropy(), run_eagerly=True)
    return model


def inputs(**changes):
    return {"source": SOURCE, "target": TARGET, **changes}


def with_id(ids, found):
    ids = ids.copy()
    ids[1, 1] = found
    return ids


METHODS = ["fit", "evaluate", "train_on_batch", "test_on_batch", "predict", "predict_on_batch"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("found", [VOCABULARY, -100])
@pytest.mark.parametrize("name", ["source", "target", "labels"])
def test_ids_outside_the_vocabulary_are_refused_where_they_come_in(model, name, found, method):
    labels = with_id(LABELS, found) if name == "labels" else LABELS
    ids = {"source": SOURCE, "target": TARGET}
    given = inputs(**({name: with_id(ids[name], found)} if name in ids else {}))
    both = (given,) if method.startswith("predict") else (given, labels)
    if name == "labels" and method.startswith("predict"):
        pytest.skip("there are no labels")
    with pytest.raises(ValueError, match=f"^Seq2Seq expected ids of {name} from 0 to .*row 1"):
        getattr(model, method)(*both)


@pytest.mark.parametrize(
    "ids", [SOURCE + 0.5, SOURCE[..., None], SOURCE[:, :0], SOURCE.astype(str)]
)
def test_what_are_no_ids_is_refused_before_anything_is_compiled(model, ids):
    with pytest.raises(ValueError, match="expected source .B, T., whole numbers.*Received: "):
        model.fit(inputs(source=ids), LABELS, verbose=0)


def test_an_id_below_0_is_no_reason_for_another_vocabulary(model):
    with pytest.raises(ValueError, match="-100 in row 1. Encode .* this model.$"):
        model.fit(inputs(source=with_id(SOURCE, -100)), LABELS, verbose=0)


def test_labels_of_held_out_arrays_are_looked_at_before_training(model):
    before = [np.array(weight) for weight in model.get_weights()]
    with pytest.raises(ValueError, match="ids of labels"):
        model.fit(
            inputs(), LABELS, validation_data=(inputs(), with_id(LABELS, VOCABULARY)), verbose=0
        )
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_words_that_a_pointer_copies_are_ids_too():
    parts = config("bilstm", "luong-general", "lstm")
    parts["decoder"].update(pointer=True, extra_ids=2)
    model = Seq2Seq.from_config(parts)
    model.compile("sgd", SmoothedCrossEntropy(), run_eagerly=True)
    copied = with_id(LABELS, VOCABULARY + 1)
    model.test_on_batch(inputs(source=with_id(SOURCE, VOCABULARY + 1)), copied)
    with pytest.raises(ValueError, match=f"from 0 to {VOCABULARY + 1}"):
        model.train_on_batch(inputs(), with_id(LABELS, VOCABULARY + 2))


@pytest.mark.parametrize(
    "given",
    [(SOURCE, TARGET), [SOURCE, TARGET], {"source": SOURCE}, {"src": SOURCE, "tgt": TARGET}],
)
@pytest.mark.parametrize("method", METHODS)
def test_inputs_without_their_names_are_refused(model, given, method):
    both = (given,) if method.startswith("predict") else (given, LABELS)
    with pytest.raises(ValueError, match='^Seq2Seq expected a dict {"source": …, "target": …}'):
        getattr(model, method)(*both)
    with pytest.raises(ValueError, match='Seq2Seq expected a dict {"source": …, "target": …}'):
        model(given)


@pytest.mark.parametrize("method", ["fit", "train_on_batch"])
def test_class_weight_is_refused_with_what_to_do_instead(model, method):
    with pytest.raises(ValueError, match=r"Give sample_weight \(B, T\)"):
        getattr(model, method)(inputs(), LABELS, class_weight={5: 2.0})


@pytest.mark.parametrize("compiled", [False, True])
def test_fit_counts_no_padding_and_weighs_rows(compiled):
    model = Seq2Seq.from_config(config("bilstm", "luong-general", "lstm"))
    model.compile("sgd", SmoothedCrossEntropy(), run_eagerly=not compiled)
    every = np.ones((4,), "float32")
    tokens = (LABELS != 0).astype("float32")
    halved = np.array([1, 0.5, 0, 0], "float32")
    model.optimizer.learning_rate = 0.0

    def loss(weights):
        done = model.fit(inputs(), LABELS, sample_weight=weights, verbose=0, batch_size=4)
        return done.history["loss"][0]

    expected = loss(tokens)
    for weights in (None, every):
        assert loss(weights) == pytest.approx(expected, rel=1e-6)
    assert loss(halved) == pytest.approx(loss(tokens * halved[:, None]), rel=1e-6)
    more = np.pad(LABELS, ((0, 0), (0, 3))), np.pad(TARGET, ((0, 0), (0, 3)))
    found = model.evaluate(inputs(target=more[1]), more[0], verbose=0, batch_size=4)
    assert found == pytest.approx(expected, rel=1e-5)


def test_batches_may_have_weights_or_none_and_any_integers():
    model = Seq2Seq.from_config(config("bilstm", "luong-general", "lstm"))
    model.compile("sgd", SmoothedCrossEntropy())
    for dtype in ("int64", "int32"):
        source, target, labels = (x.astype(dtype) for x in (SOURCE, TARGET, LABELS))
        assert np.isfinite(model.train_on_batch({"source": source, "target": target}, labels))
    given = inputs(), LABELS, np.ones(LABELS.shape)
    assert np.isfinite(model.train_on_batch(*given))
