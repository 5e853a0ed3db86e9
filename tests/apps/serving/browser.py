"""A headless Chromium, driven through chromedriver by the W3C WebDriver protocol."""

import base64
import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Browser:
    """One page.

    Args:
        size: (width, height) in pixels.
        flags: further ones of Chromium.
    """

    def __init__(self, size=(1200, 900), flags=()):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.driver = subprocess.Popen(
            [CHROMEDRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        port = next(
            found[1]
            for line in self.driver.stdout
            if (found := re.search(r"started successfully on port (\d+)", line))
        )
        self.session = f"http://127.0.0.1:{port}/session"
        args = [*FLAGS, *flags, f"--user-data-dir={self.profile.name}"]
        options = {"binary": CHROMIUM, "args": args}
        log = {"browser": "ALL"}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": log}
        made = self._post("", {"capabilities": {"alwaysMatch": wanted}})
        self.session += f"/{made['sessionId']}"
        self.resize(size)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        request = urllib.request.Request(self.session, method="DELETE")
        urllib.request.urlopen(request, timeout=20).close()
        self.driver.terminate()
        self.driver.wait()
        self.driver.stdout.close()
        self.profile.cleanup()

    def resize(self, size):
        """Makes the page, not the window, so large: phones are narrower than a window can be."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", **metrics)

    def open(self, url):
        self._post("/url", {"url": url})

    def run(self, script, *arguments):
        """What a script returns."""
        return self._post("/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, condition, seconds=30):
        """Waits until a JavaScript expression is true, and returns it."""
        end = time.monotonic() + seconds
        while not (value := self.run(f"return {condition}")):
            if time.monotonic() > end:
                raise AssertionError(f"{condition} is still {value!r} after {seconds} s")
            time.sleep(0.05)
        return value

    def type(self, selector, keys):
        """Sends keys, as a person or a file dialog does, to an element."""
        self._post(f"/element/{self._find(selector)}/value", {"text": keys})

    def click(self, selector):
        self._post(f"/element/{self._find(selector)}/click", {})

    def command(self, name, **parameters):
        """A command of the Chrome DevTools protocol."""
        return self._post("/goog/cdp/execute", {"cmd": name, "params": parameters})

    def log(self):
        """The messages of the console since the last call: errors, and what a policy forbade."""
        return [entry["message"] for entry in self._post("/se/log", {"type": "browser"})]

    def screenshot(self, path):
        """Writes a PNG of the whole page."""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {**size, "scale": 1}
        shot = self.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _find(self, selector):
        found = self._post("/element", {"using": "css selector", "value": selector})
        return next(iter(found.values()))

    def _post(self, path, body):
        request = urllib.request.Request(
            self.session + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]
