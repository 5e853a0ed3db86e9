import keras
import numpy as np
import pytest

import s2s_zoo
from s2s_zoo.protocol.errors import CheckpointError, DataError
from s2s_zoo.training.averaged import averaged_weights
from s2s_zoo.training.callbacks import GenerationMetrics, TrainingState
from s2s_zoo.training.losses import SmoothedCrossEntropy
from tests.conftest import SENTENCES


def copy_of(pipeline, tmp_path):
    pipeline.save(tmp_path / "copy")
    return s2s_zoo.from_pretrained(tmp_path / "copy")


def compiled(model, **options):
    model.compile(keras.optimizers.Adam(0.01, **options), SmoothedCrossEntropy(), run_eagerly=True)
    return model


def test_metrics_of_generated_text_reach_the_logs(tiny_pipeline, tmp_path):
    pipeline = copy_of(tiny_pipeline, tmp_path)
    metrics = GenerationMetrics(pipeline, SENTENCES[:2], directory=tmp_path / "best")
    metrics.set_model(pipeline.model)
    logs = {}
    metrics.on_epoch_end(0, logs)
    assert set(logs) == {"val_bleu", "val_chrf", "val_perplexity"}
    log_probs, lengths = pipeline.score(*zip(*SENTENCES[:2], strict=True), return_lengths=True)
    assert logs["val_perplexity"] == pytest.approx(np.exp(-log_probs.sum() / lengths.sum()))
    assert "tok:13a" in metrics.signatures["bleu"]
    assert (tmp_path / "best" / "config.json").exists()


def test_the_best_epoch_is_saved_and_waiting_ends(tiny_pipeline, tmp_path, monkeypatch):
    pipeline = copy_of(tiny_pipeline, tmp_path)
    metrics = GenerationMetrics(pipeline, SENTENCES, directory=tmp_path / "best", patience=2)
    metrics.set_model(pipeline.model)
    pipeline.model.stop_training = False
    scores = iter([1.0, 3.0, 2.0, 3.0])
    saved = []
    monkeypatch.setattr(
        "s2s_zoo.training.callbacks.corpus_score",
        lambda name, texts, references: s2s_zoo.metrics.Score(
            name, next(scores) if name == "bleu" else 0.0, "signature"
        ),
    )
    monkeypatch.setattr(pipeline, "save", lambda directory: saved.append(len(metrics.history)))
    stopped = []
    for epoch in range(4):
        metrics.on_epoch_end(epoch)
        stopped.append(pipeline.model.stop_training)
    assert saved == [1, 2]
    assert metrics.best["epoch"] == 2
    assert stopped == [False, False, False, True]


def test_the_best_of_errors_is_the_least(tiny_pipeline):
    for name, best in (("wer", 2), ("cer", 2), ("repetition", 2), ("bleu", 1)):
        metrics = GenerationMetrics(tiny_pipeline, SENTENCES, metrics=(name,))
        metrics.history = [{"epoch": i + 1, name: x} for i, x in enumerate((9.0, 3.0, 5.0))]
        assert metrics.best["epoch"] == best


def test_averaged_weights_are_there_only_inside(tiny_pipeline, tmp_path):
    pipeline = copy_of(tiny_pipeline, tmp_path)
    model = compiled(pipeline.model, use_ema=True, ema_momentum=0.9)
    model.fit(pipeline.batches(SENTENCES, batch_tokens=64, max_shapes=1), epochs=1, verbose=0)
    first = model.trainable_variables[0]
    # fit ends with the averages in place; move on so that the two differ.
    first.assign(first + 1.0)
    trained = keras.ops.convert_to_numpy(first)
    with averaged_weights(model):
        averaged = keras.ops.convert_to_numpy(first)
    np.testing.assert_allclose(trained - averaged, 1.0, atol=1e-5)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(first), trained)


def test_state_of_another_model_or_a_damaged_file_is_refused(tiny_pipeline, tmp_path):
    pipeline = copy_of(tiny_pipeline, tmp_path)
    model = compiled(pipeline.model)
    state = TrainingState(tmp_path / "state.safetensors")
    assert state.restore(model) == 0
    model.optimizer.build(model.trainable_variables)
    state.set_model(model)
    state.on_train_begin()
    state.on_epoch_end(4)
    spent = state.seconds
    again = TrainingState(state.path)
    assert again.restore(model) == 5
    assert again.seconds == spent > 0
    again.set_model(model)
    again.on_train_begin()
    again.on_epoch_end(5)
    assert again.seconds > spent
    compiled(model, use_ema=True)
    with pytest.raises(CheckpointError, match="another model or optimizer"):
        state.restore(model)
    content = state.path.read_bytes()
    state.path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="Delete it to begin anew"):
        state.restore(model)


def test_held_out_pairs_come_from_what_read_pairs_reads(tiny_pipeline, tmp_path):
    sources, targets = map(list, zip(*SENTENCES, strict=True))
    (tmp_path / "held-out.csv").write_text("de,en\n" + "".join(f"{a},{b}\n" for a, b in SENTENCES))
    both = tmp_path / "x.de", tmp_path / "x.en"
    for path, lines in zip(both, (sources, targets), strict=True):
        path.write_text("\n".join(lines))
    rows = [{"de": a, "en": b} for a, b in SENTENCES]
    given = [str(tmp_path / "held-out.csv"), both, rows, iter(rows), {"de": sources, "en": targets}]
    for pairs in [*given, zip(sources, targets, strict=True), np.array(SENTENCES)]:
        metrics = GenerationMetrics(tiny_pipeline, pairs)
        assert (metrics.sources, metrics.first_targets) == (sources, targets)
    several = GenerationMetrics(tiny_pipeline, [("a", ["b", "c"])])
    assert (several.targets, several.first_targets) == ([["b", "c"]], ["b"])
    for nothing in ([], iter([])):
        with pytest.raises(DataError, match="holds no sentence pair"):
            GenerationMetrics(tiny_pipeline, nothing)
