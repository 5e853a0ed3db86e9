"""`memory=PATH`: what was translated once is not translated again, and nothing else changes."""

import os
import warnings

import pytest

from s2s_zoo import Pipeline, Pivot, from_pretrained
from s2s_zoo.pipeline import remembering
from s2s_zoo.pipeline.memory import Memory
from s2s_zoo.protocol.errors import DataError, S2SZooError

pytestmark = pytest.mark.filterwarnings("ignore:The model", "ignore:A sentence is")
LETTER = "Ein Hund rennt. Das Kind spielt!\n\nEin Hund rennt. Der Preis ist 12,50."


@pytest.fixture
def path(tmp_path):
    return tmp_path / "memory.db"


@pytest.fixture
def searched(monkeypatch):
    """The number of sources in each batch that a model was asked for."""
    from s2s_zoo.generation.searcher import Searcher

    sizes, run = [], Searcher.run

    def counting(self, search, rows, *more):
        sizes.append(len(rows))
        return run(self, search, rows, *more)

    monkeypatch.setattr(Searcher, "run", counting)
    return sizes


def rows(path):
    with Memory(path) as memory:
        return sum(memory.pairs().values())


def test_another_run_asks_the_model_for_what_is_new(tiny_pipeline, path, searched):
    expected = tiny_pipeline(LETTER)
    assert tiny_pipeline(LETTER, memory=path) == expected
    assert rows(path) == 3  # of four sentences
    searched.clear()
    assert tiny_pipeline(LETTER, memory=path) == expected and searched == []
    assert tiny_pipeline(iter([LETTER]), memory=path).__next__() == expected and searched == []
    more = tiny_pipeline([LETTER, "Das Kind spielt! Wasser."], memory=str(path))
    assert more == tiny_pipeline([LETTER, "Das Kind spielt! Wasser."]) and searched[0] == 1
    with Memory(path) as memory:
        assert memory.pairs() == {("de", "en"): 4}


def test_scores_warnings_segments_and_hypotheses_come_back(tiny_pipeline, path, searched):
    options = {"return_scores": True, "num_beams": 3, "num_return": 2, "memory": path}
    first = tiny_pipeline([LETTER, "wasser"], **options)
    searched.clear()
    second = tiny_pipeline([LETTER, "wasser"], **options)
    assert searched == []
    for before, after in zip(first, second, strict=True):
        for a, b in zip(before, after, strict=True):
            assert (a.text, a.score, a.warning) == (b.text, b.score, b.warning)
            assert a.score_per_token == b.score_per_token
            assert [x.text for x in a.segments] == [x.text for x in b.segments]
    assert "lost what must not change" in first[0][0].warning
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        tiny_pipeline(LETTER, **{**options, "return_scores": False})
    assert any("lost what must not change" in str(warning.message) for warning in told)


OTHERS = (
    {"num_beams": 3},
    {"num_beams": 1},
    {"max_length": 3},
    {"length_penalty": 0.5},
    {"forced_prefix": "the"},
    {"keep": ["Hund"]},
    {"terms": {"Hund": "dog"}},
    {"notation": False},
    {"protect": False},
    {"detect": False},
    {"doubt": -0.5},
    {"replace_unknown": True},
)


def test_an_answer_depends_on_all_that_it_was_asked_with(tiny_pipeline, path):
    tiny_pipeline("ein hund rennt", memory=path)
    for count, options in enumerate(OTHERS, 2):
        with_memory = tiny_pipeline("ein hund rennt", memory=path, **options)
        assert with_memory == tiny_pipeline("ein hund rennt", **options), options
        assert rows(path) == count, options


@pytest.mark.parametrize("options", [{"split": False, "protect": False}, {"split": False}])
def test_a_text_that_is_not_parted_is_kept_whole(tiny_pipeline, path, searched, options):
    text = "EIN HUND RENNT. das kind spielt."
    expected = tiny_pipeline([text, ""], **options)
    assert tiny_pipeline([text, ""], memory=path, **options) == expected
    searched.clear()
    assert tiny_pipeline([text, ""], memory=path, **options) == expected and searched == []


def test_a_pipeline_that_was_trained_since_is_another(tiny_checkpoint, path, searched):
    pipeline = from_pretrained(tiny_checkpoint)
    pipeline("ein hund rennt", memory=path)
    searched.clear()
    for weight in pipeline.model.weights:
        weight.assign(weight * 0.5)
    assert pipeline("ein hund rennt", memory=path) == pipeline("ein hund rennt")
    assert searched == [1, 1] and rows(path) == 2


def test_a_killed_job_has_kept_what_was_done(tiny_pipeline, path, searched, monkeypatch):
    monkeypatch.setattr(remembering, "CHUNK", 2)
    answers = tiny_pipeline.searcher.run

    def killed(search, batch, *more):
        if len(searched) > 2:
            raise KeyboardInterrupt
        return answers(search, batch, *more)

    monkeypatch.setattr(tiny_pipeline.searcher, "run", killed)
    texts = ["ein hund", "das kind", "die frau", "der mann", "wasser", "ein buch", "im garten"]
    with pytest.raises(KeyboardInterrupt):
        tiny_pipeline(texts, memory=path, batch_size=2)
    assert rows(path) == 6


def test_each_sentence_is_kept_with_its_own_language(tiny_pipeline, path, searched):
    languages = ["de", "fr", "en"]
    model, processor = tiny_pipeline.model, tiny_pipeline.processor
    several = Pipeline("translation", model, processor, {"num_beams": 2}, languages)
    text = "Das Kind spielt im Garten. L'enfant joue dans le jardin."
    expected = several(text, memory=path)
    searched.clear()
    assert several(text, memory=path) == expected and searched == []
    with Memory(path) as memory:
        assert memory.pairs() == {("de", "en"): 1, ("fr", "en"): 2}  # one was too long
    assert several("Das Kind spielt im Garten.", source="de", memory=path)


def test_a_pivot_remembers_each_of_its_steps(tiny_pipeline, path, searched):
    back = Pipeline(
        "translation", tiny_pipeline.model, tiny_pipeline.processor, languages=["en", "fr"]
    )
    pivot = Pivot([tiny_pipeline, back])
    expected = pivot(["ein hund rennt", "wasser"], memory=path)
    searched.clear()
    assert pivot(["ein hund rennt", "wasser"], memory=path) == expected and searched == []
    with Memory(path) as memory:
        assert set(memory.pairs()) == {("de", "en"), ("en", "fr")}


def test_what_a_memory_cannot_keep_is_refused(tiny_pipeline, tiny_captioner, photos, path):
    for options, message in (
        ({"strategy": "sample"}, "the same every time. Received: .*strategy='sample'. Leave mem"),
        ({"return_alignment": True}, "memory with return_alignment=True. Leave one"),
    ):
        with pytest.raises(S2SZooError, match=message):
            tiny_pipeline("ein hund", memory=path, **options)
    with pytest.raises(S2SZooError, match="answers to texts .*task='captioning'"):
        tiny_captioner(photos[1][0][0], memory=path)
    assert not path.exists()


def test_a_file_that_is_no_memory_ends_the_call_before_the_model_is_asked(
    tiny_pipeline, tmp_path, searched
):
    letter = tmp_path / "letter.txt"
    letter.write_text("Do not lose me.\n" * 100)
    os.chmod(letter, 0o600)
    with pytest.raises(DataError, match="is no translation memory, and was left as it is"):
        tiny_pipeline("ein hund", memory=letter)
    assert searched == [] and letter.read_text() == "Do not lose me.\n" * 100
