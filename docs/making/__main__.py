"""Makes the site in docs/build/site: docs/making [--no-run]. Its search alone needs a server.

--no-run: notebooks and pages are shown without what comes out of them.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import links
import notebooks
import pages
from pages import ROOT


def main():
    staged, site = (ROOT / "docs" / "build" / name for name in ("pages", "site"))
    for folder in (staged, site):
        shutil.rmtree(folder, ignore_errors=True)
    staged.mkdir(parents=True)
    pages.write(staged)
    shutil.copy(Path(__file__).with_name("wide.css"), staged)
    running = "--no-run" not in sys.argv
    notebooks.write(staged / "notebooks", running)
    for path in (staged / place for place in notebooks.ANSWERED if running):
        path.write_text(notebooks.answered(path), encoding="utf-8")
    build = [
        sys.executable,
        "-m",
        "zensical",
        "build",
        "--strict",
        "--clean",
        "-f",
        "docs/zensical.toml",
    ]
    done = subprocess.run(build, cwd=ROOT).returncode
    wrong = links.broken(site)
    print(*wrong, f"{len(list(site.rglob('*.html')))} pages, {len(wrong)} broken links", sep="\n")
    return done or bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
