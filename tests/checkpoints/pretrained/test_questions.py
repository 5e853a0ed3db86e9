"""A T5 of the Hub answers questions over a text."""

import pytest

from s2s_zoo import from_pretrained
from s2s_zoo.apps.cli.main import main
from s2s_zoo.pipeline.questions import TEMPLATE

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_checkpoint_of_the_hub_answers(oracle, hub, tmp_path, capsys):
    hub.add("google/flan-t5-small", oracle("t5-gated").directory)
    answer = from_pretrained("hf://google/flan-t5-small", task="question_answering")
    plain = from_pretrained(oracle("t5-gated").directory)
    question, texts = "a dog?", ["two children run in the park.", "a dog"]
    read = [TEMPLATE.format(question=question, context=text) for text in texts]
    said = {"return_scores": True, "no_repeat_ngram_size": 2, "max_length": 12}

    def seen(found):
        return [(one.text, one.source_tokens, round(one.score, 3)) for one in found]

    expected = seen(plain([*read, question], **said))
    assert len({score for *_, score in expected}) == 3
    assert seen(answer([question] * 2, context=texts, **said)) == expected[:2]
    assert seen([answer(question, context=texts[0], **said)]) == expected[:1]
    assert seen([answer(question, **said)]) == expected[2:]
    assert answer(" ", context=texts[0]) == ""
    short = answer(question, context="a", template="{question} {context}", **said)
    assert seen([short]) == seen([plain(f"{question} a", **said)])
    *_, last = answer.stream(question, context=texts[1], max_length=12)
    assert last.source_tokens == expected[1][1]
    with pytest.raises(ValueError, match="context is for questions.*task='text2text'.*Load the ch"):
        plain(question, context="a")
    with pytest.raises(ValueError, match="split is for translation"):
        answer(question, context="a", split=True)
    for wrong in (5, [], ["a", 5]):
        with pytest.raises(ValueError, match="context expected a text"):
            answer(question, context=wrong)
    for wrong in ("{question}", "{context} {question} {context}", 5):
        with pytest.raises(ValueError, match="template expected a text with"):
            answer(question, context="a", template=wrong)
    (tmp_path / "about.txt").write_text(texts[0])
    about = ["--context", str(tmp_path / "about.txt"), "--max-length", "5"]
    assert main(["answer", question, "--model", "hf://google/flan-t5-small", *about]) == 0
    assert capsys.readouterr().out == f"{answer(question, context=texts[0], max_length=5)}\n"
    answer.save(tmp_path / "ours")
    ours = from_pretrained(tmp_path / "ours", task="question_answering")
    assert ours.task == "question_answering"
    assert seen([ours(question, context=texts[0], **said)]) == expected[:1]
    with pytest.raises(ValueError, match="is a checkpoint for question_answering"):
        from_pretrained(tmp_path / "ours", task="summarization")
