"""What is published: metadata, the release script, the workflows."""

import re
import runpy
import shutil
import tomllib
from pathlib import Path

import pytest

import s2s_zoo

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SAID = ("CHANGELOG.md", "CITATION.cff", "s2s_zoo/protocol/version.py")


@pytest.fixture
def copy(tmp_path):
    for name in SAID:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture(scope="module")
def release():
    return runpy.run_path(str(ROOT / ".ci" / "release.py"))["release"]


def test_a_release_has_its_number_everywhere(copy, release):
    before = (copy / "CHANGELOG.md").read_text(encoding="utf-8")
    release(copy, "7.0.0")
    after = (copy / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## Unreleased\n\n## 7.0.0\n\n- " in after
    assert after.replace("## Unreleased\n\n## 7.0.0\n", "## Unreleased\n") == before
    assert "\nversion: 7.0.0\n" in (copy / "CITATION.cff").read_text(encoding="utf-8")
    assert '"7.0.0"' in (copy / "s2s_zoo/protocol/version.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("version", ["0.0.1", "1.0", "v1.0.0", s2s_zoo.__version__])
def test_a_version_goes_up(copy, release, version):
    said = {name: (copy / name).read_bytes() for name in SAID}
    with pytest.raises(ValueError, match=f"above {s2s_zoo.__version__}. Received: {version}"):
        release(copy, version)
    assert said == {name: (copy / name).read_bytes() for name in SAID}


def test_a_release_has_news(copy, release):
    (copy / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n## 0.1.0\n\n- All.\n")
    with pytest.raises(ValueError, match="There is none"):
        release(copy, "7.0.0")


def test_the_citation_is_of_this_version():
    yaml = pytest.importorskip("yaml")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == s2s_zoo.__version__
    assert citation["authors"] == [{"name": "The s2s_zoo authors"}]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["license"] == project["license"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_stages_that_there_are(path):
    yaml = pytest.importorskip("yaml")
    text = path.read_text(encoding="utf-8")
    (stages,) = re.findall(r"^stages=\((.*)\)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    jobs = yaml.safe_load(text)["jobs"].values()
    run = re.findall(r"run: \.ci/run (?!\$)(.*)", text)
    run += [x for job in jobs for x in job.get("strategy", {}).get("matrix", {}).get("stages", [])]
    assert run
    assert [stage for line in run for stage in line.split() if stage not in stages.split()] == []
    if path.stem == "tests":
        assert set(" ".join(run).split()) == set(stages.split())
