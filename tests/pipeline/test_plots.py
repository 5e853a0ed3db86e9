"""Heat maps: the right cell has the right shade, the right label, and a picture is written."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import s2s_zoo
from s2s_zoo.data.sound import Sound
from s2s_zoo.pipeline.plots import heat_map, plot_transcription
from s2s_zoo.pipeline.result import Result
from s2s_zoo.pipeline.transcript import Segment, Transcript, Word
from s2s_zoo.protocol.errors import DataError, S2SZooError

SOURCE = ["▁La", "▁voiture", "▁rouge", "</s>"]
TARGET = ["▁The", "▁red", "</s>"]
VALUES = np.array([[1, 0, 0, 0], [0, 0.25, 0.5, 0.25], [0, 0, 0, 1]], "float32")


def shades(figure, shape):
    """The colour (R, G, B) in the middle of each cell of a drawn heat map."""
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255
    rows, columns = ((np.arange(n) + 0.5) / n for n in shape)
    height, width = pixels.shape[:2]
    return pixels[(rows * height).astype(int)][:, (columns * width).astype(int)]


def test_white_is_one_and_black_is_zero():
    drawn = shades(heat_map(VALUES, SOURCE, TARGET), VALUES.shape)
    np.testing.assert_allclose(drawn, np.repeat(VALUES[..., None], 3, axis=-1), atol=0.01)


def test_signed_values_are_blue_above_zero_and_red_below():
    values = np.array([[2.0, -2.0, 0.0]])
    figure = heat_map(values, ["a", "b", "c"], ["x"], signed=True)
    blue, red, white = shades(figure, (1, 3))[0]
    assert blue[2] > blue[0] + 0.2 and red[0] > red[2] + 0.2 and white.min() > 0.95


@pytest.mark.filterwarnings("ignore:No installed font")
def test_labels_are_words_and_east_asian_ones_stand_upright():
    axes = heat_map(VALUES, ["▁La", "汽车", "▁rouge", "</s>"], TARGET).axes[0]
    labels = axes.get_xticklabels()
    assert [label.get_text() for label in labels] == ["La", "汽\n车", "rouge", "(end)"]
    assert [label.get_rotation() for label in labels] == [90, 0, 90, 90]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["The", "red", "(end)"]


def test_cells_keep_their_size_in_long_texts():
    long = heat_map(np.zeros((3, 90)), ["x"] * 90, TARGET)
    assert long.get_size_inches()[0] == pytest.approx(30 * long.get_size_inches()[1])
    longest = heat_map(np.zeros((3, 2000)), ["x"] * 2000, TARGET)
    assert longest.get_size_inches()[0] == pytest.approx(100)


def test_a_result_draws_its_alignment(tmp_path):
    result = Result("The red", None, SOURCE, TARGET, VALUES)
    figure = result.plot(tmp_path / "out.png")
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), VALUES)
    data = (tmp_path / "out.png").read_bytes()
    assert data == result._repr_png_() and data[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(S2SZooError, match="out.what cannot be written"):
        result.plot(tmp_path / "out.what")


@pytest.mark.parametrize(
    "result", [Result("no alignment"), Result("of a photo", None, (), TARGET, VALUES)]
)
def test_without_an_alignment_to_a_text_there_is_no_picture(result):
    with pytest.raises(S2SZooError, match="return_alignment=True.*plot_caption"):
        result.plot()
    assert result._repr_png_() is None


def test_rows_belong_to_the_tokens_they_predict():
    """The swap of adjective and noun: `red car` for `voiture rouge`, and no row is off by one."""
    translate = s2s_zoo.from_pretrained("translation-fr-en")
    result = translate("La voiture rouge appartient à un homme très riche.", return_alignment=True)
    looked_at = {
        target: result.source_tokens[place]
        for target, place in zip(result.target_tokens, result.alignment.argmax(axis=1), strict=True)
    }
    pairs = {"▁red": "▁rouge", "▁car": "▁voiture", "▁rich": "▁riche", "▁man": "▁homme"}
    assert {word: looked_at[word] for word in pairs} == pairs


def test_when_words_were_spoken_is_drawn(tmp_path):
    words = (Word(" Hello", 0.2, 0.5), Word(" you", 0.5, 1.25))
    spoken = Transcript("Hello you", (Segment(" Hello you", 0.0, 2.0, words=words),), "en", 3.0)
    figure = spoken.plot(tmp_path / "words.png")
    assert (tmp_path / "words.png").read_bytes()[:4] == b"\x89PNG"
    axes = figure.axes[0]
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
    np.testing.assert_allclose(bars, [(0.2, 0.5), (0.5, 1.25)])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Hello", "you"]
    assert axes.get_xlim() == (0, 3) and axes.get_ylim()[0] > axes.get_ylim()[1]
    whole = spoken._replace(segments=(spoken.segments[0]._replace(words=()),))
    assert len(whole.plot().axes[0].patches) == 1 and whole._repr_png_()
    with pytest.raises(S2SZooError, match="1 to 300 words. Received: 0"):
        Transcript("").plot()
    assert Transcript("")._repr_png_() is None


class Listens:
    """Looks at one frame after the other, or knows the times of words."""

    mels, rate = 4, 1000

    def __init__(self, transcriber):
        self.processor, self.transcriber = self, transcriber

    def read(self, source):
        return source

    def features(self, samples):
        return np.ones((len(samples) // 10, 4), "float32")

    def __call__(self, sound, **asked):
        if self.transcriber is None:
            assert asked == {"return_alignment": True, "num_beams": 2}
            return Result("a b", None, (), ["▁a", "▁b", "</s>"], np.eye(3, 5))
        assert asked == {"return_timestamps": "word", "num_beams": 2}
        words = (Word(" a", 0.1, 0.2), Word(" b", 0.2, 0.4))
        return Transcript("a b", (Segment(" a b", 0.0, 0.5, words=words),))


@pytest.mark.parametrize("transcriber", [None, object()])
def test_a_transcription_is_drawn_under_what_was_heard(transcriber, tmp_path):
    path = tmp_path / "words.png"
    sound = Sound(np.ones(500, "float32"), "talk.wav")
    found = plot_transcription(Listens(transcriber), sound, path, num_beams=2)
    assert found.text == "a b" and path.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(DataError, match="talk.wav has 61.0 seconds, and at most 60 are drawn"):
        plot_transcription(Listens(transcriber), sound._replace(samples=np.ones(61_000)), path)
