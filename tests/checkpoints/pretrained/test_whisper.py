"""Imported Whispers against transformers: features, outputs, searches, timestamps, windows."""

import json
import shutil

import numpy as np
import pytest
from keras import ops

from s2s_zoo import from_pretrained
from s2s_zoo.protocol import END, START
from s2s_zoo.protocol.errors import CheckpointError, DataError

pytestmark = pytest.mark.filterwarnings("ignore")
RATE, SECONDS = 16000, 1  # of a window
LIMIT, POSITIONS = 40, 64  # tokens
MOVING, HEARING, ENDING = 3.0, 4.0, 1.8
FREE = {
    "compression_ratio_threshold": None,
    "logprob_threshold": None,
    "no_speech_threshold": None,
    "temperature": 0.0,
}


def sound(seconds, seed=0):
    """Tones that come and go, in noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = rng.uniform(100, 4000, 8)
    place = (time * 8).astype(int) % 8
    noise = 0.01 * rng.normal(size=time.shape)
    return (0.3 * np.sin(2 * np.pi * pitch[place] * time) + noise).astype("float32")


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    """A directory, the model of transformers that wrote it, and its feature extractor."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    return make(tmp_path_factory.mktemp("whisper"), multilingual=True)


def make(directory, multilingual):
    import torch

    from tests.checkpoints.pretrained.mixed_oracle import whisper as prepare

    model, tokenizer, features = prepare(directory, multilingual, SECONDS)
    end = model.config.eos_token_id
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
        # Or it would write the same again and again, and hardly ever end.
        decoder, row = model.model.decoder, model.proj_out.weight[end]
        row.normal_(0, 0.25)  # which began as zeros, that of padding
        decoder.embed_positions.weight *= MOVING
        for layer in decoder.layers:
            layer.encoder_attn.out_proj.weight *= HEARING
        decoder.layer_norm.bias += ENDING * row / row.norm()
    silenced = model.generation_config.suppress_tokens
    model.generation_config.update(
        max_length=LIMIT, max_initial_timestamp_index=10, suppress_tokens=[5, 9, *silenced],
        begin_suppress_tokens=[tokenizer.token_to_id("Ġ"), end],
    )  # fmt: skip
    model.save_pretrained(directory)
    return directory, model, features


@pytest.fixture(scope="module")
def pipeline(oracle):
    return from_pretrained(oracle[0])


def their_ids(oracle, sounds, **options):
    """What transformers writes of sounds, a list of ids each, without START and END."""
    _, model, extractor = oracle
    long = any(len(x) > RATE * SECONDS for x in sounds)
    how = {"truncation": False, "padding": "longest", "return_attention_mask": True}
    read = extractor(sounds, sampling_rate=RATE, return_tensors="pt", **(how if long else {}))
    found = model.generate(**read, **options)
    end = model.config.eos_token_id
    return [[x for x in row if x != end] for row in found.tolist()]


def language_of(pipeline):
    return {"language": "de"} if pipeline.processor.multilingual else {}


@pytest.mark.compares("features", "logits", of=("whisper",))
def test_features_and_outputs(oracle, pipeline):
    assert_same_outputs(oracle, pipeline)


def test_one_of_english_alone(oracle, tmp_path):
    english = make(tmp_path, multilingual=False)
    pipeline = from_pretrained(tmp_path)
    assert_same_outputs(english, pipeline)
    assert_same_searches(english, pipeline, 1, False, 3)
    recording = (sound(0.5), RATE)
    with pytest.raises(DataError, match="knows English alone"):
        pipeline.transcriber.detect_language(recording)
    with pytest.raises(DataError, match="language='de'.*multilingual"):
        pipeline(recording, language="de")
    with pytest.raises(DataError, match="task='translate'.*multilingual"):
        pipeline(recording, task="translate")


