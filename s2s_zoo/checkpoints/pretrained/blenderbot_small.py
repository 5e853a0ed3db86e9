"""BlenderbotSmall, the first of the Blenderbots (2004.13637), with 90 million weights."""

from s2s_zoo.checkpoints.pretrained import bart, blenderbot
from s2s_zoo.checkpoints.pretrained.family import Family
from s2s_zoo.checkpoints.pretrained.tokenizers import Files, Read, need, read_vocabulary
from s2s_zoo.checkpoints.pretrained.word_bpe import UNKNOWN, WordPairTokenizer, read_merges
from s2s_zoo.protocol.types import Config


def describe(config: Config) -> tuple[Config, Config]:
    positions = {"name": "learned", "length": config["max_position_embeddings"]}
    encoder, decoder = bart.stack(config, positions=positions, embedding_norm=True)
    return encoder, {**decoder, "embedding_norm": "before"}


def tokenizer(files: Files, config: Config) -> Read:
    used = ("vocab.json", "merges.txt")
    need(files, "blenderbot-small", used)
    vocabulary = read_vocabulary(files, "vocab.json", UNKNOWN)
    return WordPairTokenizer(vocabulary, read_merges(files["merges.txt"])), used


FAMILY = Family(
    task="text2text",
    defaults=blenderbot.IDS,
    describe=describe,
    names=bart.names,
    tokenizer=tokenizer,
    source_ends=False,
    between_turns="\n",
)
