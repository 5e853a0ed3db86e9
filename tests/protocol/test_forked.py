"""A fork after a model was loaded is told in the child, where the call would hang."""

import os

import pytest

from s2s_zoo import from_pretrained
from s2s_zoo.protocol import forked


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks on Windows")
@pytest.mark.filterwarnings("ignore")  # Python and JAX warn of forks
@pytest.mark.parametrize("used", [True, False])
def test_a_forked_process_says_so_where_the_model_was_used_before(used, monkeypatch):
    monkeypatch.setattr(forked, "_used", used)
    child = os.fork()
    if not child:
        status = 2
        try:
            forked.use()
            status = 0
        except RuntimeError as error:
            status = 1 if "get_context('spawn')" in str(error) else 3
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (1 if used else 0)
    forked.use()  # of the parent nothing is left behind


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks on Windows")
@pytest.mark.filterwarnings("ignore")
def test_a_pipeline_raises_in_place_of_hanging(tiny_pipeline, monkeypatch):
    monkeypatch.setattr(forked, "_left_behind", True)
    for call in (
        lambda: tiny_pipeline("ein hund"),
        lambda: tiny_pipeline.stream("ein hund"),
        lambda: tiny_pipeline.score(["ein hund"], ["a dog"]),
        lambda: from_pretrained("translation-de-en"),
    ):
        with pytest.raises(RuntimeError, match="forked after a model had been loaded"):
            call()