def assert_same_outputs(oracle, pipeline):
    import torch

    _, model, extractor = oracle
    sounds = [sound(0.8), sound(1, 1)]
    theirs = extractor(sounds, sampling_rate=RATE, return_tensors="pt")["input_features"]
    ours = np.stack(pipeline.processor.encode_source([(x, RATE) for x in sounds]))
    np.testing.assert_allclose(ours, theirs.numpy().transpose(0, 2, 1), atol=1e-4)
    processor, rng = pipeline.processor, np.random.default_rng(0)
    target = rng.integers(3, len(processor.order), (2, 9))
    target[:, 0] = START
    with torch.no_grad():
        read = torch.tensor(processor.order[target])
        expected = model(input_features=theirs, decoder_input_ids=read).logits.numpy()
    logits = ops.convert_to_numpy(pipeline.model({"source": ours, "target": target}))
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(logits, expected[..., processor.order], atol=3e-4)


@pytest.mark.compares("greedy search", "beam search", of=("whisper",))
@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("beams", [1, 5])
def test_searches_find_what_transformers_finds(oracle, pipeline, beams, timestamps):
    assert_same_searches(oracle, pipeline, beams, timestamps, 6)


def assert_same_searches(oracle, pipeline, beams, timestamps, count):
    sounds = [sound(1, seed) for seed in range(count)]
    theirs = their_ids(
        oracle, sounds, num_beams=beams, return_timestamps=timestamps,
        force_unique_generate_call=True, **language_of(pipeline),
    )  # fmt: skip
    speaker, processor = pipeline.transcriber.speaker, pipeline.processor
    language = processor.languages.get("de")
    prompt = [START, *processor.prompt(language, "transcribe", timestamps)]
    windows = np.stack(processor.encode_source([(x, RATE) for x in sounds]))
    heard = speaker.listen(speaker.start(count), source=windows)
    # At the limit a text ends with the end token here, and there with whatever comes.
    options = {"num_beams": beams, "max_length": LIMIT + 1}
    found, _ = speaker.write(
        heard["memory"], np.array([prompt] * count), timestamps, options, pipeline.generation
    )
    ours = [processor.order[[*prompt, *row]].tolist() for row in found]
    assert ours == theirs
    assert len({*map(tuple, ours)}) > 1
    if timestamps:
        stamps = sum(x >= processor.first_time for row in found for x in row)
        assert stamps > len(found)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_text_that_never_ends_is_as_long_as_in_transformers(oracle, pipeline, beams):
    sounds = [sound(1, seed) for seed in range(2)]
    speaker, processor = pipeline.transcriber.speaker, pipeline.processor
    prompt = [START, *processor.prompt(processor.languages["de"], "transcribe", False)]
    room = POSITIONS - len(prompt)
    theirs = their_ids(
        oracle, sounds, num_beams=beams, force_unique_generate_call=True,
        min_new_tokens=room, max_new_tokens=room, **language_of(pipeline),
    )  # fmt: skip
    windows = np.stack(processor.encode_source([(x, RATE) for x in sounds]))
    heard = speaker.listen(speaker.start(2), source=windows)
    options = {"num_beams": beams, "min_length": room}
    prompts = np.array([prompt] * 2)
    found, _ = speaker.write(heard["memory"], prompts, False, options, pipeline.generation)
    assert [len(row) for row in found] == [room, room]
    assert [processor.order[[*prompt, *row]].tolist() for row in found] == theirs


@pytest.mark.compares("long recordings", of=("whisper",))
def test_a_long_recording_follows_its_timestamps(oracle, pipeline):
    recording = sound(3.4, 3)
    options = {"max_length": LIMIT + 1, **FREE, **language_of(pipeline)}
    found = pipeline((recording, RATE), return_timestamps=True, **options)
    assert len(found.segments) > 2 and found.seconds == pytest.approx(3.4)
    theirs = their_segments(oracle, pipeline, recording)
    assert [x.text for x in found.segments] == [text for text, _, _ in theirs]
    times = [[x.start, x.end] for x in found.segments]
    np.testing.assert_allclose(times, [x[1:] for x in theirs], atol=1e-5)
    assert found.text == "".join(text for text, _, _ in theirs).strip()
    streamed = pipeline.stream((recording, RATE), **options)
    assert [x[:3] for x in streamed] == [x[:3] for x in found.segments]


