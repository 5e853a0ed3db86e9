"""Pipelines one after the other: what one writes the next reads."""

import itertools

import keras
import pytest

import s2s_zoo
from s2s_zoo import Pipeline, Pivot, Seq2Seq, TextProcessor
from s2s_zoo.checkpoints import catalog as catalog_module
from s2s_zoo.pipeline.reading import Reading
from s2s_zoo.pipeline.result import Result
from s2s_zoo.protocol.errors import CheckpointError

SOURCES = ["ein hund rennt", "das kind spielt im garten", "", "zwei hunde. der mann liest."]


@pytest.fixture(autouse=True)
def any_language(monkeypatch):
    """What a model that knows nothing writes is in no language, and read all the same."""
    monkeypatch.setattr(Reading, "foreign", lambda self, sentence: None)


@pytest.fixture(scope="module")
def back(tiny_pipeline):
    """A pipeline from English to French, of another model."""
    keras.utils.set_random_seed(5)
    size = {"vocabulary_size": 60, "embedding_dim": 6}
    model = Seq2Seq.from_config(
        {
            "encoder": {"name": "recurrent", "units": 4, **size},
            "decoder": {"name": "recurrent", "units": 8, "attention": "luong", **size},
        }
    )
    tokenizer = tiny_pipeline.processor.source_tokenizer
    processor = TextProcessor(tokenizer, tokenizer, max_source_length=200, max_target_length=20)
    return Pipeline("translation", model, processor, languages=["en", "fr"])


@pytest.fixture(scope="module")
def pivot(tiny_pipeline, back):
    return Pivot([tiny_pipeline, back])


def test_the_second_reads_what_the_first_writes(pivot, tiny_pipeline, back):
    expected = back(tiny_pipeline(SOURCES))
    assert pivot(SOURCES) == expected and any(expected)
    assert pivot(SOURCES[0]) == expected[0]
    assert pivot(tuple(SOURCES)) == expected
    assert pivot([]) == [] and pivot(" ") == ""
    assert (
        pivot.languages == ["de", "fr"]
        and repr(pivot) == "Pivot(translation, languages: de → en → fr)"
    )


def test_an_endless_iterator_is_answered_as_it_comes(pivot):
    found = pivot(itertools.cycle(SOURCES[:2]))
    assert list(itertools.islice(found, 5)) == [*pivot(SOURCES[:2]) * 2, pivot(SOURCES[0])]


def test_a_result_is_of_the_last_with_the_warnings_of_all(pivot, tiny_pipeline, back, monkeypatch):
    results = pivot(SOURCES, return_scores=True)
    assert results == back(tiny_pipeline(SOURCES), return_scores=True)
    assert len(results[3].segments) == len(
        back(tiny_pipeline(SOURCES[3]), return_scores=True).segments
    )

    class Warned(Pipeline):
        def __call__(self, sources, **options):
            found = super().__call__(sources, **options)
            if not options["return_scores"]:
                return found
            return type(found)([one._replace(warning="Look twice.") for one in found])

    warned = Warned("translation", back.model, back.processor, languages=["de", "en"])
    for sources in (SOURCES, list(SOURCES)):
        [first, *_] = Pivot([warned, back])(sources, return_scores=True)
        assert isinstance(first, Result) and first.warning == "Look twice."


def test_results_of_an_iterator_are_those_of_a_list(pivot):
    listed = pivot(SOURCES, return_scores=True)
    assert list(pivot(iter(SOURCES), return_scores=True)) == listed
    assert pivot(SOURCES[0], return_scores=True) == listed[0]


def test_the_best_translations_of_the_one_best_text_in_between(pivot, tiny_pipeline, back):
    options = {"num_beams": 3, "max_length": 4}
    found = pivot(SOURCES[:2], num_return=2, return_scores=True, **options)
    middle = tiny_pipeline(SOURCES[:2], num_beams=3)  # which is whole
    assert found == back(middle, num_return=2, return_scores=True, **options)
    assert [len(each) for each in found] == [2, 2]


