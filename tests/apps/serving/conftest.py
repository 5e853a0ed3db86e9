"""A server on loopback, in a thread of its own, over a pipeline that tests can hold up."""

import contextlib
import socket
import threading
import time

import pytest


class Hooked:
    """A pipeline whose calls are kept, can be held up, and fail for sources that are named."""

    def __init__(self, pipeline):
        self.pipeline = pipeline
        self.calls, self.bad = [], ()
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()

    def __getattr__(self, name):
        return getattr(self.pipeline, name)

    def __call__(self, sources, **options):
        self.calls.append(list(sources))
        self.begun.set()
        assert self.go.wait(30)
        if any(isinstance(source, str) and source in self.bad for source in sources):
            raise RuntimeError("out of luck")
        return self.pipeline(sources, **options)

    def hold(self):
        """Whatever is asked for from now on waits until `go` is set."""
        self.begun.clear()
        self.go.clear()


@pytest.fixture
def serve(monkeypatch):
    """A function that runs a server for a pipeline and limits, and gives a client of it."""
    import httpx2

    from s2s_zoo.apps.serving.app import Limits
    from s2s_zoo.apps.serving.served import Served
    from s2s_zoo.apps.serving.server import make_server

    with contextlib.ExitStack() as stack:

        def serve(pipeline, warm=None, names=None, **limits):
            monkeypatch.setattr(Served, "warm", warm or (lambda self, _: [None]))
            listener = socket.create_server(("127.0.0.1", 0))
            server = make_server(Served(pipeline, "tiny"), Limits(**limits), names)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()

            def stop():
                server.should_exit = True
                thread.join(40)
                assert not thread.is_alive()

            stack.callback(stop)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            client = stack.enter_context(httpx2.Client(base_url=url, timeout=30))
            while not server.started or (warm is None and client.get("/health").status_code != 200):
                time.sleep(0.01)
            client.server = server
            return client

        yield serve


@pytest.fixture(scope="session")
def loaded(tiny_checkpoint):
    from s2s_zoo import from_pretrained

    return from_pretrained(tiny_checkpoint)


@pytest.fixture
def hooked(loaded):
    return Hooked(loaded)