def their_segments(oracle, pipeline, recording):
    """The text, the start and the end of each segment that transformers finds."""
    _, model, extractor = oracle
    how = {"truncation": False, "padding": "longest", "return_attention_mask": True}
    read = extractor([recording], sampling_rate=RATE, return_tensors="pt", **how)
    options = {"return_timestamps": True, "return_segments": True, **language_of(pipeline)}
    options["max_new_tokens"] = LIMIT  # its max_length grows from window to window
    [segments] = model.generate(**read, **options)["segments"]
    order = pipeline.processor.order
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    texts = [pipeline.processor.decode(np.append(places[x["tokens"]], END)) for x in segments]
    found = [(y, float(x["start"]), float(x["end"])) for x, y in zip(segments, texts, strict=True)]
    return [x for x in found if x[0].strip()]


@pytest.mark.compares("languages that are heard", of=("whisper",))
def test_languages_are_found(oracle, pipeline):
    sounds = [sound(1, seed) for seed in range(4)]
    _, model, extractor = oracle
    read = extractor(sounds, sampling_rate=RATE, return_tensors="pt")["input_features"]
    expected = model.detect_language(read).tolist()
    order, codes = pipeline.processor.order, pipeline.processor.languages
    for samples, token in zip(sounds, expected, strict=True):
        found = pipeline.transcriber.detect_language((samples, RATE))
        assert order[codes[next(iter(found))]] == token
        assert sum(found.values()) == pytest.approx(1)
        detected = pipeline((samples, RATE), return_timestamps=True, **FREE).language
        assert detected == next(iter(found))
    told = pipeline((sounds[0], RATE), language="Hawaiian", return_timestamps=True, **FREE)
    assert told.language == "haw"
    with pytest.raises(DataError, match="'klingon'.*Known: .*german"):
        pipeline((sounds[0], RATE), language="klingon")


def test_it_is_saved_and_loaded(oracle, pipeline, tmp_path):
    pipeline.save(tmp_path / "mine")
    again = from_pretrained(tmp_path / "mine")
    recording = (sound(2.2, 5), RATE)
    options = {"return_timestamps": True, "max_length": 20, **FREE, **language_of(pipeline)}
    found, expected = again(recording, **options), pipeline(recording, **options)
    assert [x[:3] for x in found.segments] == [x[:3] for x in expected.segments]
    assert (found.language, again.task) == (expected.language, "transcription")


def test_what_the_files_lack_is_named(oracle, tmp_path):
    shutil.copytree(oracle[0], tmp_path / "there")
    path = tmp_path / "there" / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "hop_length": 200}))
    with pytest.raises(CheckpointError, match="features of Whisper.*'hop_length': 200"):
        from_pretrained(tmp_path / "there")
    path.unlink()
    path = tmp_path / "there" / "tokenizer.json"
    path.write_text(path.read_text().replace("startofprev", "startofnext"))
    with pytest.raises(CheckpointError, match=r"needs <\|startofprev\|>"):
        from_pretrained(tmp_path / "there")


