import keras
import pytest

from s2s_zoo.training import precision


def test_half_precision_is_chosen_where_the_processor_has_products_of_it(monkeypatch):
    chosen = {}
    for flags in ("avx2 avx512f", "avx2 amx_bf16", "avx512_bf16"):
        monkeypatch.setattr(precision, "_cpu_flags", lambda flags=flags: set(flags.split()))
        chosen[flags] = precision.fastest_precision()
    pays = keras.backend.backend() == "tensorflow"
    half = "mixed_bfloat16" if pays else "float32"
    assert chosen == {"avx2 avx512f": "float32", "avx2 amx_bf16": half, "avx512_bf16": half}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="devices of TensorFlow")
@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"compute_capability": (7, 5)}, "mixed_float16"),
        ({"compute_capability": (9, 0)}, "mixed_bfloat16"),
        ({}, "mixed_bfloat16"),
    ],
)
def test_half_precision_of_a_gpu_is_the_one_it_has(details, expected, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    assert precision.fastest_precision() == expected


def test_flags_of_the_processor_are_words():
    assert all(flag.isidentifier() or flag[0].isdigit() for flag in precision._cpu_flags())
