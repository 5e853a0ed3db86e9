"""What operations, memory and time a model of a size needs."""

import json
import sys

import keras
import numpy as np
import pytest

from s2s_zoo.protocol import END

pytestmark = pytest.mark.benchmarks


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="XLA counts for JAX")
def test_the_cost_of_hashed_attention_grows_with_the_length_and_of_full_with_its_square(load):
    lsh = load("lsh")
    full, hashed = (
        [lsh.cost(make(length), length)[2] for length in (256, 1024)]
        for make in (lambda length: lsh.full(), lambda length: lsh.hashed(length, 1))
    )
    assert full[1] / full[0] > 8
    assert 3 < hashed[1] / hashed[0] < 5


def recipe(ours, **sizes):
    """The config of the recipe, with other sizes."""
    config = json.loads(ours.CONFIG.read_text(encoding="utf-8"))
    config["model"]["encoder"].update(sizes.get("encoder", {}))
    config["model"]["decoder"].update(sizes.get("decoder", {}))
    return config


def test_the_products_of_a_step_are_those_of_its_weights(ours, load):
    roofline = load("roofline")
    rows, length, vocabulary = 3, 7, 50
    config = recipe(ours)
    ahead = roofline.forward(config, vocabulary, rows, length)
    weights = {x.layer: x.k * x.n for x in ahead if not x.batch}
    for layer in ("encoder, input", "encoder, recurrence", "bridge"):
        weights[layer] *= 2
    biases = 2 * 1024 + 2048 + 2 * 512 + vocabulary
    gain = 1
    model = ours.recipe_model(config, vocabulary)
    assert sum(weights.values()) + biases + gain == model.count_params()
    # A weight and a token make a multiplication and an addition, whatever the grouping.
    per_token = {x.layer: x.operations / (rows * length) for x in ahead}
    assert per_token["encoder, recurrence"] == 2 * weights["encoder, recurrence"]
    assert per_token["decoder, recurrence"] == 2 * weights["decoder, recurrence"]
    assert per_token["vocabulary"] == 2 * 256 * vocabulary
    assert per_token["scores"] == per_token["context"] == 2 * length * 512
    for product in ahead:
        gradients = roofline.backward(product)
        assert [x.operations for x in gradients] == 2 * [product.operations]
    merged = roofline.backward(ahead[1])[1]
    assert (merged.count, merged.m, merged.k, merged.n) == (2, 256, rows * length, 1024)


def test_a_share_of_the_roof_is_operations_over_time(load, capsys):
    roofline = load("roofline")
    product = roofline.Product("layer", 2, 0, 10, 100, 1000)
    assert (product.operations, product.elements) == (4e6, 2 * (1000 + 100_000 + 10_000))
    found = {product: roofline.measure.Figure((0.004,)), "loss": roofline.measure.Figure((0.001,))}
    passes = {"loss": 4000, "cells": 8000}
    rows, least, measured = roofline.layer_rows([product], passes, 10, found, 1e9, 1e6, 4)
    # Bytes bound the product: 888,000 at 1 MB/s are more than 4 MFLOP at 1 GFLOP/s.
    assert least == pytest.approx(0.888 + 0.004 + 0.008) and measured == 0.005
    assert rows[0] == ["layer", "0.40", "88.8", "888.00", "4.00"] and rows[2][-1] == ""
    seconds = roofline.measure.Figure((0.04, 0.02, 0.08))
    share = roofline.show_step("step", 10, rows, least, measured, 4e6, seconds, 1e9)
    assert share.values == pytest.approx((10, 20, 5))
    assert "10.0 (5.0–20.0) % of the matrix roof" in capsys.readouterr().out


def test_random_work_is_of_the_size_that_was_asked_for(ours, load):
    synthetic = load("synthetic")
    sizes = {"embedding_dim": 4, "units": 4}
    config = recipe(ours, encoder=sizes, decoder={**sizes, "units": 8})
    work = synthetic.Work(ours.recipe_model(config, 60), 60)
    for num_beams in (1, 3):
        found = work.search(rows=2, source_length=5, steps=6, num_beams=num_beams)()
        assert found.tokens.shape == (2, 1, 6)
        assert (found.tokens[..., :-1] > END).all() and (found.tokens[..., -1] == END).all()
    size = {"rows": 2, "source_length": 5, "target_length": 6}
    step, loss = work.step(**size), work.forward(**size)
    before = float(work.model.trainable_variables[0].numpy().sum())
    assert step() > 0 and loss() == ()
    assert float(work.model.trainable_variables[0].numpy().sum()) != before
    shapes = [weight.shape for weight in work.model.trainable_variables]
    assert work.gradient(**size)() == shapes
    assert work.loss(rows=2, target_length=6)() == (2, 6, 60)
    assert work.product(batch=2, m=3, k=4, n=5, count=2)() == (2, 3, 5)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_peak_of_memory_is_that_since_it_was_forgotten(ours, load):
    synthetic = load("synthetic")
    before = synthetic.resident()
    np.ones(1 << 24)
    assert synthetic.resident(peak=True) - before > 100 << 20
    synthetic.forget_peak()
    assert synthetic.resident(peak=True) - synthetic.resident() < 50 << 20


def test_exponents_of_powers_and_their_picture(load, tmp_path):
    scaling = load("scaling")
    assert scaling.exponent([1, 10, 100], [3, 300, 30_000]) == pytest.approx(2)
    curve = [
        {"value": x, "seconds": [x, x, 9e9], "processor_seconds": [x**2], "bytes": x**0.5}
        for x in (1, 2, 4, 8)
    ]
    expected = {"seconds": 1, "processor_seconds": 2, "bytes": 0.5}
    assert scaling.exponents(curve) == pytest.approx(expected)
    args = scaling.parse(["--sweeps", "beams", "source length", "--longest", "50"])
    found = [(sweep, work, value) for sweep, work, value, _ in scaling.points(args)]
    assert [x for x in found if x[0] == "beams"] == [("beams", "beam", 1 << i) for i in range(6)]
    assert [x[2] for x in found if x[1] == "training"] == [10, 50]
    sizes = [size for _, _, _, size in scaling.points(args)]
    assert sizes[3] == {**scaling.BASE, "beams": 8}
    pytest.importorskip("matplotlib")
    for point in curve:
        point["compiled"] = 1.0
    scaling.draw({("beams", "beam"): curve, ("batch", "greedy"): curve}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"
    rows = list(scaling.rows({("beams", "beam"): curve}))
    assert rows[0][2:5] == ["1 → 8", "1,000 → 8,000", "1.00 (2.00)"]


def test_every_product_is_about_the_same(load, capsys):
    int8 = load("int8")
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 64)).astype("float32"), rng.normal(size=(64, 40)).astype("float32")
    for name, product in int8.products(x, w).items():
        found = np.asarray(product()).astype("float32")
        assert np.abs(found - x @ w).mean() < 0.03 * np.abs(x @ w).mean(), name
    int8.main(["--shapes", "2x16x24", "--repeats", "1"])
    assert "| 2 x 16 x 24 | " in capsys.readouterr().out
