"""A pointer over words from raw text to raw text, and what people feed to a summarizer."""

import io
import sys
import warnings

import keras
import numpy as np
import pytest

import s2s_zoo
from s2s_zoo import Pipeline, Seq2Seq
from s2s_zoo.apps.cli.main import main
from s2s_zoo.checkpoints import catalog as hub
from s2s_zoo.data import CopyingProcessor, TextProcessor, WordTokenizer
from s2s_zoo.protocol.errors import S2SZooError

# An untrained model repeats itself, and says so.
pytestmark = pytest.mark.filterwarnings("ignore::s2s_zoo.protocol.errors.TextWarning")

WORDS = WordTokenizer.train(["the cat sees a small dog . in the house ￭."], vocabulary_size=30)
TEXT = "the cat Zork sees the Bleem (Grue)."


@pytest.fixture(scope="module")
def summarize():
    """A pipeline whose model knows nothing and copies all it writes."""
    keras.utils.set_random_seed(3)
    size = {"vocabulary_size": WORDS.vocabulary_size, "embedding_dim": 4}
    attention = {"name": "bahdanau", "units": 5, "coverage": True}
    decoder = {"attention": attention, "pointer": True, "extra_ids": 4}
    model = Seq2Seq.from_config(
        {
            "encoder": {"name": "recurrent", "units": 3, **size},
            "decoder": {"name": "recurrent", "units": 6, **decoder, **size},
        }
    )
    model.decoder.pointer.gate.bias.assign([-20.0])
    processor = CopyingProcessor(WORDS, WORDS, 40, 12, extra_ids=4)
    generation = {"num_beams": 2, "min_length": 3, "max_length": 8}
    return Pipeline("summarization", model, processor, generation, ["en"])


