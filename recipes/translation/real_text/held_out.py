"""Which documents are kept apart from training: package families and pages, never single lines.

A family is what packages of one source share, so `libfoo-dev`, `python3-foo` and `foo-doc` stand
together.
"""

import hashlib
import re

PREFIX = re.compile(
    r"(lib(?=[a-z])|python3?-|ruby-|php\d*(\.\d)?-|golang-(github-|gopkg-)?|node-|gir1\.2-"
    r"|r-(cran|bioc)-|haskell-|librust-|fonts-|elpa-|task-|texlive-|ghc-)"
)
STEM = re.compile(r"[a-z.+]*")
LARGE = ("cl", "erlang", "pytest", "xcb")  # more than sixty packages of many sources


def family(package):
    """Returns the family of a package: its name without prefixes and what follows the stem."""
    name = package.lower()
    while (rest := PREFIX.sub("", name, count=1) if PREFIX.match(name) else name) not in (name, ""):
        name = rest
    stem = STEM.match(name).group()
    return stem if len(stem) > 1 else name.split("-")[0]


def drawn(name, per_mille):
    digest = hashlib.sha256(f"held out 20 {name}".encode()).hexdigest()
    return int(digest, 16) % 1000 < per_mille


def package_is_held_out(package):
    """Says whether a package's description is kept apart, as about 4 % of all are."""
    return family(package) not in LARGE and drawn(f"deb {family(package)}", 50)


def page_is_held_out(page):
    """Says whether a page of LibreOffice's help, such as `text/scalc/main0101.html`, is."""
    return drawn(f"lo {page.split('#')[0]}", 50)


def part_of_package(package):
    """The part of the data that the family of a package is in: "train", "valid" or "test"."""
    return _part(package_is_held_out(package), f"part {family(package)}")


def part_of_page(page):
    """The part that a page of LibreOffice's help is in."""
    page = page.split("#")[0]
    return _part(page_is_held_out(page), f"part {page}")


def _part(held_out, name):
    """A quarter of what is held out chooses the epoch; the rest is for the report."""
    return "train" if not held_out else "valid" if drawn(name, 250) else "test"


def gnome_page_is_held_out(page):
    """Says whether a page of GNOME's help, such as `net-findip.page`, is."""
    return drawn(f"gnome {page}", 330)


def handbook_section_is_held_out(section):
    """Says whether a section of the Debian handbook, such as `sect.inetd.html`, is."""
    return drawn(f"handbook {section}", 120)
