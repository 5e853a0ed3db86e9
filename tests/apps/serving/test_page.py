"""The page in a headless Chromium: what a person sees and does, and what is forbidden to it."""

import re

import pytest

pytest.importorskip("fastapi", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("prometheus_client", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("uvicorn", reason="pip install 's2s-zoo[serve]'")

from s2s_zoo.apps.serving.page import PAGE, policy  # noqa: E402
from s2s_zoo.pipeline.transcript import Segment, Transcript  # noqa: E402
from tests.apps.serving.browser import (
    CHROMEDRIVER,
    CHROMIUM,
    Browser,  # noqa: E402
)


def needs_browser(test):
    reason = "there is no chromium with its chromedriver"
    return pytest.mark.browser(
        pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason=reason)(test)
    )


CTRL_ENTER, ARROWS = "\ue009\ue007", {"right": "\ue014", "down": "\ue015"}
READY = 'document.getElementById("state").className === "ready"'
DONE = '!document.getElementById("alignment").hidden'


def test_nothing_comes_from_elsewhere():
    addresses = re.findall(r"(?:https?:)?//[\w.]+", PAGE)
    assert set(addresses) == {"http://www.w3.org"}  # the name of SVG
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", PAGE)
    assert not re.search(r'\s(?:on\w+|style)="', PAGE)


def test_the_policy_names_the_only_script_and_style():
    allowed = policy("<style>a</style><script>b</script><script>c</script>")
    assert "style-src 'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='" in allowed
    assert "script-src 'sha256-PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0=' 'sha256-" in allowed
    assert "unsafe" not in allowed and allowed.startswith("default-src 'none'")


def text(browser, name):
    return browser.run(f'return document.getElementById("{name}").textContent')


@pytest.fixture(scope="module")
def browser():
    with Browser() as browser:
        yield browser


@needs_browser
def test_a_person_translates(serve, loaded, browser):
    source = "das kind spielt im garten"
    expected = loaded(source, num_beams=1, return_alignment=True)
    browser.open(str(serve(loaded).base_url))
    browser.wait(READY)
    assert text(browser, "what") == "Translation · German → English"
    assert browser.run('return document.getElementById("go").disabled')
    assert browser.run('return document.getElementById("source").lang') == "de"
    assert browser.run('return document.getElementById("beams").value') == "2"
    browser.run('document.getElementById("beams").value = 1')
    browser.type("#source", source + CTRL_ENTER)
    browser.wait(DONE)
    assert text(browser, "answer") == expected.text
    rows = browser.run("return words(arguments[0]).length", list(expected.target_tokens))
    columns = browser.run('return document.querySelectorAll("#source-words span").length')
    assert browser.run('return document.querySelectorAll("#map .cell").length') == rows * columns
    assert columns == 6  # five words and the end
    browser.click("#target-words button")
    assert "←" in text(browser, "readout") and "%" in text(browser, "readout")
    browser.run('document.querySelector(".scroll").focus()')
    browser.type(".scroll", ARROWS["down"] + ARROWS["right"])
    second = browser.run('return document.querySelectorAll("#source-words span")[1].textContent')
    assert second in text(browser, "readout")
    assert browser.log() == []


@needs_browser
def test_beam_search_and_long_text_and_errors(serve, hooked, browser):
    client = serve(hooked)
    browser.open(str(client.base_url))
    browser.wait(READY)
    browser.type("#source", "ein hund rennt")
    browser.click("#go")
    browser.wait(DONE)
    assert text(browser, "answer") == hooked.pipeline("ein hund rennt")
    hooked.bad = {"ein hund rennt."}
    browser.type("#source", ".")
    browser.click("#go")
    message = browser.wait('document.getElementById("error").textContent')
    assert message == "The model failed: RuntimeError."
    browser.log()  # Chromium notes the status 500


@needs_browser
def test_languages_are_chosen_where_there_are_many(serve, loaded, browser, monkeypatch):
    from s2s_zoo.apps.serving.served import Served

    describe = Served.describe
    known = {"known_languages": ["de", "en", "pt_BR"]}
    monkeypatch.setattr(Served, "describe", lambda self: {**describe(self), **known})
    browser.open(str(serve(loaded).base_url))
    browser.wait(READY)
    names = browser.run('return [...document.getElementById("to").options].map((o) => o.text)')
    assert names == ["English", "German", "English", "Brazilian Portuguese"]
    browser.run('document.getElementById("to").value = "pt_BR"')
    browser.type("#source", "ein hund")
    browser.click("#go")
    message = browser.wait('document.getElementById("error").textContent')
    assert "Received: source=None, target='pt_BR'" in message  # this one knows a single pair
    browser.log()


@needs_browser
def test_each_sentence_of_a_text_looked_at_its_own_source(serve, loaded, browser):
    source = "das kind spielt im garten. ein hund rennt. Wer da?"
    expected = loaded(source, num_beams=1, return_alignment=True)
    assert len(expected.segments) > 1
    browser.open(str(serve(loaded).base_url))
    browser.wait(READY)
    parts = [
        {"source_tokens": ["x"], "alignment": [[1]]},
        {"source_tokens": ["y", "z"], "alignment": [[0.5, 0.25]]},
    ]
    whole = {"target_tokens": ["a", "b"], "segments": parts}
    joined = browser.run("return joined(arguments[0]).alignment", whole)
    assert joined == [[1, 0, 0], [0, 0.5, 0.25]]
    browser.run('document.getElementById("beams").value = 1')
    browser.type("#source", source)
    browser.click("#go")
    browser.wait(DONE)
    assert text(browser, "answer") == expected.text
    browser.log()


@needs_browser
def test_what_is_written_is_text(serve, loaded, browser):
    evil = "<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script>"
    browser.open(str(serve(loaded).base_url))
    browser.wait(READY)
    browser.run(
        "align({source_tokens: [arguments[0]], target_tokens: [arguments[0]], alignment: [[1]]})",
        evil,
    )
    browser.run('document.getElementById("beams").value = 1')
    browser.type("#source", "<img src=x>")
    browser.click("#go")
    browser.wait("running === null")
    assert browser.run('return document.getElementById("error").hidden')
    assert browser.run("return document.images.length") == 1  # that of a captioner, hidden
    assert browser.run("return document.scripts.length") == 1
    assert "owned" not in browser.run("return document.title")
    assert browser.log() == []


@needs_browser
def test_scripts_from_elsewhere_do_not_run(serve, loaded, browser):
    browser.open(str(serve(loaded).base_url))
    browser.wait(READY)
    browser.run("""
        const script = document.createElement("script");
        script.textContent = "window.owned = true";
        document.body.append(script);
        const image = document.createElement("img");
        image.src = "https://example.org/x.png";
        document.body.append(image);
    """)
    assert browser.run("return window.owned === undefined")
    assert any("Content Security Policy" in message for message in browser.log())


@needs_browser
def test_units_as_words(serve, loaded, browser):
    browser.open(str(serve(loaded).base_url))
    for units, expected in (
        (["▁Gute", "n", "▁Mor", "gen", "!", "</s>"], ["Guten", "Morgen", "!", "end"]),
        (["▁don", "'", "t", "▁", "5", "%"], ["don't", "5", "%"]),
        (["▁", "我", "昨天", "在", "，", "</s>"], ["我", "昨天", "在", "，", "end"]),
        (["A", "(￭", "small", "￭)", "test"], ["A", "(", "small", ")", "test"]),
        (["a", "Ġdog"], ["a", "dog"]),
        (["▁مرحبا", "▁بك"], ["مرحبا", "بك"]),
    ):
        found = browser.run("return words(arguments[0]).map((word) => word.text)", units)
        assert found == expected


@needs_browser
def test_right_to_left_sources_run_from_the_right(serve, loaded, browser):
    browser.open(str(serve(loaded).base_url))
    browser.wait(READY)
    for units, mirrored in ((["▁مرحبا", "▁بك"], True), (["▁hallo", "▁du"], False)):
        browser.run(
            "align({source_tokens: arguments[0], target_tokens: ['▁a'], alignment: [[1, 0]]})",
            units,
        )
        cells = '[...document.querySelectorAll("#map .cell")]'
        places = browser.run(f'return {cells}.map((cell) => +cell.getAttribute("x"))')
        assert (places[0] > places[1]) == mirrored


@needs_browser
def test_a_narrow_page_does_not_scroll_sideways(serve, loaded, browser):
    browser.resize((360, 740))
    try:
        browser.open(str(serve(loaded).base_url))
        browser.wait(READY)
        units = [f"▁Donaudampfschifffahrt{i}" for i in range(50)]
        result = {"source_tokens": units, "target_tokens": units, "alignment": [[0.02] * 50] * 50}
        browser.run("align(arguments[0])", result)
        assert browser.run("return document.documentElement.scrollWidth") <= 360
        assert browser.run('return document.querySelector(".scroll").scrollWidth') > 1000
    finally:
        browser.resize((1200, 900))


@needs_browser
def test_a_person_has_a_photo_described(serve, tiny_captioner, photos, browser, tmp_path):
    from s2s_zoo import from_pretrained

    tiny_captioner.save(tmp_path / "tiny")
    captioner = from_pretrained(tmp_path / "tiny")
    name = photos[1][0][0]
    expected = captioner(name, num_beams=1, return_alignment=True)
    browser.open(str(serve(captioner).base_url))
    browser.wait(READY)
    assert text(browser, "go") == "Describe"
    browser.run('document.getElementById("beams").value = 1')
    browser.type("#file", name)
    browser.wait('!document.getElementById("go").disabled')
    browser.wait('document.getElementById("photo").naturalWidth === 64')
    browser.click("#go")
    browser.wait(DONE)
    assert text(browser, "answer") == expected.text
    browser.click("#target-words button")
    rects = '[...document.querySelectorAll("#photo-box rect")]'
    shades = browser.run(f'return {rects}.map((rect) => rect.getAttribute("fill-opacity"))')
    weights = expected.alignment[0]
    assert [float(shade) for shade in shades] == pytest.approx(
        list(0.75 * (1 - weights / weights.max())), abs=2e-3
    )
    assert browser.log() == []


SAID = Transcript(
    "Guten Tag. Auf Wiedersehen.",
    (Segment(" Guten Tag.", 0.0, 0.74), Segment(" Auf Wiedersehen.", 0.74, 2.1)),
    "de",
    2.1,
)


class Transcribes:
    """Takes what a Whisper takes, keeps it, and always hears the same."""

    def __init__(self, pipeline):
        self.pipeline, self.asked = pipeline, []

    def __getattr__(self, name):
        return getattr(self.pipeline, name)

    def __call__(self, sources, **options):
        self.asked.append((sources, options))
        return [SAID] * len(sources)

    def stream(self, source, **options):
        self.asked.append(([source], options))
        yield from SAID.segments


@pytest.fixture(scope="module")
def transcribe(tiny_whisper):
    from s2s_zoo import from_pretrained

    return Transcribes(from_pretrained(tiny_whisper))


def parts_of(browser):
    items = '[...document.querySelectorAll("#segments li")]'
    return browser.run(f"return {items}.map((item) => item.textContent)")


@needs_browser
def test_a_person_chooses_a_recording(serve, transcribe, browser, tmp_path):
    import soundfile

    from tests.tiny_whisper import RATE, sound

    path = tmp_path / "talk.flac"
    soundfile.write(path, sound(2.1, 1), RATE)
    browser.open(str(serve(transcribe).base_url))
    browser.wait(READY)
    assert text(browser, "go") == "Transcribe"
    names = browser.run('return [...document.getElementById("from").options].map((o) => o.text)')
    assert names == ["find out", "English", "French", "German"]
    browser.run('document.getElementById("from").value = "de"')
    browser.run('document.getElementById("to").value = "translate"')
    for beams in (1, 2):
        browser.run(f'document.getElementById("beams").value = {beams}')
        browser.type("#sound", str(path))
        browser.wait('!document.getElementById("go").disabled')
        browser.click("#go")
        browser.wait('!document.getElementById("segments").hidden')
        assert text(browser, "answer") == SAID.text
        assert parts_of(browser) == [
            "0:00.0 – 0:00.7Guten Tag.",
            "0:00.7 – 0:02.1Auf Wiedersehen.",
        ]
        [data], options = transcribe.asked.pop()
        assert data == path.read_bytes()
        assert options["language"] == "de" and options["task"] == "translate"
    assert "German" in text(browser, "facts")
    browser.wait('document.getElementById("player").duration > 2')
    browser.click("#segments li:last-child button")
    assert browser.run('return document.getElementById("player").currentTime') >= 0.74
    assert browser.log() == []
    notes = tmp_path / "notes.wav"
    notes.write_text("Dear diary")
    browser.type("#sound", str(notes))
    browser.wait('!document.getElementById("go").disabled')
    assert text(browser, "answer") == ""
    assert browser.run('return document.getElementById("segments").hidden')
    browser.click("#go")
    message = browser.wait('document.getElementById("error").textContent')
    assert "no sound that is read here" in message
    browser.log()  # Chromium notes the status 400, and that it cannot play this


@needs_browser
def test_a_person_records(serve, transcribe):
    from s2s_zoo.data.sound import Recording

    flags = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with Browser(flags=flags) as browser:
        browser.open(str(serve(transcribe).base_url))
        browser.wait(READY)
        browser.click("#record")
        browser.wait('document.getElementById("record").textContent === "Stop, 0:02"')
        assert browser.run('return document.getElementById("go").disabled')
        browser.click("#record")
        browser.wait('!document.getElementById("go").disabled')
        assert text(browser, "record") == "Record"
        browser.wait('document.getElementById("player").duration > 1')
        browser.click("#go")
        browser.wait('!document.getElementById("segments").hidden')
        assert text(browser, "answer") == SAID.text and text(browser, "error") == ""
        assert browser.log() == []
    [data], _ = transcribe.asked.pop()
    recording = Recording(data, 16000)
    assert 1.5 < recording.seconds < 60
    assert abs(recording.read().samples).max() > 0.01  # the beeps of the fake device


@needs_browser
def test_a_microphone_that_is_refused_is_told(serve, transcribe, browser):
    browser.open(str(serve(transcribe).base_url))
    browser.wait(READY)
    browser.run(
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no'))"
    )
    browser.click("#record")
    message = browser.wait('document.getElementById("error").textContent')
    assert "gives no microphone" in message and "choose a file" in message
    assert text(browser, "record") == "Record"
    assert browser.log() == []
