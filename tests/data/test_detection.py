import subprocess
import sys
import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s2s_zoo.data.text.detection import KNOWN, Detected, code_of, detect, foreign
from tests.data.language_cases import NOT_FOREIGN, SENTENCES

TEXTS = st.one_of(
    st.text(),
    st.lists(st.sampled_from("Er the мир 北京 の ok 12 % ' { ok! \n ½ ª ǅ ﬁ".split(" "))).map(
        " ".join
    ),
)


@pytest.mark.parametrize(("language", "text"), SENTENCES)
def test_a_sentence_is_in_its_language_and_foreign_to_readers_of_another(language, text):
    reader, target = ("en", "fr") if language == "de" else ("de", "en")
    assert detect(text).language == language
    assert detect(text).certainty > 0.5
    assert foreign(text, [reader], target) == language
    assert foreign(text, [language], target) is None
    assert foreign(text, [reader, language], target) is None


@pytest.mark.parametrize(("expected", "text"), NOT_FOREIGN)
def test_what_may_be_expected_is_not_foreign(expected, text):
    assert foreign(text, [expected], "en" if expected != "en" else "de") is None


@pytest.mark.parametrize(
    ("text", "among", "language"),
    [
        ("Guten Morgen!", ["de", "en", "fr", "zh"], "de"),
        ("Good morning!", ["de", "en", "fr", "zh"], "en"),
        ("Bonjour !", ["de", "en", "fr", "zh"], "fr"),
        ("早上好！", ["de", "en", "fr", "zh"], "zh"),
        ("Das ist gut.", ["de_DE", "zh-Hans"], "de"),
        ("Das ist gut.", ["zh", "ru"], None),
        ("我用 Python 写程序。", ["de", "zh"], "zh"),
        ("今日は時間がありません。", ["zh", "ja"], "ja"),
        ("Привет", None, "ru"),
        ("12:30", ["de", "en"], None),
        ("", None, None),
        ("ＧＯＯＤ ＭＯＲＮＩＮＧ ＴＯ ＹＯＵ ＡＬＬ", None, "en"),
    ],
)
def test_the_language_among_some(text, among, language):
    assert detect(text, among).language == language


def test_certainty_is_among_all_languages():
    assert detect("This is not written in German.", ["de", "fr"]).certainty < 0.1
    assert detect("12", ["de"]) == Detected(None, 0.0)
    assert detect("他住在北京。") == Detected("zh", 1.0)


@pytest.mark.parametrize(("among", "said"), [([], "none"), (["de", "xx"], "xx")])
def test_languages_that_are_not_known_are_named(among, said):
    with pytest.raises(ValueError, match=rf"expected languages of af, am, .* Received: {said}\."):
        detect("Hallo", among)


@pytest.mark.parametrize("code", ["zh-Hans", "zh_CN", "cmn", "ZH"])
def test_a_country_a_script_and_a_variant_do_not_matter(code):
    assert code_of(code) == "zh"
    assert foreign("他住在北京。", [code], "en") is None


def test_of_a_language_that_is_not_known_nothing_is_certain():
    assert foreign("他住在北京。", ["tlh"], "en") is None
    assert foreign("他住在北京。", [], "en") is None


@given(TEXTS, st.sampled_from(sorted(KNOWN)))
@example("\ud800 the", "de")
def test_any_text_has_an_answer(text, expected):
    language, certainty = detect(text)
    assert (language in KNOWN or language is None) and 0 <= certainty <= 1.0001
    assert foreign(text, [expected], "en") != expected
    assert detect(text, [expected]).language in (expected, None)


def test_threads_that_ask_first_together_get_the_same_answer():
    found = []
    text = "Could you please tell me what time it is?"
    threads = [
        threading.Thread(target=lambda: found.append(foreign(text, ["de"], "en"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["en"] * 4


def test_where_the_script_tells_no_detector_is_loaded():
    code = (
        "import sys\nfrom s2s_zoo.data.text.detection import foreign\n"
        "assert foreign('他住在北京。', ['de'], 'en') == 'zh'\n"
        "assert foreign('12,50', ['de'], 'en') is None\n"
        "print([m for m in ('py3langid', 'keras', 'tensorflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
