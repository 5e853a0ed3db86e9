"""Small random checkpoints that read images or sounds, are made of halves, or of sparse blocks.

Each function writes the tokenizer into a directory, and what makes pixels or features, and returns
the torch model, with the weights that transformers draws, the tokenizer, and that other processor
or None. Options are those of a config, in place of the small sizes here.
"""

import json
import math

from tests.checkpoints.pretrained.lines import (
    LINES,
    pieces_model,
    write_byte_pairs,
    write_words,
)

ADDED = 2  # rows of the vocabulary of a BLIP without a piece: the start of a caption, and one more
TAGS = ["<s_form>", "<s_nm>", "</s_nm>", "<s_cnt>", "</s_cnt>", "<sep/>", "<yes/>"]
PAGE = [64, 48]
END = "<|endoftext|>"
MELS = 8
LANGUAGES = ("en", "de", "fr", "haw")
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
HALF = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}
SEEN = {"hidden_size": 48, "image_size": 32, "patch_size": 8, **HALF}


def blip(directory, text=(), vision=(), **more):
    import torch
    import transformers

    tokenizer = _bert(directory)
    count = len(tokenizer)
    torch.manual_seed(0)
    text = {
        "vocab_size": count + ADDED, "hidden_size": 32, "max_position_embeddings": 40,
        "initializer_range": 0.25, "bos_token_id": count, "pad_token_id": tokenizer.pad_token_id,
        "sep_token_id": tokenizer.sep_token_id, **HALF, **dict(text), **more,
    }  # fmt: skip
    vision = {**SEEN, "initializer_range": 0.5, **dict(vision)}
    config = transformers.BlipConfig(
        text_config=text, vision_config=vision, initializer_range=text["initializer_range"], **more
    )
    model = transformers.BlipForConditionalGeneration(config).eval()
    side = vision["image_size"]
    pixels = transformers.BlipImageProcessorPil(size={"height": side, "width": side})
    pixels.save_pretrained(directory)
    return model, tokenizer, pixels


def git(directory, text=(), vision=()):
    import torch
    import transformers

    tokenizer = _bert(directory)
    torch.manual_seed(0)
    vision = {**SEEN, "initializer_range": 0.3, **dict(vision)}
    config = transformers.GitConfig(
        vision_config=vision,
        **{
            "vocab_size": len(tokenizer), "hidden_size": 32, "max_position_embeddings": 40,
            "initializer_range": 0.3, "bos_token_id": tokenizer.cls_token_id,
            "eos_token_id": tokenizer.sep_token_id, "pad_token_id": tokenizer.pad_token_id,
            **HALF, **dict(text),
        },
    )  # fmt: skip
    model = transformers.GitForCausalLM(config).eval()
    side = vision["image_size"]
    size = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    pixels = transformers.CLIPImageProcessorPil(**size)
    pixels.save_pretrained(directory)
    return model, tokenizer, pixels


def vit_gpt2(directory, encoder=(), decoder=()):
    import torch
    import transformers

    write_byte_pairs(directory, [END])
    tokenizer = transformers.GPT2Tokenizer.from_pretrained(directory)
    tokenizer.save_pretrained(directory)
    end = tokenizer.convert_tokens_to_ids(END)
    torch.manual_seed(0)
    read = transformers.ViTConfig(
        **{**SEEN, "intermediate_size": 48, "initializer_range": 0.25, **dict(encoder)}
    )
    written = transformers.GPT2Config(
        **{
            "vocab_size": len(tokenizer), "n_positions": 40, "n_embd": 32, "n_layer": 2,
            "n_head": 4, "initializer_range": 0.25, "bos_token_id": end, "eos_token_id": end,
            "add_cross_attention": True, "is_decoder": True, **dict(decoder),
        }
    )  # fmt: skip
    model = _joined(read, written, {"decoder_start": end, "pad": end, "eos": end})
    side = read.image_size
    pixels = transformers.ViTImageProcessorPil(size={"height": side, "width": side})
    pixels.save_pretrained(directory)
    return model, tokenizer, pixels


def trocr(directory, kind="vit", encoder=(), decoder=()):
    """With the tokenizer of a RoBERTa where the encoder is a ViT, else with that of an XLM."""
    import torch
    import transformers

    tokenizer = (_roberta if kind == "vit" else _xlm)(directory)
    tokenizer.save_pretrained(directory)
    torch.manual_seed(2)
    read = transformers.CONFIG_MAPPING[kind](**{**SEEN, "initializer_range": 0.25, **dict(encoder)})
    written = transformers.TrOCRConfig(
        **{
            "vocab_size": len(tokenizer), "d_model": 32, "decoder_layers": 2,
            "decoder_attention_heads": 4, "decoder_ffn_dim": 40, "max_position_embeddings": 40,
            "init_std": 0.25, "is_decoder": True, "add_cross_attention": True,
            "cross_attention_hidden_size": read.hidden_size, **dict(decoder),
        }
    )  # fmt: skip
    model = _joined(read, written, {"decoder_start": 2, "pad": 1, "eos": 2})
    side = read.image_size
    pixels = transformers.ViTImageProcessorPil(
        size={"height": side, "width": side}, resample=3 if kind == "deit" else 2
    )
    pixels.save_pretrained(directory)
    return model, tokenizer, pixels


