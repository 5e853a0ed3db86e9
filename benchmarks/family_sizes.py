"""The checkpoints of families.py: one of about the published base size of each family."""

from typing import NamedTuple

import numpy as np

TEXT, DOCUMENT = 64, 1024  # tokens of a source
TINY = 24  # of one of a tiny checkpoint, however long those of its family are
# Whose files transformers neither writes nor reads.
OTHERS = ("ctranslate2", "faster-whisper", "marian-npz")


class Published(NamedTuple):
    """What is like a published checkpoint.

    Attributes:
        model_type: str, as in `s2s_zoo.checkpoints.pretrained.FAMILIES`.
        like: str, the checkpoint whose sizes these are.
        maker: str, of tests/checkpoints/pretrained: a function of mixed_oracle.py, or the family
            of `prepare` in oracle.py.
        options: dict, for that function.
        length: int, tokens of a source, where it is text.
    """

    model_type: str
    like: str
    maker: str
    options: dict
    length: int = TEXT


def _bart(width, layers, heads, inner, vocabulary, positions=1024, **more):
    """Layers of encoder and decoder, the same or a pair."""
    read, written = layers if isinstance(layers, tuple) else (layers, layers)
    return {
        "d_model": width, "encoder_layers": read, "decoder_layers": written,
        "encoder_attention_heads": heads, "decoder_attention_heads": heads,
        "encoder_ffn_dim": inner, "decoder_ffn_dim": inner, "vocab_size": vocabulary,
        "max_position_embeddings": positions, "init_std": 0.02, **more,
    }  # fmt: skip


def _t5(width, inner, layers, heads, vocabulary, **more):
    read, written = layers if isinstance(layers, tuple) else (layers, layers)
    return {
        "d_model": width, "d_kv": 64, "d_ff": inner, "num_layers": read,
        "num_decoder_layers": written, "num_heads": heads, "vocab_size": vocabulary,
        "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128, **more,
    }  # fmt: skip


def _bert(**more):
    return {
        "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "intermediate_size": 3072, "initializer_range": 0.02, **more,
    }  # fmt: skip


def _mbart_decoder(layers, vocabulary, positions):
    return {
        "d_model": 1024, "decoder_layers": layers, "decoder_attention_heads": 16,
        "decoder_ffn_dim": 4096, "vocab_size": vocabulary, "max_position_embeddings": positions,
        "init_std": 0.02,
    }  # fmt: skip


