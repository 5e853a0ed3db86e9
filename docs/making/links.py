"""Whether every link of a built site leads somewhere, without a network."""

from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

LOADED = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src"}
TO_LOAD = {"stylesheet", "icon", "preload", "modulepreload"}


class Page(HTMLParser):
    """What a page links to and loads, and the names of its places."""

    def __init__(self):
        super().__init__()
        self.names, self.links, self.loaded = set(), [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.names |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag in LOADED and given.get(LOADED[tag]):
            if tag != "link" or TO_LOAD & set((given.get("rel") or "").split()):
                self.loaded.append(given[LOADED[tag]])


def broken(site):
    """What is wrong with the links of a site.

    Args:
        site: Path of its folder.

    Returns:
        list of str, a line each: no such file, no such place in it, or something that
        the page would load from elsewhere.
    """
    pages = {}
    for path in sorted(site.rglob("*.html")):
        pages[path] = Page()
        pages[path].feed(path.read_text(encoding="utf-8"))
    wrong = []
    for path, page in pages.items():
        if path.name == "404.html":  # whose addresses begin at the root of the host
            continue
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loaded and parts.scheme != "data":
                    wrong.append(f"{path.relative_to(site)}: loads {link}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.exists():
                wrong.append(f"{path.relative_to(site)}: no {link}")
            elif parts.fragment and target in pages:
                if unquote(parts.fragment) not in pages[target].names:
                    wrong.append(f"{path.relative_to(site)}: no such place {link}")
    return wrong
