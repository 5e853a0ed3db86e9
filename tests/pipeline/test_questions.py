"""Questions over a text: what the model reads of them, and what is refused."""

import pytest

from s2s_zoo.pipeline.questions import Asking


def test_what_a_model_reads():
    about = Asking("It was Ann.")
    assert about.put("Who?") == "question: Who? context: It was Ann."
    assert about.put(["Who?", " "]) == ["question: Who? context: It was Ann.", " "]
    assert list(about.put(iter(["Who?"]))) == ["question: Who? context: It was Ann."]
    assert Asking().put(["Who?"]) == ["Who?"]
    assert Asking(("a", "b")).put(["x", "y"]) == [
        "question: x context: a",
        "question: y context: b",
    ]
    # What stands in a question or a text is none of the template.
    odd = Asking("{question} {context}", "{context} | {question}")
    assert odd.put("{context}?") == "{question} {context} | {context}?"


@pytest.mark.parametrize("questions", ["x", ["x"], iter(["x", "y"])])
def test_as_many_contexts_as_questions(questions):
    with pytest.raises(ValueError, match="one context, or a list of questions.*2 contexts"):
        Asking(("a", "b")).put(questions)
    with pytest.raises(TypeError, match="5"):
        Asking("a").put([5])
