"""What is compiled for a call serves the calls after it, on every backend."""

import keras
import numpy as np
import pytest

from s2s_zoo import Pipeline, Seq2Seq, TextProcessor
from s2s_zoo.model.ensemble import Ensemble
from tests.compilations import compilations
from tests.variants import IMAGE_ENCODERS

# Of one bucket, and of different lengths in it.
FIRST, SECOND, THIRD = TEXTS = "ein hund", "eine katze", "der hund"
LENGTH = 5
EAGER = keras.backend.backend() == "tensorflow"  # the first short text is not worth a trace
GREEDY = {"num_beams": 1}
BEAM = {"strategy": "beam", "num_beams": 2}
SAMPLE = {"strategy": "sample", "seed": 1}
# The options of a call, and numbers of the calls after it, of which none is worth a trace.
CALLS = {
    "greedy": (GREEDY, {}),
    "beam": (BEAM | {"length_penalty": 0.3}, {"length_penalty": -0.7}),
    "n-best, impatient": (
        BEAM
        | {"num_return": 2, "length_penalty_form": "gnmt"}
        | {"early_stopping": True, "return_scores": True},
        {},
    ),
    "coverage, long": (
        BEAM | {"coverage_penalty": 0.1, "length_penalty": 2, "min_length": 2},
        {"coverage_penalty": 0.2, "min_length": 3},
    ),
    "sample": (
        SAMPLE | {"temperature": 0.5, "top_p": 0.9, "num_return": 2},
        {"temperature": 0.7, "top_p": 0.3, "seed": 3},
    ),
    "top-k": (SAMPLE | {"top_k": 5}, {"top_k": 7, "seed": None}),
    "repeats less": (
        GREEDY | {"repetition_penalty": 1.5, "no_repeat_ngram_size": 2},
        {"repetition_penalty": 1.2},
    ),
    "begun": (GREEDY | {"forced_prefix": "a"}, {"forced_prefix": "a dog"}),
    "banned": (BEAM | {"suppress_tokens": [5, [6, 7]], "return_alignment": True}, {}),
}
IMAGE = np.arange(64 * 96 * 3, dtype="uint8").reshape(64, 96, 3)


@pytest.fixture(scope="module")
def pipelines(tiny_pipeline):
    """Function of a name to a Pipeline whose model knows nothing."""
    tokenizer, made = tiny_pipeline.processor.target_tokenizer, {}
    processor = TextProcessor(tokenizer, tokenizer, max_source_length=24, max_target_length=LENGTH)
    size = {"vocabulary_size": tokenizer.vocabulary_size, "embedding_dim": 8}
    layers = {"name": "transformer", "layers": 1, "heads": 2, "hidden_dim": 7, **size}
    recurrent = {"name": "recurrent", "units": 4, **size}

    def seq2seq(encoder, decoder, share=False):
        keras.utils.set_random_seed(7)
        parts = {"encoder": encoder, "decoder": decoder, "share_embeddings": share}
        return Seq2Seq.from_config(parts)

    def make(name):
        if name == "captioning":
            from s2s_zoo.data import ImageProcessor

            encoder = IMAGE_ENCODERS["vision-transformer"]
            model = seq2seq(encoder, {"name": "show_attend_tell", "units": 8, **size})
            reader = ImageProcessor(tokenizer, (64, 96), max_target_length=LENGTH)
            return Pipeline(name, model, reader)
        if name == "summarization":
            return Pipeline(
                name, seq2seq(recurrent, {**recurrent, "attention": "luong"}), processor
            )
        shared = seq2seq(layers, {**layers, "tie_embeddings": True}, share=True)
        if name == "ensemble":
            shared = Ensemble([shared, seq2seq(layers, layers)])
        return Pipeline("translation", shared, processor)

    def get(name):
        if name not in made:
            made[name] = make(name)
        return made[name]

    return get


def ask(pipeline, *calls, **options):
    """Makes calls, each of a list of texts, or of images as the model reads them."""
    for sources in calls:
        if isinstance(sources[0], str):
            pipeline(sources, **options)
        else:
            pipeline.searcher.run(pipeline.plan(options), sources)


@pytest.mark.parametrize("name", CALLS)
def test_a_later_call_compiles_nothing(pipelines, name):
    pipeline, (options, numbers) = pipelines("translation"), CALLS[name]
    lengths = [len(row) for row in pipeline.processor.encode_source([FIRST, SECOND, THIRD])]
    assert len(set(lengths)) > 1 and max(lengths) <= 8
    ask(pipeline, [FIRST, SECOND], **options)
    with compilations() as made:
        ask(pipeline, [THIRD, FIRST], [SECOND, THIRD], **options | numbers)
    assert not made


@pytest.mark.parametrize(
    ("task", "search"),
    [
        *(("summarization", "beam"), ("summarization", "sample")),
        *(("captioning", "greedy"), ("captioning", "beam")),
        *(("ensemble", "greedy"), ("ensemble", "beam")),
    ],
)
def test_nor_does_one_of_a_single_source_and_another_task(pipelines, task, search):
    pipeline, (options, numbers) = pipelines(task), CALLS[search]
    first, second, third = (IMAGE, IMAGE + 1, IMAGE + 2) if task == "captioning" else TEXTS
    ask(pipeline, *[[first]] * (1 + EAGER), **options)
    with compilations() as made:
        ask(pipeline, [second], [third], **options | numbers)
    assert not made


def test_nor_do_streams_scores_and_shortlists(pipelines):
    pipeline = pipelines("translation")
    pipeline.build_shortlist([(FIRST, "a dog"), (SECOND, "a cat"), (THIRD, "the dog")])

    def all_of(text, **numbers):
        list(pipeline.stream(text, **numbers))
        pipeline(text, shortlist=True, **BEAM)
        return pipeline.score([text], ["a dog"])

    numbers = {"repetition_penalty": 1.5}
    for _ in range(1 + EAGER):
        all_of(FIRST, **numbers)
    with compilations() as made:
        all_of(SECOND, repetition_penalty=1.7)
    assert not made