@pytest.fixture(scope="module")
def directory(summarize, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoints") / "tiny"
    summarize.save(path)
    return path


def test_unknown_names_are_copied_through(summarize):
    words = set(TEXT.split()) | {"Grue", "Zork", "(Grue)", "Grue).", "(Grue)."}
    for text in summarize(TEXT, num_beams=4, num_return=4, extract=False):
        assert text and "unk" not in text
        units = text.replace("(", " ").replace(")", " ").replace(".", " ").split()
        assert set(units) <= {"the", "cat", "Zork", "sees", "Bleem", "Grue"} | words


@pytest.mark.parametrize(
    "options", [{"num_beams": 1}, {"num_beams": 3}, {"strategy": "sample", "seed": 1}]
)
def test_what_was_copied_is_in_the_result(summarize, options):
    result = summarize(TEXT, return_alignment=True, return_scores=True, **options)
    length = len(result.target_tokens)
    assert result.p_gen.shape == (length,) and result.alignment.shape[0] == length
    assert result.p_gen.max() < 1e-3
    assert np.isfinite(result.score)
    for token, weights in zip(result.target_tokens, result.alignment, strict=True):
        share = weights[np.array(result.source_tokens) == token].sum()
        assert share > 0  # what was copied is in the source


def test_scores_of_copied_words_are_those_of_the_search(summarize):
    result = summarize(TEXT, num_beams=1, return_scores=True, extract=False)
    assert summarize.score([TEXT], [result.text])[0] == pytest.approx(result.score, abs=1e-4)


def test_a_saved_checkpoint_copies_the_same(summarize, directory):
    again = s2s_zoo.from_pretrained(directory)
    assert again([TEXT, "Zork"]) == summarize([TEXT, "Zork"])


def test_ids_of_model_and_processor_must_agree(summarize):
    with pytest.raises(ValueError, match="CopyingProcessor"):
        Pipeline("summarization", summarize.model, TextProcessor(WORDS, WORDS))


BAD = {
    "one word": "cat",
    "one unknown word": "Zork",
    "only unknown words": "A1 B2 C3 D4 E5 F6 G7",
    "markup": "<p>the <b>cat</b> &amp; <img src='x.png'> {\\bf dog} $x^2$</p>",
    "joiners": "￭ ￭￭ a￭b",
    "signs": "... !!! ???",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_odd_sources_give_text_and_finite_scores(summarize, text):
    result = summarize(text, return_scores=True, return_alignment=True)
    assert np.isfinite(result.score) and np.isfinite(result.alignment).all()
    longer_than_its_source = "the small dog in the house sees Zork"
    assert np.isfinite(summarize.score([text], [longer_than_its_source])).all()


def test_nothing_gives_nothing(summarize):
    assert summarize(["", " \n", TEXT])[:2] == ["", ""]


def test_five_thousand_words_are_cut_with_a_warning_where_they_are_one_piece(summarize):
    with pytest.warns(UserWarning, match="longer than 40 tokens"):
        assert summarize("the cat Zork sees . " * 1000, split=False)


def test_five_thousand_words_are_read_in_passages(summarize):
    text = " ".join(f"the cat Zork sees house{n} ." for n in range(800))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", s2s_zoo.TextWarning)
        found = summarize(text, return_alignment=True, length="short")
    assert len(found.segments) >= 3
    assert all(len(one.source_tokens) == one.alignment.shape[1] for one in found.segments)


def test_streams_end_in_the_answer_of_a_call(summarize):
    for text in (TEXT, "cat", " ".join(f"the cat Zork sees house{n} ." for n in range(40)), " "):
        *_, last = summarize.stream(text)
        wanted = summarize(text, num_beams=1, return_scores=True)
        assert (last.text, last.warning) == (wanted.text, wanted.warning)


def test_a_memory_keeps_summaries_by_how_they_were_asked_for(summarize, tmp_path):
    path = tmp_path / "memory.db"
    text = " ".join(f"the cat Zork sees house{n} ." for n in range(40))
    for options in ({}, {"length": 2}, {"length": 2, "bullets": True}, {"length": 2}):
        assert summarize(text, memory=path, **options) == summarize(text, **options)


def test_odd_pairs_train_without_nan(summarize):
    pairs = [(text, TEXT) for text in BAD.values()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        batches = summarize.batches(pairs, batch_tokens=64, too_long="truncate")
    model = Seq2Seq.from_config(summarize.model.get_config())
    trained = Pipeline("summarization", model, summarize.processor)
    trained.compile()
    model.run_eagerly = True  # a trace takes longer
    history = model.fit(batches, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_command_line(directory, tmp_path, summarize, capsys, monkeypatch):
    expected = summarize([TEXT, "the dog", f"{TEXT}\nthe dog"])
    model = ["summarize", "--model", str(directory)]
    assert main([*model, TEXT, "the dog"]) == 0
    assert capsys.readouterr().out.splitlines() == expected[:2]
    (tmp_path / "input.txt").write_text(f"{TEXT}\nthe dog\n")
    assert main([*model, "--input", str(tmp_path / "input.txt")]) == 0
    assert capsys.readouterr().out.splitlines() == expected[:2]
    stream = io.TextIOWrapper(io.BytesIO(f"{TEXT}\nthe dog\n".encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert main([*model, "--whole"]) == 0
    assert capsys.readouterr().out.splitlines() == expected[2:]


def test_command_line_of_documents(directory, tmp_path, summarize, capsys):
    model = ["summarize", "--model", str(directory), "--input"]
    page = tmp_path / "page.html"
    page.write_text(f"<h1>the dog</h1><p>{TEXT}</p><script>x</script>")
    expected = summarize(f"the dog\n\n{TEXT}", length=2, bullets=True)
    assert main([*model, str(page), "--length", "2", "--bullets"]) == 0
    assert capsys.readouterr().out == expected + "\n" and expected.count("- ") == 2
    for more in (["--bullets"], ["--length", "0"], ["--length", "long"], ["--format", "docx"]):
        with pytest.raises(SystemExit, match="2"):
            main(["summarize", "--model", str(directory), *more])
    with pytest.raises(SystemExit, match="2"):
        main([*model, str(tmp_path / "app.po")])


@pytest.mark.parametrize(
    "names", [[], ["one"], ["one", "two"], ["summarization-en", "summarization-titles-en"]]
)
def test_the_only_summarizer_is_the_default(directory, summarize, names, monkeypatch, capsys):
    entry = {"task": "summarization", "languages": ["en"], "path": str(directory), "files": {}}
    monkeypatch.setattr(hub, "_catalog", lambda: dict.fromkeys(names, entry))
    code = main(["summarize", TEXT])
    out, err = capsys.readouterr()
    if len(names) == 1 or "summarization-en" in names:
        assert (code, out) == (0, summarize(TEXT) + "\n")
    else:
        assert (code, out) == (1, "") and "Give --model" in err


@pytest.mark.parametrize(
    "arguments", [["--whole", "text"], ["--plot", "x.png"], ["--plot", "x", "a", "b"]]
)
def test_wrong_usage(arguments):
    with pytest.raises(SystemExit, match="2"):
        main(["summarize", *arguments])


def test_plot_of_what_was_copied(directory, summarize, tiny_pipeline, tmp_path):
    pytest.importorskip("matplotlib")
    from s2s_zoo.pipeline.plots import plot_copies

    path = tmp_path / "copies.png"
    assert main(["summarize", "--model", str(directory), "--plot", str(path), TEXT]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    for pipeline, text in ((tiny_pipeline, "ein hund"), (summarize, " ")):
        with pytest.raises(S2SZooError, match="pointer"):
            plot_copies(pipeline, text, path)
    with pytest.raises(S2SZooError, match="cannot be written"):
        plot_copies(summarize, TEXT, tmp_path / "copies.docx")
