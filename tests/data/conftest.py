import random

import pytest

from s2s_zoo.data import SentencePieceTokenizer, TextProcessor

WORDS = {
    "en": "a the dog cat bird runs sleeps eats sees over under big small green red house tree",
    "de": "ein der Hund Katze Vogel rennt schläft frisst sieht über unter groß klein grün rot Haus",
}


def sentence(language, length, generator):
    return " ".join(generator.choices(WORDS[language].split(), k=length)) + "."


@pytest.fixture(scope="session")
def pairs():
    """120 pairs whose sides differ in length, up to 14 words."""
    generator = random.Random(1)
    made = []
    for index in range(120):
        length = 1 + index % 12
        other = length + generator.randrange(3)
        made.append((sentence("en", length, generator), sentence("de", other, generator)))
    return made


@pytest.fixture(scope="session")
def tokenizer(pairs):
    texts = [text for pair in pairs for text in pair]
    return SentencePieceTokenizer.train(texts, vocabulary_size=60)


@pytest.fixture(scope="session")
def other_tokenizer(pairs):
    return SentencePieceTokenizer.train((target for _, target in pairs), vocabulary_size=40)


@pytest.fixture
def processor(tokenizer):
    return TextProcessor(tokenizer, tokenizer, max_source_length=60, max_target_length=60)
