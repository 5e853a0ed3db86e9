"""Cuts a release: python .ci/release.py 0.2.0

What stands under "Unreleased" in CHANGELOG.md gets the number, which version.py and CITATION.cff
get too. What is left to do, to commit and to tag, is printed.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
UNRELEASED = "## Unreleased\n"


def release(root, version):
    """Writes the number of a release where it is said.

    Args:
        root: Path of the repository.
        version: str, such as "0.2.0", above the one that the package has.

    Raises:
        ValueError: for another kind of number, one that is not above the last, or a changelog
            without news.
    """
    module = root / "s2s_zoo" / "protocol" / "version.py"
    code = module.read_text(encoding="utf-8")
    (last,) = re.findall(r'__version__ = "([\d.]+)"', code)
    if not re.fullmatch(r"\d+\.\d+\.\d+", version) or _numbers(version) <= _numbers(last):
        raise ValueError(f"Expected a version such as 0.2.0, above {last}. Received: {version}.")
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    before, found, after = text.partition(UNRELEASED)
    news = after.partition("\n## ")[0].strip()
    if not found or not news:
        raise ValueError(
            f"Expected news under {UNRELEASED.strip()!r} of {changelog}. There is none."
        )
    citation = root / "CITATION.cff"
    cited = citation.read_text(encoding="utf-8")
    changelog.write_text(f"{before}{UNRELEASED}\n## {version}\n{after}", encoding="utf-8")
    module.write_text(code.replace(last, version), encoding="utf-8")
    citation.write_text(
        cited.replace(f"version: {last}\n", f"version: {version}\n"), encoding="utf-8"
    )


def _numbers(version):
    return [int(part) for part in version.split(".")]


def main(arguments):
    if len(arguments) != 1:
        return "Usage: python .ci/release.py VERSION, such as 0.2.0"
    try:
        release(ROOT, *arguments)
    except ValueError as error:
        return f"release: error: {error}"
    print(f"git commit -am 'Release {arguments[0]}' && git tag v{arguments[0]} && git push --tags")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
