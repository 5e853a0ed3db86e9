"""What is known not to be read here, and what to use in its place."""

NEAR = {  # by model_type: what it is, and the family to use
    "switch_transformers": ("a T5 whose feed-forward layers are mixtures of experts", "a T5"),
    "nllb-moe": ("an M2M-100 whose feed-forward layers are mixtures of experts", "an NLLB"),
    "pegasus_x": ("a Pegasus with staggered blocks of attention", "a Pegasus"),
    "xlm-prophetnet": ("a ProphetNet of a hundred languages", "a ProphetNet or an mBART"),
    "rag": ("a generator beside an index of documents", "a BART"),
    "blip-2": ("a ViT, a Q-Former and a decoder of billions of weights", "a BLIP"),
    "instructblip": ("a ViT, a Q-Former and a decoder of billions of weights", "a BLIP"),
    "florence2": ("a DaViT and a BART that reads an image and a task", "a BLIP or a Pix2Struct"),
    "speech-encoder-decoder": ("a model of sound and one of text joined", "a Whisper"),
}
DECODERS = frozenset(
    "gpt2 gpt_neo gpt_neox gptj gpt_bigcode gpt_oss openai-gpt opt bloom llama mistral mixtral "
    "qwen2 qwen3 gemma gemma2 gemma3 gemma3_text phi phi3 falcon mpt stablelm xglm ctrl mamba rwkv "
    "trocr".split()
)
ENCODERS = frozenset(
    "bert roberta xlm-roberta camembert distilbert albert electra deberta deberta-v2 mpnet "
    "modernbert vit deit beit swin clip siglip dinov2 wav2vec2 hubert wavlm".split()
)


def why_not(model_type: object) -> str | None:
    """Returns why a model_type is not read, and the remedy, or None where nothing is known."""
    if not isinstance(model_type, str):
        return None
    if model_type in DECODERS:
        return (
            f"{model_type} is a decoder without an encoder: it goes on with a text. Use an encoder-"
            "decoder, such as a T5, or another library"
        )
    if model_type in ENCODERS:
        return f"{model_type} is an encoder alone, which writes no text. Use an encoder-decoder"
    if model_type in NEAR:
        what, instead = NEAR[model_type]
        return f"{model_type} is {what}, which is not read here. Use {instead}"
    return None
