"""A dialogue keeps its turns, and its model reads as many of the last as fit."""

import pytest

from s2s_zoo import Conversation, from_pretrained
from tests.checkpoints.pretrained.lines import AS_IT_IS


@pytest.fixture(scope="module")
def pipeline(hub_marian):
    return from_pretrained(hub_marian)


class Echo:
    """A pipeline that says what it reads, at most eight words and an end."""

    generation: dict = {}

    class processor:  # noqa: N801
        reads = "text"
        between_turns = " | "
        max_source_length = 9

        @staticmethod
        def encode_source(texts, truncate):
            return [[*text.split(), "END"] for text in texts]

    def __call__(self, text, **options):
        return f"<{text}>"


def test_it_keeps_its_turns_and_reads_the_last():
    talk = Conversation(Echo(), turns=["a b c d", "e"])
    assert talk("f g") == "<e | f g>"  # nine words with the marks, and an end, were too many
    assert talk.turns == ["a b c d", "e", "f g", "<e | f g>"]
    talk.turns.clear()
    assert talk("h") == "<h>" and repr(talk).endswith("turns=2)")
    assert Conversation(Echo(), ["a", "b"], separator=" ", most_turns=2)("c") == "<b c>"
    long = " ".join("abcdefghijk")
    assert Conversation(Echo(), ["x"])(long) == f"<{long}>"  # the pipeline cuts it, with a warning


def test_with_a_pipeline(pipeline):
    talk = Conversation(pipeline)
    first = talk("a dog runs", **AS_IT_IS)
    assert first == pipeline("a dog runs", **AS_IT_IS) and talk.turns == ["a dog runs", first]
    result = talk("ein Hund", return_scores=True, **AS_IT_IS)
    assert talk.turns[3] == result.text
    assert result.text == pipeline(talk.separator.join(talk.turns[:3]), **AS_IT_IS)


def test_what_is_refused(pipeline):
    with pytest.raises(ValueError, match="most_turns of at least 1.*0"):
        Conversation(pipeline, most_turns=0)
    talk = Conversation(pipeline)
    with pytest.raises(ValueError, match="goes on with one answer.*num_return=2"):
        talk("a dog", num_return=2, num_beams=2)
    with pytest.raises(TypeError, match="5"):
        talk(5)
    assert talk.turns == []

    class Pictures:
        class processor:  # noqa: N801
            reads = "image"

    with pytest.raises(ValueError, match="reads text.*reads image"):
        Conversation(Pictures())
