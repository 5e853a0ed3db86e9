"""The files of a checkpoint directory, in our layout and in that of transformers."""

from s2s_zoo.data.stored import PROCESSOR

FORMAT_VERSION = 2  # the last; a checkpoint has the first that can say what is in it
CONFIG, WEIGHTS = "config.json", "model.safetensors"
GENERATION, CARD = "generation.json", "README.md"
REQUIRED = (CONFIG, WEIGHTS, PROCESSOR, GENERATION)
SHORTLIST = "shortlist.safetensors"
EDITABLE = (CONFIG, GENERATION, CARD)  # written by people too, so config.json pins no hash of them
CONFIG_KEYS = ("format_version", "task", "languages", "model", "files")

# What transformers writes; of the weights the first that is there is taken.
PRETRAINED_WEIGHTS = ("model.safetensors", "tf_model.h5", "pytorch_model.bin")
SETTINGS = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
)
CTRANSLATE2, MARIAN = "model.bin", "decoder.yml"
# Of CTranslate2 too, which says there what the ids are called.
VOCABULARIES = tuple(
    f"{side}_vocabulary.{kind}"
    for side in ("shared", "source", "target")
    for kind in ("json", "txt")
)
TOKENIZER_FILES = (
    "source.spm",
    "target.spm",
    "vocab.json",
    "target_vocab.json",
    "merges.txt",
    "vocab.txt",
    "prophetnet.tokenizer",
    "tokenizer.json",
    "spiece.model",
    "sentencepiece.bpe.model",
)
# Beside a model of CTranslate2.
MORE_TOKENIZER_FILES = (
    *("source.model", "target.model", "sentencepiece.model", "tokenizer.model"),
    *VOCABULARIES,
)
