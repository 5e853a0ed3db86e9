"""Summaries of texts of any length, and what of them is checked."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.data.text.invented import NUMBER
from s2s_zoo.data.text.passages import passages, prose, sentences_of
from s2s_zoo.pipeline.result import Result
from s2s_zoo.pipeline.summaries import Summaries
from s2s_zoo.pipeline.summarizing import Summarizing, take_summarizing

LONGEST = 20  # tokens that the model reads


class Model:
    """Stands for an `Answerer`; its hypotheses are what functions make of a passage."""

    def __init__(self, *writes, strategy="beam"):
        self.writes = writes or (first_words,)
        self.search = SimpleNamespace(strategy=strategy)
        self.calls = []
        self.processor = SimpleNamespace(
            max_source_length=LONGEST,
            is_blank=lambda text: not text.strip(),
            encode_source=lambda texts, truncate: [[*text.split(), "END"] for text in texts],
        )

    def answers(self, texts):
        self.calls.append(list(texts))
        assert all(len(text.split()) < LONGEST for text in texts), "a passage was too long"
        return [
            [Result(write(text), -1.0 - k) for k, write in enumerate(self.writes)] for text in texts
        ]


def first_words(text):
    return " ".join(text.split()[:3]).rstrip(".")


def summarized(text, model=None, num_return=1, **how):
    given = {"languages": ("en",), "split": True, "faithful": True, "detect": True, **how}
    found = Summaries(model or Model(), Summarizing(**given), num_return).answers([text])[0]
    return found if num_return > 1 else found[0]


def sentences(count):
    """Sentences of five words, the n-th of which speaks of the thing n."""
    return [f"The thing {n} is here." for n in range(count)]


PAGE = " ".join(sentences(100))


def test_a_text_that_fits_is_read_as_it_is():
    model = Model()
    found = summarized("A harbour\nis closed for a week.", model)
    assert found == Result("A harbour is", -1.0)
    assert model.calls == [["A harbour\nis closed for a week."]]


def test_a_page_is_read_in_passages_and_the_whole_is_made_of_these():
    model = Model()
    found = summarized(PAGE, model)
    assert found.text == "The thing 0"
    read = [" ".join(call) for call in model.calls]
    assert all(sentence in read[0] for sentence in sentences(100)), "nothing was cut"
    assert [len(call) for call in model.calls][-1] == 1 < len(model.calls)
    assert len(found.segments) == len(model.calls[0]) and found.segments[1].text != found.text


def test_all_passages_of_all_texts_are_one_call_of_the_model():
    model = Model()
    how = Summarizing(("en",), split=True)
    texts = [PAGE, "A harbour is closed for a week.", " "]
    found = Summaries(model, how).answers(texts)
    assert [one[0].text for one in found] == ["The thing 0", "A harbour is", ""]
    assert "A harbour is closed for a week." in model.calls[0]


@pytest.mark.parametrize("count", [2, 3, 6, 40])
def test_as_many_sentences_as_were_asked_for(count):
    found = summarized(PAGE, count=count)
    assert found.text.count(".") == count and len(found.segments) == count
    assert found.text.startswith("The thing 0. The thing ")
    bullets = summarized(PAGE, count=count, bullets=True).text.split("\n")
    assert len(bullets) == count and bullets[0] == "- The thing 0"


def test_there_are_no_more_sentences_than_the_text_has():
    text = "A harbour of ships is closed today. It opens on Friday with a large party."
    assert summarized(text, count=6).text == "A harbour of. It opens on."


@pytest.mark.parametrize("text", ["cat", "Two words", "Opens at 9."])
def test_a_text_that_is_shorter_than_its_summary_is_given_back(text):
    found = summarized(text, Model(lambda x: "a cat is in a house"), faithful=False)
    assert found.text == text and found.score == -1.0
    assert summarized(text, Model(lambda x: "a cat is in a house"), bullets=True).text == (
        f"- {text}"
    )


def test_the_next_hypothesis_is_taken_where_the_best_invents_or_repeats_itself():
    text = "The harbour has 14 cranes and closes for a week."
    model = Model(
        lambda x: "Harbour with 15 cranes",
        lambda x: "Hamburg closes",
        lambda x: "",
        lambda x: "closes closes closes closes closes",
        lambda x: "Harbour with 14 cranes",
    )
    assert summarized(text, model) == Result("Harbour with 14 cranes", -5.0)
    several = summarized(text, model, num_return=3)
    assert [one.text for one in several] == [
        *("Harbour with 14 cranes", "Harbour with 15 cranes", "Hamburg closes"),
    ]
    assert several[0].warning is None and "'15'" in several[1].warning
    assert summarized(text, model, faithful=False).text == "Harbour with 15 cranes"


def test_a_warning_says_what_was_invented_where_no_hypothesis_holds():
    found = summarized("The harbour closes.", Model(lambda x: "In 2031"))
    assert found.text == "In 2031" and "'2031'" in found.warning and "Check it" in found.warning


def test_a_sentence_of_the_text_is_given_where_no_hypothesis_can_be_trusted():
    text = "Dear all, the harbour closes its cranes on 4 May because the cranes are old. Come by!"
    line = "The harbour closes its cranes on 4 May because the cranes are old"
    found = summarized(text, Model(lambda x: "In 2031"), extract=True)
    assert found.text == line and found.score is None
    assert "not sure" in found.warning and "Dear all" in found.warning
    both = summarized(text, Model(lambda x: "In 2031"), 2, extract=True)
    assert [one.text for one in both] == [line, "In 2031"] and "'2031'" in both[1].warning
    short = summarized("the harbour closes.", Model(lambda x: "In 2031"), extract=True)
    assert short == Result("the harbour closes.")
    holds = Model(lambda x: "In 2031", lambda x: "Cranes close")
    assert summarized(text, holds, extract=True).text == "Cranes close"

    class Aligned(Model):
        def answers(self, texts):
            return [[one._replace(alignment=[[1.0]]) for one in x] for x in super().answers(texts)]

    assert summarized(text, Aligned(lambda x: "In 2031"), extract=True).text == "In 2031"


def test_what_the_model_is_not_sure_of_is_a_sentence_of_its_passage():
    class Unsure(Model):
        def answers(self, texts):
            return [[one._replace(warning="not sure") for one in x] for x in super().answers(texts)]

    found = summarized(PAGE, Unsure(), extract=True, count=2)
    first, second = found.text.split(". ")
    assert first == "The thing 0 is here" and second in sentences(100)
    assert all("not sure" in part.warning for part in found.segments)
    assert summarized(PAGE, Unsure(), count=2).text.startswith("The thing 0. The thing ")


NUMBERS = st.from_regex(r"[1-9]\d{0,4}([.,]\d{1,3})?", fullmatch=True)


@given(
    NUMBERS,
    st.lists(
        st.sampled_from("total year cranes paid of".split()) | NUMBERS, min_size=1, max_size=6
    ),
)
def test_a_number_of_a_text_is_in_its_summary_or_not_but_never_another(number, words):
    text = f"The harbour paid {number} for cranes in a year, which is more than anybody had hoped."
    found = summarized(text, Model(lambda x: " ".join(words), lambda x: "total paid for cranes"))
    assert set(NUMBER.findall(found.text)) <= {number}
    assert found.warning is None


def test_the_whole_is_held_to_the_text_and_not_to_what_was_written_of_it():
    def invents(text):
        return "Thing 2031" if "here" in text else text.split(".")[0]

    found = summarized(PAGE, Model(invents))
    assert found.text == "Thing 2031" and "'2031'" in found.warning
    found = summarized(PAGE, Model(invents, lambda x: "The thing is"))
    assert found.text == "The thing is" and found.warning is None


def test_a_sentence_that_comes_again_is_read_once():
    model = Model()
    assert summarized("All is well today.\n" * 200, model).text == "All is well"
    assert model.calls == [["All is well today."]]
    found = summarized("All is well.\n" * 200, Model(lambda x: "Ceph is a store of 3 things"))
    assert (found.text, found.warning) == ("All is well.", None)


def test_capitals_are_read_as_small_letters_and_written_as_capitals():
    model = Model()
    assert summarized("THE HARBOUR IS CLOSED TODAY.", model).text == "THE HARBOUR IS"
    assert model.calls == [["the harbour is closed today."]]


def test_another_language_is_said_and_its_beginning_given():
    model = Model()
    german = "Der Hafen ist für eine Woche geschlossen, weil die Kräne geprüft werden. " * 9
    found = summarized(german, model)
    assert "'de'" in found.warning and found.text.startswith("Der Hafen ist") and not model.calls
    assert summarized(german, model, detect=False).text == "Der Hafen ist"


def test_a_list_of_numbers_keeps_its_numbers():
    short = summarized("3 14 15 92 65")
    assert short.text == "3 14 15" and short.warning is None
    found = summarized(" ".join(map(str, range(1000, 1400))))
    assert found.text.startswith("1000 1001 ") and found.text.endswith(" …")
    assert "no words" in found.warning


def test_code_has_a_warning():
    code = "def f(x):\n    return {y: x[y] for y in x if x[y] == 1}\n" * 2
    assert "code" in summarized(code).warning
    assert summarized("I paid $5 at the shop (in cash) and went home.").warning is None


def test_a_megabyte_is_summarized():
    text = " ".join(f"Thing {n} is here in the hall, said somebody." for n in range(22_000))
    assert len(text) > 1_000_000 - 20_000
    model = Model()
    assert summarized(text, model).text == "Thing 0 is"
    assert sum(map(len, model.calls[0][0:1])) < 200


def test_markdown_and_html_are_read_as_a_person_reads_them():
    model = Model()
    page = (
        "<h1>Harbour &amp; cranes</h1><script>x = 1</script>"
        "<p>It is <b>closed</b> <a href='/x'>today</a>.</p>"
    )
    summarized(page, model, format="html", count=1)
    [[read]] = model.calls
    assert read == "Harbour & cranes\n\nIt is closed today."
    model = Model()
    summarized("# Harbour\n\nIt is **closed** [today](x.md), `now`.\n", model, format="markdown")
    assert model.calls == [["Harbour\n\nIt is closed today, now."]]
    assert prose(r"1 \* 2 _is_ `x`", markdown=True) == "1 * 2 is x"
    found = summarized("<!-- nothing -->", format="html")
    assert found.text == "" and "no words" in found.warning


def test_lines_that_are_as_long_as_what_is_read_come_to_an_end():
    def half(text):
        return " ".join(text.split()[:12])

    found = summarized(PAGE, Model(half), count=2)
    assert len(found.segments) == 2


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 12))
def test_passages_hold_all_words_in_order_and_fit(lengths, count):
    def size(texts):
        return [len(text.split()) for text in texts]

    parts = [" ".join([f"w{i}"] * n) for i, n in enumerate(lengths)]
    found = passages(parts, size, 10, count)
    assert " ".join(found).split() == " ".join(parts).split()
    assert max(size(found)) <= 10
    assert len(found) >= min(count, len(parts))


def test_sentences_are_different():
    assert sentences_of("Well. Well. Good.") == ["Well.", "Good."]


def pipeline(languages=("en",), doubt=None):
    return SimpleNamespace(languages=list(languages), doubt=doubt, task="summarization")


def test_the_options_of_a_call():
    how, rest = take_summarizing(pipeline(), {"length": "short", "num_beams": 2})
    assert (how.count, how.split, how.faithful, how.detect) == (3, True, True, True)
    assert rest == {"num_beams": 2}
    assert take_summarizing(pipeline(()), {}) == (None, {})
    off = {"split": False, "faithful": False, "extract": False, "detect": False}
    assert take_summarizing(pipeline(), off)[0] is None
    assert take_summarizing(pipeline(()), {"length": 4})[0].count == 4
    wide = how.searched({}, {"num_beams": 5})
    assert wide == {"num_return": 5} and how.searched({"num_beams": 1}, {"num_beams": 5}) == {
        "num_beams": 1
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": "long"}, "line"),
        ({"length": 0}, "from 1 to 1000"),
        ({"length": True}, "a number of sentences"),
        ({"length": 2.5}, "a number of sentences"),
        ({"bullets": 1}, "True or False"),
        ({"split": False, "bullets": True}, "Leave split out"),
        ({"format": "pdf"}, "expected one of"),
        ({"format": "po"}, "expected one of"),
        ({"doubt": 1}, "doubt expected"),
        ({"keep": ["x"]}, "is for translation"),
        ({"markdown": True}, "format='markdown'"),
    ],
)
def test_what_an_option_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        take_summarizing(pipeline(), options)