def donut(directory, kind="donut-swin", encoder=(), decoder=(), seen=()):
    import torch
    import transformers

    tokenizer = _xlm(directory)
    tokenizer.add_tokens(TAGS, special_tokens=True)
    tokenizer.save_pretrained(directory)
    torch.manual_seed(3)
    read = transformers.CONFIG_MAPPING[kind](
        **{
            "image_size": PAGE, "patch_size": 4, "embed_dim": 16, "depths": [2, 2],
            "num_heads": [2, 4], "window_size": 4, "initializer_range": 0.25, **dict(encoder),
        }
    )  # fmt: skip
    written = transformers.MBartConfig(
        **{
            "vocab_size": len(tokenizer), "d_model": 32, "decoder_layers": 2, "init_std": 0.25,
            "decoder_attention_heads": 4, "decoder_ffn_dim": 40, "max_position_embeddings": 40,
            "is_decoder": True, "add_cross_attention": True, **dict(decoder),
        }
    )  # fmt: skip
    start = tokenizer.convert_tokens_to_ids(TAGS[0])
    model = _joined(read, written, {"decoder_start": start, "pad": 1, "eos": 2})
    size = dict(zip(("height", "width"), read.image_size, strict=True))
    if kind == "swin":
        pixels = transformers.ViTImageProcessorPil(size=size)
    else:
        pixels = transformers.DonutImageProcessorPil(size=size, **dict(seen))
    pixels.save_pretrained(directory)
    return model, tokenizer, pixels


def pix2struct(directory, asks=False, text=(), vision=(), patches=60):
    import torch
    import transformers

    tokenizer = transformers.T5Tokenizer.from_pretrained(_pieces(directory))
    tokenizer.save_pretrained(directory)
    torch.manual_seed(0)
    text = {
        "vocab_size": len(tokenizer) + 20, "hidden_size": 32, "d_kv": 8, "d_ff": 40,
        "num_layers": 2, "num_heads": 4, "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 20, **dict(text),
    }  # fmt: skip
    vision = {
        "hidden_size": 32, "patch_embed_hidden_size": 48, "d_kv": 8, "d_ff": 40, "seq_len": 70,
        "num_hidden_layers": 2, "num_attention_heads": 4, **dict(vision),
    }  # fmt: skip
    config = transformers.Pix2StructConfig(
        text_config=text, vision_config=vision, is_vqa=asks, initializer_factor=1.0,
        tie_word_embeddings=text.get("tie_word_embeddings", False),
    )  # fmt: skip
    model = transformers.Pix2StructForConditionalGeneration(config).eval()
    side = math.isqrt(vision["patch_embed_hidden_size"] // 3)
    pixels = transformers.Pix2StructImageProcessorPil(
        max_patches=patches, patch_size={"height": side, "width": side}, is_vqa=asks
    )
    pixels.save_pretrained(directory)
    return model, tokenizer, pixels


def encoder_decoder(directory, kind="bert", encoder=(), decoder=(), **more):
    import torch
    import transformers

    tokenizer = {"bert": _bert, "roberta": _roberta}[kind](directory)
    tokenizer.save_pretrained(directory)
    torch.manual_seed(3)
    parts = [
        transformers.CONFIG_MAPPING[kind](
            **{
                "vocab_size": len(tokenizer) + 3, "hidden_size": 32, "max_position_embeddings": 50,
                "initializer_range": 0.25, "pad_token_id": tokenizer.pad_token_id,
                **HALF, "num_hidden_layers": layers, **dict(half), **more,
            }
        )
        for half, layers in ((encoder, 2), (decoder, 1))
    ]  # fmt: skip
    config = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(*parts)
    config.pad_token_id = tokenizer.pad_token_id
    config.eos_token_id = tokenizer.sep_token_id
    config.decoder_start_token_id = tokenizer.cls_token_id
    return transformers.EncoderDecoderModel(config).eval(), tokenizer, None


def bigbird_pegasus(directory, **options):
    import torch
    import transformers

    from tests.checkpoints.pretrained.oracle import SIZES

    tokenizer = transformers.PegasusTokenizer.from_pretrained(_pieces(directory))
    tokenizer.save_pretrained(directory)
    torch.manual_seed(0)
    sizes = {"vocab_size": len(tokenizer), "block_size": 3, "num_random_blocks": 1, **SIZES}
    config = transformers.BigBirdPegasusConfig(**{**sizes, **options})
    return transformers.BigBirdPegasusForConditionalGeneration(config).eval(), tokenizer, None


def speech_to_text(directory, told=(), extracted=(), **options):
    import torch
    import transformers

    model, pieces = pieces_model(200)
    (directory / "sentencepiece.bpe.model").write_bytes(model)
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *pieces[3:]]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    (directory / "vocab.json").write_text(json.dumps(vocabulary))
    tokenizer = transformers.Speech2TextTokenizer.from_pretrained(directory, **dict(told))
    tokenizer.save_pretrained(directory)
    torch.manual_seed(0)
    config = transformers.Speech2TextConfig(
        **{
            "vocab_size": len(pieces), "encoder_layers": 2, "encoder_ffn_dim": 40,
            "encoder_attention_heads": 4, "decoder_layers": 2, "decoder_ffn_dim": 40,
            "decoder_attention_heads": 4, "d_model": 32, "conv_channels": 24,
            "input_feat_per_channel": MELS, "max_target_positions": 40, "init_std": 0.3,
            **options,
        }
    )  # fmt: skip
    mels = config.input_feat_per_channel
    features = transformers.Speech2TextFeatureExtractor(
        feature_size=mels, num_mel_bins=mels, **dict(extracted)
    )
    features.save_pretrained(directory)
    return transformers.Speech2TextForConditionalGeneration(config).eval(), tokenizer, features