def test_options_of_sampling_are_those_of_the_last(pivot, tiny_pipeline, back):
    options = {"strategy": "sample", "temperature": 0.5, "seed": 3}
    assert pivot(SOURCES, **options) == back(tiny_pipeline(SOURCES), **options)


def test_a_default_of_several_answers_does_not_hold_in_between(tiny_pipeline, back):
    several = {"num_beams": 2, "num_return": 2}
    first = Pipeline("translation", tiny_pipeline.model, back.processor, several, ["de", "en"])
    assert Pivot([first, back])(SOURCES[0]) == back(first(SOURCES[0])[0])


@pytest.mark.filterwarnings("ignore:A sentence is longer", "ignore:The model lost")
def test_words_of_the_user_come_through_all(pivot):
    text = "Frau Gelsenkirchen hat einen Rotor."
    found = pivot(text, keep=["Gelsenkirchen"], terms={"Rotor": "hélice"})
    assert "Gelsenkirchen" in found and "hélice" in found


def test_a_stream_is_that_of_the_last(pivot, tiny_pipeline, back):
    streamed = list(pivot.stream(SOURCES[0], max_length=4))
    middle = tiny_pipeline(SOURCES[0])
    assert streamed == list(back.stream(middle, max_length=4)) and len(streamed) > 1
    with pytest.raises(ValueError, match="expected one source. Received: list"):
        pivot.stream(SOURCES)


def test_three_in_a_row(pivot, tiny_pipeline, back):
    third = Pipeline("translation", back.model, back.processor, languages=["fr_XX", "zh"])
    three = Pivot([tiny_pipeline, back, third])
    assert three(SOURCES) == third(back(tiny_pipeline(SOURCES)))
    assert repr(
        three
    ) == "Pivot(translation, languages: de → en → fr → zh)" and three.languages == ["de", "zh"]


def test_pipelines_that_read_several_languages(tiny_pipeline, back, monkeypatch):
    """The first is told which, or finds out; the others know what was written before."""

    def reads(*languages):
        return Pipeline("translation", back.model, back.processor, languages=languages)

    pivot = Pivot(
        [
            reads("de", "zh", "en"),
            reads("fr", "en-GB", "de"),
            back.__class__("translation", back.model, back.processor, languages=["de", "fr"]),
        ]
    )
    assert pivot.languages == ["de", "zh", "fr"]
    assert repr(pivot) == "Pivot(translation, languages: de or zh → en → de → fr)"
    said, call = [], Pipeline.__call__

    def noting(self, sources, **options):
        said.append(options.get("source"))
        return call(self, sources, **options)

    monkeypatch.setattr(Pipeline, "__call__", noting)
    pivot(SOURCES[:1], source="de", target="fr")
    assert said == [None, "de", "en-GB", None]  # the options of the last are checked first
    with pytest.raises(ValueError, match="pipeline 1 to en, pipeline 2 from fr, de. Put them"):
        Pivot([tiny_pipeline, reads("fr", "de", "en")])


@pytest.mark.parametrize(
    "name", ["score", "batches", "save", "push_to_hub", "build_shortlist", "model", "processor"]
)
def test_what_is_of_one_pipeline_is_refused_with_the_remedy(pivot, name):
    with pytest.raises(AttributeError, match=rf"\(de to en to fr\) has no {name}: .*legs\[0\]"):
        getattr(pivot, name)
    assert not hasattr(pivot, name) and not hasattr(pivot, "anything")


