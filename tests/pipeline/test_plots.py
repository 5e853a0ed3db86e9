"""Heat maps: the right cell has the right shade, the right label, and a picture is written."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import s2s_zoo
from s2s_zoo.pipeline.plots import heat_map
from s2s_zoo.pipeline.result import Result
from s2s_zoo.protocol.errors import S2SZooError

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