GATED = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
FAMILIES = {
    "marian": Published(
        "marian", "opus-mt-en-de", "marian", _bart(512, 6, 8, 2048, 58101, positions=512)
    ),
    "bart": Published("bart", "bart-base", "bart", _bart(768, 6, 12, 3072, 50265)),
    "mbart": Published(
        "mbart", "mbart-large-50", "mbart", _bart(1024, 12, 16, 4096, 250054)
    ),
    "m2m_100": Published(
        "m2m_100", "m2m100_418M", "m2m_100", _bart(1024, 12, 16, 4096, 128112)
    ),
    "pegasus": Published(
        "pegasus", "pegasus-large", "pegasus", _bart(1024, 16, 16, 4096, 96103)
    ),
    "t5": Published("t5", "t5-base", "t5", _t5(768, 3072, 12, 12, 32128)),
    "flan-t5": Published("t5", "flan-t5-base", "t5", _t5(768, 2048, 12, 12, 32128, **GATED)),
    "byt5": Published(
        "t5", "byt5-small", "byt5", _t5(1472, 3584, (12, 4), 6, 384, **GATED), length=256
    ),
    "mt5": Published("mt5", "mt5-small", "mt5", _t5(512, 1024, 8, 6, 250112, **GATED)),
    "umt5": Published("umt5", "umt5-small", "umt5", _t5(512, 1024, 8, 6, 256384, **GATED)),
    "longt5": Published(
        "longt5", "long-t5-tglobal-base", "longt5",
        _t5(768, 2048, 12, 12, 32128, local_radius=127, global_block_size=16, **GATED),
        DOCUMENT,
    ),
    "blenderbot": Published(
        "blenderbot", "blenderbot-400M-distill", "blenderbot",
        _bart(1280, (2, 12), 32, 5120, 8008, positions=128),
    ),
    "blenderbot-small": Published(
        "blenderbot-small", "blenderbot_small-90M", "blendersmall",
        _bart(512, 8, 16, 2048, 54944, positions=512),
    ),
    "plbart": Published("plbart", "plbart-base", "plbart", _bart(768, 6, 12, 3072, 50005)),
    "mvp": Published("mvp", "mvp", "mvp", _bart(1024, 12, 16, 4096, 50267)),
    "prophetnet": Published(
        "prophetnet", "prophetnet-large-uncased", "prophetnet",
        {
            "vocab_size": 30522, "hidden_size": 1024, "num_encoder_layers": 12,
            "num_decoder_layers": 12, "num_encoder_attention_heads": 16,
            "num_decoder_attention_heads": 16, "encoder_ffn_dim": 4096, "decoder_ffn_dim": 4096,
            "num_buckets": 32, "relative_max_distance": 128, "max_position_embeddings": 512,
            "init_std": 0.02,
        },
    ),
    "led": Published(
        "led", "led-base-16384", "led",
        {
            **{k: v for k, v in _bart(768, 6, 12, 3072, 50265).items() if "position" not in k},
            "max_encoder_position_embeddings": 16384, "max_decoder_position_embeddings": 1024,
            "attention_window": 1024,
        },
        DOCUMENT,
    ),
    "bigbird_pegasus": Published(
        "bigbird_pegasus", "bigbird-pegasus-large-arxiv", "bigbird_pegasus",
        _bart(1024, 16, 16, 4096, 96103, positions=4096, block_size=64, num_random_blocks=3),
        DOCUMENT,
    ),
    "bert2bert": Published(
        "encoder-decoder", "bert2bert_cnn_daily_mail", "encoder_decoder",
        {"kind": "bert", "vocab_size": 30522, "max_position_embeddings": 512, **_bert()},
    ),
    "roberta2roberta": Published(
        "encoder-decoder", "roberta_shared_bbc_xsum", "encoder_decoder",
        {"kind": "roberta", "vocab_size": 50265, "max_position_embeddings": 514, **_bert()},
    ),
    "blip": Published(
        "blip", "blip-image-captioning-base", "blip",
        {
            "text": _bert(vocab_size=30524, max_position_embeddings=512),
            "vision": _bert(image_size=384, patch_size=16),
        },
    ),
    "git": Published(
        "git", "git-base", "git",
        {
            "text": _bert(num_hidden_layers=6, vocab_size=30522, max_position_embeddings=1024),
            "vision": _bert(image_size=224, patch_size=16),
        },
    ),
    "pix2struct": Published(
        "pix2struct", "pix2struct-base", "pix2struct",
        {
            "text": {
                "vocab_size": 50244, "hidden_size": 768, "d_ff": 2048, "num_layers": 12,
                "num_heads": 12, "d_kv": 64, "relative_attention_num_buckets": 32,
                "relative_attention_max_distance": 128,
            },
            "vision": {
                "hidden_size": 768, "patch_embed_hidden_size": 768, "d_ff": 2048, "d_kv": 64,
                "num_hidden_layers": 12, "num_attention_heads": 12, "seq_len": 4096,
            },
            "patches": 2048,
        },
    ),
    "vit-gpt2": Published(
        "vision-encoder-decoder", "vit-gpt2-image-captioning", "vit_gpt2",
        {
            "encoder": _bert(image_size=224, patch_size=16),
            "decoder": {
                "vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12,
                "n_head": 12, "initializer_range": 0.02,
            },
        },
    ),
    "trocr": Published(
        "vision-encoder-decoder", "trocr-base-printed", "trocr",
        {
            "encoder": _bert(image_size=384, patch_size=16, qkv_bias=False),
            "decoder": _mbart_decoder(12, 50265, 512),
        },
    ),
    "donut": Published(
        "vision-encoder-decoder", "donut-base-finetuned-cord-v2", "donut",
        {
            "encoder": {
                "image_size": [1280, 960], "embed_dim": 128, "depths": [2, 2, 14, 2],
                "num_heads": [4, 8, 16, 32], "window_size": 10, "initializer_range": 0.02,
            },
            "decoder": {**_mbart_decoder(4, 57580, 768), "scale_embedding": True},
        },
    ),
    "speech_to_text": Published(
        "speech_to_text", "s2t-small-librispeech-asr", "speech_to_text",
        {
            **{k: v for k, v in _bart(256, (12, 6), 4, 2048, 10000).items() if "position" not in k},
            "conv_channels": 1024, "input_feat_per_channel": 80, "max_target_positions": 1024,
        },
    ),
    "whisper": Published(
        "whisper", "whisper-base", "whisper",
        {
            **{k: v for k, v in _bart(512, 6, 8, 2048, 51865).items() if "position" not in k},
            "seconds": 30, "num_mel_bins": 80, "max_target_positions": 448,
        },
    ),
}  # fmt: skip


def drawn(spec, rows):
    """Sources, the same on both sides.

    Args:
        spec: dict of "shape" of one; of ids and pixels also "low" and "high", between which they
            are, and of ids "end", the last of each; of patches "columns" of an image.
        rows: int, N.

    Returns:
        int64 ids (N, S), uint8 pixels (N, H, W, 3) or float32 features (N, T, F), of patches the
        row and the column first.
    """
    rng, shape = np.random.default_rng(0), (rows, *spec["shape"])
    if "high" not in spec:
        found = rng.normal(size=shape).astype("float32")
        if "columns" in spec:
            rows_and_columns = np.divmod(np.arange(shape[1]), spec["columns"])
            found[..., :2] = 1 + np.stack(rows_and_columns, axis=-1)
        return found
    found = rng.integers(spec["low"], spec["high"], shape)
    if "end" not in spec:
        return found.astype("uint8")
    found[:, -1] = spec["end"]
    return found
