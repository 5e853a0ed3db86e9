"""A directory in the layout of a published Whisper, with random weights, without transformers."""

import json

import numpy as np

LANGUAGES = ("en", "de", "fr")
SPECIAL = (
    *("startoftranscript", *LANGUAGES, "translate", "transcribe"),
    *("startoflm", "startofprev", "nospeech", "notimestamps"),
)
RATE, SECONDS = 16000, 1  # of a window


def write_tiny_whisper(directory):
    """Writes it, and returns the directory."""
    import keras
    from keras import ops
    from safetensors.numpy import save_file
    from tokenizers import AddedToken, ByteLevelBPETokenizer

    from s2s_zoo import Seq2Seq
    from s2s_zoo.checkpoints.pretrained import whisper
    from s2s_zoo.checkpoints.weights import weights_by_name
    from tests.checkpoints.pretrained.lines import LINES

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(LINES, 300, show_progress=False)
    end = trained.get_vocab_size()
    names = ["<|endoftext|>", *(f"<|{name}|>" for name in SPECIAL)]
    trained.add_special_tokens([AddedToken(name, special=True) for name in names])
    trained.add_tokens([f"<|{0.02 * i:.2f}|>" for i in range(1 + 50 * SECONDS)])
    directory.mkdir(parents=True, exist_ok=True)
    trained.save(str(directory / "tokenizer.json"))
    ids = trained.get_vocab()
    config = {
        "model_type": "whisper",
        "architectures": ["WhisperForConditionalGeneration"],
        "vocab_size": len(ids),
        "num_mel_bins": 20,
        "d_model": 16,
        **{f"{side}_layers": 1 for side in ("encoder", "decoder")},
        **{f"{side}_attention_heads": 2 for side in ("encoder", "decoder")},
        **{f"{side}_ffn_dim": 24 for side in ("encoder", "decoder")},
        "max_source_positions": 50 * SECONDS,
        "max_target_positions": 32,
        **{f"{name}_token_id": end for name in ("bos", "eos", "pad")},
        "decoder_start_token_id": ids["<|startoftranscript|>"],
    }
    generation = {
        "max_length": 24,
        "is_multilingual": True,
        "no_timestamps_token_id": ids["<|notimestamps|>"],
        "lang_to_id": {f"<|{x}|>": ids[f"<|{x}|>"] for x in LANGUAGES},
        "task_to_id": {x: ids[f"<|{x}|>"] for x in ("transcribe", "translate")},
        "alignment_heads": [[0, 0]],
        "suppress_tokens": list(range(end + 1, ids["<|notimestamps|>"])),
        "begin_suppress_tokens": [end],
    }
    features = {"feature_size": 20, "sampling_rate": RATE, "n_fft": 400, "hop_length": 160}
    for name, value in (
        ("config.json", config),
        ("generation_config.json", generation),
        ("preprocessor_config.json", features),
    ):
        (directory / name).write_text(json.dumps(value))
    keras.utils.set_random_seed(3)
    encoder, decoder = whisper.describe(config | {"max_position_embeddings": 32})
    model = Seq2Seq(encoder, {**decoder, "tie_embeddings": True})
    rng, tensors = np.random.default_rng(3), {}
    for name, weight in weights_by_name(model).items():
        value = ops.convert_to_numpy(weight) + rng.normal(size=weight.shape) * 0.3
        value = value.T if name.endswith("kernel") else value
        theirs = f"model.{whisper.names(name, {'tie_word_embeddings': True, 'shared': False})[0]}"
        tensors[theirs] = np.ascontiguousarray(value, "float32")
    save_file(tensors, directory / "model.safetensors")
    return directory


def sound(seconds, seed=0, rate=RATE):
    """Tones that come and go, in noise: (N,) float32."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    pitch = rng.uniform(100, 0.25 * rate, 8)
    place = (time * 8).astype(int) % 8
    noise = 0.01 * rng.normal(size=time.shape)
    return (0.3 * np.sin(2 * np.pi * pitch[place] * time) + noise).astype("float32")