def test_lists_folders_and_generators_in_their_order(oracle, pipeline, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    sounds = [sound(seconds, seed) for seed, seconds in enumerate((0.5, 2.3, 0, 1.7, 0.9))]
    options = {"max_length": 20, **FREE, **language_of(pipeline)}
    for i, samples in enumerate(sounds):
        soundfile.write(tmp_path / f"{i}.wav", samples, RATE, subtype="FLOAT")
    alone = [pipeline((samples, RATE), **options) for samples in sounds]
    assert alone[2] == "" and len({*alone}) > 3
    assert pipeline([(samples, RATE) for samples in sounds], **options) == alone
    assert pipeline(tmp_path, batch_size=2, **options) == alone
    found = pipeline(iter(sorted(tmp_path.iterdir())), **options)
    assert next(found) == alone[0] and list(found) == alone[1:]


def test_silence_says_nothing(pipeline):
    for seconds in (0.7, 2.5):
        samples = np.zeros(int(seconds * RATE), "float32")
        found = pipeline((samples, RATE), return_timestamps=True, **FREE)
        assert (found.text, found.segments, found.seconds) == ("", (), pytest.approx(seconds))


def test_a_poor_text_is_drawn_again_and_silence_is_left_out(pipeline):
    options = {**language_of(pipeline), "return_timestamps": True, "max_length": 12}
    recording, never = (sound(0.9), RATE), {**FREE, "logprob_threshold": 0.0}
    drawn = pipeline(recording, **options, **{**never, "temperature": (0.0, 0.5, 0.9)})
    assert {x.temperature for x in drawn.segments} == {0.9}
    again = pipeline(recording, **options, **{**never, "temperature": (0.0, 0.5, 0.9)})
    assert again == drawn
    left_out = pipeline(recording, **options, **{**never, "no_speech_threshold": 0.0})
    assert left_out.text == ""
    dull = {**FREE, "compression_ratio_threshold": 0.01, "temperature": (0.0, 0.7)}
    assert {x.temperature for x in pipeline(recording, **options, **dull).segments} == {0.7}


def test_what_was_said_before_is_shown(pipeline):
    recording = (sound(2.4, 4), RATE)
    options = {"max_length": 12, **FREE, **language_of(pipeline)}
    seen = []
    speaker = pipeline.transcriber.speaker
    write = speaker.write
    speaker.write = lambda memories, prompts, *args: (
        seen.append(prompts.tolist()[0]) or write(memories, prompts, *args)
    )
    try:
        pipeline(recording, **options)
        plain, seen[:] = list(seen), []
        pipeline(recording, initial_prompt="a dog", hot_words=["cat"], **options)
    finally:
        del speaker.write
    previous, encode = pipeline.processor.previous, pipeline.processor.target_tokenizer.encode
    assert {row[0] for row in plain} == {START}
    words, prompt = encode([" cat"])[0], encode([" a dog"])[0]
    assert seen[0] == [previous, *words, *prompt, *plain[0]]
    assert seen[1] == [previous, *words, *plain[0]]
    with pytest.raises(TypeError, match="prompt to be a str"):
        pipeline(recording, initial_prompt=7)


def test_targets_begin_as_the_decoder_is_told(pipeline):
    processor = pipeline.processor
    [row] = processor.encode_target(["a dog"])
    told = processor.prompt(processor.languages["en"], "transcribe", False)
    assert row[: len(told)].tolist() == told and row[-1] == END
    assert processor.decode(row) == "a dog"
    [long] = processor.encode_target(["a dog " * 60])
    assert len(long) == processor.max_target_length and long[-1] == END


def test_words_have_times(pipeline):
    options = {"max_length": 20, **FREE, **language_of(pipeline)}
    found = pipeline((sound(2.1, 5), RATE), return_timestamps="word", **options)
    for segment in found.segments:
        assert "".join(x.text for x in segment.words) == segment.text
        times = [time for word in segment.words for time in (word.start, word.end)]
        assert times == sorted(times) and times[-1] <= 2.1 + 1e-6


def test_options_that_are_none(pipeline):
    recording = (sound(0.5), RATE)
    for options, message in (
        ({"langage": "de"}, "Did you mean 'language'"),
        ({"task": "summarize"}, "task to be one of"),
        ({"return_timestamps": "yes"}, "return_timestamps to be one of"),
        ({"temperature": -1}, "temperature from 0 to 10"),
        ({"num_beams": 0}, "num_beams"),
        ({"return_alignment": True}, "knows no return_alignment"),
        ({"batch_size": 0}, "batch_size of at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            pipeline(recording, **options)
    with pytest.raises(DataError, match="NaN or infinite"):
        pipeline((np.full(900, np.nan), RATE))
    with pytest.raises(ValueError, match="stream expected one source"):
        pipeline.stream([recording, recording])