def test_what_does_not_fit_is_refused(pivot, tiny_pipeline, back, tiny_captioner):
    for legs, message in (
        ([], "expected two pipelines or more. Received: 0"),
        ([back], "expected two pipelines or more. Received: 1. One alone"),
        ([back, tiny_pipeline], "pipeline 1 to fr, pipeline 2 from de. Put them in order"),
        ([tiny_captioner, back], "expected pipelines of translation. Received: pipeline 1 of cap"),
        ([tiny_pipeline, "translation-en-de"], "expected Pipelines. Received: 'translation-en-de'"),
    ):
        with pytest.raises(ValueError, match=message):
            Pivot(legs)
    silent = Pipeline("translation", back.model, back.processor)
    with pytest.raises(ValueError, match=r"the languages of pipeline 2. Received: \[\]. Give"):
        Pivot([tiny_pipeline, silent])
    for options, message in (
        ({"return_alignment": True}, "no alignment of its first language with its last. Ask its"),
        ({"target": "en"}, "translates de to en to fr. Received: target='en'. Leave it out"),
        ({"source": "zh"}, "This checkpoint reads de and writes en. Received: source='zh'"),
        ({"num_beam": 3}, "num_beams"),
        ({"keep": "word"}, "keep expected a list"),
        ({"keep": "word", "terms": {"a": "b"}}, "keep expected a list"),
        ({"terms": 3}, "terms expected a dict"),
    ):
        with pytest.raises(ValueError, match=message):
            pivot(SOURCES, **options)
        with pytest.raises(ValueError, match=message):
            pivot(iter(SOURCES), **options)
    with pytest.raises(TypeError, match="text"):
        pivot(3)


def test_an_option_that_the_last_refuses_is_said_before_anything_is_translated(
    pivot, tiny_pipeline, monkeypatch
):
    monkeypatch.setattr(tiny_pipeline.searcher, "run", None)
    with pytest.raises(ValueError, match="num_return from 1 to num_beams"):
        pivot(SOURCES, num_beams=2, num_return=3)


@pytest.fixture
def checkpoints(tiny_pipeline, back, tmp_path, monkeypatch):
    """A catalog of two checkpoints, German to English and English to French."""
    entries = {}
    for pipeline in (tiny_pipeline, back):
        name = "-".join(["translation", *pipeline.languages])
        pipeline.save(tmp_path / name)
        entry = {"task": "translation", "languages": pipeline.languages, "files": {}}
        entries[name] = {**entry, "path": str(tmp_path / name)}
    monkeypatch.setattr(catalog_module, "_catalog", lambda: entries)
    return entries


def test_a_list_of_names_and_languages_in_between_give_one_pipeline(checkpoints, pivot):
    expected = pivot(SOURCES)
    named = s2s_zoo.from_pretrained(list(checkpoints), dtype="float32")
    assert isinstance(named, Pivot) and named(SOURCES) == expected
    found = s2s_zoo.from_pretrained(source="de", target="fr", via="en")
    assert isinstance(found, Pivot) and found(SOURCES) == expected
    assert s2s_zoo.from_pretrained(source="de", target="fr", via=["en"]).languages == ["de", "fr"]
    assert s2s_zoo.from_pretrained(source="de", target="en").languages == ["de", "en"]


def test_what_leads_to_no_pipeline_says_what_would(checkpoints):
    with pytest.raises(CheckpointError, match="from de to fr.*Through en two of them do: via='en'"):
        s2s_zoo.from_pretrained(source="de", target="fr")
    with pytest.raises(CheckpointError, match="No checkpoint translates from de to zh. Known"):
        s2s_zoo.from_pretrained(source="de", target="fr", via="zh")
    for options, message in (
        ({}, "expected a name, a list of names, or source=… and target=…"),
        ({"source": "de"}, "Received: source='de', target=None"),
        ({"source": "de", "target": "fr", "through": "en"}, "Received: 'through'"),
        ({"name_or_path": "translation-de-en", "via": "en"}, "Give the names of all, in a list"),
        ({"name_or_path": list(checkpoints), "revision": "main"}, "revision belongs to one check"),
        ({"name_or_path": list(checkpoints), "source": "de"}, "source belongs to one checkpoint"),
        ({"name_or_path": ["translation-de-en"]}, "expected two pipelines or more. Received: 1"),
    ):
        with pytest.raises(ValueError, match=message):
            s2s_zoo.from_pretrained(**options)