def whisper(directory, multilingual=True, seconds=1, **options):
    """Of windows of so many seconds; its tokenizer is one of `tokenizers`."""
    import torch
    import transformers
    from tokenizers import AddedToken, ByteLevelBPETokenizer

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(LINES, 400, show_progress=False)
    end = trained.get_vocab_size()
    codes = LANGUAGES if multilingual else ("en",)
    said = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
    names = [f"<|{name}|>" for name in ("endoftext", "startoftranscript", *codes, *said)]
    trained.add_special_tokens([AddedToken(name, special=True) for name in names])
    trained.add_tokens([f"<|{0.02 * i:.2f}|>" for i in range(1 + 50 * seconds)])
    trained.save(str(directory / "tokenizer.json"))
    ids = trained.get_vocab()
    start, timeless = ids["<|startoftranscript|>"], ids["<|notimestamps|>"]
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        **{
            "vocab_size": len(ids), "num_mel_bins": 20, "d_model": 32,
            "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
            "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48,
            "max_source_positions": 50 * seconds, "max_target_positions": 64, "init_std": 0.25,
            "bos_token_id": end, "eos_token_id": end, "pad_token_id": end,
            "decoder_start_token_id": start, "suppress_tokens": None,
            "begin_suppress_tokens": None, **options,
        }
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config).eval()
    tasks = {"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]}
    model.generation_config = transformers.GenerationConfig(
        bos_token_id=end, eos_token_id=end, pad_token_id=end, decoder_start_token_id=start,
        is_multilingual=multilingual, no_timestamps_token_id=timeless,
        suppress_tokens=list(range(start, timeless)), alignment_heads=[[1, 0], [1, 2]],
    )  # fmt: skip
    if multilingual:
        model.generation_config.lang_to_id = {f"<|{x}|>": ids[f"<|{x}|>"] for x in LANGUAGES}
        model.generation_config.task_to_id = tasks
    features = transformers.WhisperFeatureExtractor(
        feature_size=config.num_mel_bins, chunk_length=seconds
    )
    features.save_pretrained(directory)
    return model, trained, features


def _bert(directory):
    import transformers

    write_words(directory)
    tokenizer = transformers.BertTokenizer.from_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return tokenizer


def _roberta(directory):
    import transformers

    write_byte_pairs(directory, ROBERTA)
    return transformers.RobertaTokenizer.from_pretrained(directory)


def _pieces(directory):
    """The directory, with the pieces of a T5."""
    ids = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
    (directory / "spiece.model").write_bytes(pieces_model(200, **ids)[0])
    return directory


def _xlm(directory):
    import transformers

    (directory / "sentencepiece.bpe.model").write_bytes(pieces_model(200)[0])
    return transformers.XLMRobertaTokenizer.from_pretrained(directory)


def _joined(encoder, decoder, ids):
    """The model of two halves, whose whole config says which tokens are special."""
    import transformers

    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    for name, token in ids.items():
        setattr(config, f"{name}_token_id", token)
    return transformers.VisionEncoderDecoderModel(config=config).eval()
