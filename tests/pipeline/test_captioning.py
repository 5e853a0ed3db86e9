"""From a photo to a caption: the pipeline, the command and the picture of the attention."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import s2s_zoo
from s2s_zoo.apps.cli.main import main
from s2s_zoo.protocol.errors import CheckpointError, DataError, S2SZooError


@pytest.fixture(scope="module")
def checkpoint(tiny_captioner, tmp_path_factory):
    directory = tmp_path_factory.mktemp("captioner") / "tiny"
    tiny_captioner.save(directory)
    return directory


@pytest.fixture(scope="module")
def caption(checkpoint, photos):
    """A captioner that has seen the photos often enough to tell the colours apart."""
    keras.utils.set_random_seed(1)
    pipeline = s2s_zoo.from_pretrained(checkpoint)
    for weight in pipeline.model.weights:
        if weight.path.endswith("gamma"):
            weight.assign(keras.ops.convert_to_numpy(weight) * 3.5)
    return pipeline


def test_every_way_to_give_images(caption, photos):
    folder, captions = photos
    names = sorted(name for name, _ in captions)
    answers = caption(names)
    assert len(answers) == len(names) and all(isinstance(text, str) for text in answers)
    assert caption(folder) == caption(str(folder)) == answers
    assert list(caption(iter(names))) == answers
    for source in (
        names[2],
        Path(names[2]),
        Path(names[2]).read_bytes(),
        Image.open(names[2]),
        np.asarray(Image.open(names[2])),
    ):
        assert caption(source) == answers[2]
    assert caption(names[::-1], batch_size=5) == answers[::-1]
    assert len(caption(names[0], num_beams=3, num_return=3)) == 3
    assert caption([]) == []


def test_alignments_and_scores(caption, photos):
    name = photos[1][0][0]
    result = caption(name, return_alignment=True, return_scores=True)
    assert result.alignment.shape == (len(result.target_tokens), 6)
    np.testing.assert_allclose(result.alignment.sum(axis=1), 1, atol=1e-5)
    greedy = caption(name, num_beams=1, return_scores=True)
    if greedy.target_tokens[-1] == "</s>":
        assert caption.score([name], [greedy.text])[0] == pytest.approx(greedy.score, abs=1e-3)


def test_a_stream_of_tokens_ends_as_the_call(caption, photos):
    name = photos[1][3][0]
    *_, last = caption.stream(name, return_alignment=True)
    expected = caption(name, num_beams=1, return_alignment=True)
    assert last.text == expected.text and last.target_tokens == expected.target_tokens
    np.testing.assert_allclose(last.alignment, expected.alignment, atol=1e-5)
    with pytest.raises(ValueError, match="one source"):
        caption.stream([name])


def test_a_saved_captioner_is_the_same(caption, photos, tmp_path):
    names = [name for name, _ in photos[1]]
    caption.save(tmp_path / "again")
    assert s2s_zoo.from_pretrained(tmp_path / "again")(names) == caption(names)


def test_bad_images_are_named(caption, photos, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    with pytest.raises(DataError, match="bad.jpg"):
        caption([photos[1][0][0], str(bad)])
    with pytest.raises(TypeError, match="Expected an image"):
        caption(7)


def test_a_model_of_another_size_is_refused(tiny_captioner):
    with pytest.raises(ValueError, match="images of the size of the processor"):
        processor = s2s_zoo.data.ImageProcessor(
            tiny_captioner.processor.target_tokenizer, size=(32, 32)
        )
        s2s_zoo.Pipeline("captioning", tiny_captioner.model, processor)


def test_a_checkpoint_with_a_strange_network_is_refused(checkpoint, tmp_path):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    config = (copy / "config.json").read_text()
    (copy / "config.json").write_text(config.replace('"mobilenet"', '"MobileNet"'))
    with pytest.raises(CheckpointError, match="Unknown backbone"):
        s2s_zoo.from_pretrained(copy)
    (copy / "config.json").write_text(config.replace('"alpha": 0.25', '"alpha": 0.5'))
    with pytest.raises(CheckpointError, match="does not fit the model"):
        s2s_zoo.from_pretrained(copy)


def test_command(checkpoint, photos, capsys):
    folder, captions = photos
    assert main(["caption", "--model", str(checkpoint), captions[0][0]]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "\t" not in line
    assert main(["caption", "--model", str(checkpoint), str(folder), "--num-beams", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == sorted(name for name, _ in captions)


def test_command_captions_the_rest_of_a_folder_with_bad_files(checkpoint, photos, tmp_path, capsys):
    folder = shutil.copytree(photos[0], tmp_path / "photos")
    (folder / "aa.jpg").write_bytes(b"no image")
    whole = (folder / "red-left.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    assert main(["caption", "--model", str(checkpoint), str(folder)]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == len(photos[1])
    assert "warning:" in said.err and "half.png is damaged" in said.err
    assert "error: 2 of 14 images could not be captioned: aa.jpg, half.png." in said.err


def test_evaluate_counts_all_references(sighted_captioner, photos, tmp_path, capsys):
    folder, captions = photos
    sighted_captioner.save(tmp_path / "sighted")
    table = tmp_path / "held_out.tsv"
    lines = [f"{Path(name).name}\t{text}\n" for name, texts in captions for text in texts]
    table.write_text("".join(lines))
    command = ["evaluate", "--model", str(tmp_path / "sighted"), "--data", str(table)]
    assert main([*command, "--images", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "12 sources, 2 beams" in printed
    assert "bleu_4" in printed and "nrefs:2" in printed


def test_plot(checkpoint, photos, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    name, path = photos[1][0][0], tmp_path / "out.png"
    assert main(["caption", "--model", str(checkpoint), name, "--plot", str(path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    picture = np.asarray(Image.open(path).convert("RGB"))
    assert picture.shape[1] > 800 and picture.std() > 10
    with pytest.raises(SystemExit):
        main(["caption", "--model", str(checkpoint), str(photos[0]), "--plot", str(path)])
    assert main(["caption", "--model", str(checkpoint), name, "--plot", "out.nonsense"]) == 1


def test_plot_without_matplotlib(caption, photos, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(S2SZooError, match="pip install 's2s-zoo"):
        s2s_zoo.plots.plot_caption(caption, photos[1][0][0], "out.png")


def test_the_bundled_checkpoint_is_the_one_that_captions(photos, capsys):
    assert main(["caption", photos[1][0][0]]) == 0
    assert len(capsys.readouterr().out.split()) >= 3
