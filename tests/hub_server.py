"""A small Hub on loopback: what `huggingface_hub` asks for, and faults on demand.

Repositories live in memory. Files of 1 KB or more are LFS objects, served by a redirect to another
host name (the same server), as the Hub does.
"""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub_repository import LARGE, Fault, Repository, oid

READ, WRITE = "hf_readonly", "hf_maywrite"


class HubServer(ThreadingHTTPServer):
    """Use as a context manager; `url` is what HF_ENDPOINT is set to."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.cdn = f"http://localhost:{self.server_port}"
        self.repositories, self.objects, self.faults = {}, {}, []
        self.requests, self.tokens_at_cdn = [], []
        self.release = threading.Event()
        self.pause = 0  # seconds before each answer

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.release.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass  # a client that was killed

    def add(self, repo_id, directory, private=False):
        """Publishes the files of a directory; returns the commit. Data sets are "datasets/…"."""
        repository = self.repositories.setdefault(repo_id, Repository(private))
        files = [path for path in directory.rglob("*") if path.is_file()]
        return repository.commit(
            {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}
        )

    def fail(self, pattern, **options):
        self.faults.append(Fault(pattern, **options))

    def count(self, pattern):
        return sum(bool(re.search(pattern, request)) for request in self.requests)


# The client asks for this list once in a process, whatever it is used for first.
ONCE = "/api/agent-harnesses"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def handle_any(self):
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = f"{self.command} {unquote(url.path)}"
        if url.path == ONCE:
            return self.send_error(404)
        self.server.requests.append(f"{request} {self.headers.get('Range', '')}".strip())
        threading.Event().wait(self.server.pause)
        faults = [f for f in self.server.faults if f.times > 0 and re.search(f.pattern, request)]
        self.fault = faults[0] if faults else Fault("")
        self.fault.times -= 1
        if self.fault.cut_at == 0:
            return self.hang_up()
        if self.fault.status:
            return self.reply(self.fault.status, self.fault.body, self.fault.headers)
        for pattern, method in ROUTES:
            if found := re.fullmatch(pattern, request):
                return method(self, **{k: unquote(v) for k, v in found.groupdict().items()})
        self.reply(404, request.encode())

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    def reply(self, status=200, body=b"", headers=None):
        if isinstance(body, dict | list):
            body = json.dumps(body).encode()
        if self.fault.change and self.command == "GET":
            body = self.fault.change(body)
        headers = {"Content-Length": len(body), **(headers or {})}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "HEAD":
            return
        stop = self.fault.cut_at if self.fault.cut_at is not None else self.fault.stall_at
        self.wfile.write(body[:stop])
        if stop is not None:
            self.wfile.flush()
            if self.fault.stall_at is not None:
                self.server.release.wait(60)
            self.hang_up()

    def hang_up(self):
        self.close_connection = True
        self.connection.shutdown(2)

    def refuse(self, status, code, message=""):
        self.reply(status, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message})

    def token(self):
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def repository(self, repo_id, write=False):
        """The repository, or None once the refusal was sent."""
        if self.token() not in ("", READ, WRITE):
            self.refuse(401, "", "Invalid credentials in Authorization header")
        elif repo_id not in self.server.repositories:
            self.refuse(404 if self.token() else 401, "RepoNotFound", "Repository not found")
        elif self.server.repositories[repo_id].private and not self.token():
            self.refuse(401, "RepoNotFound", "Repository not found")
        elif write and self.token() != WRITE:
            self.refuse(403, "", "This token may not write")
        else:
            return self.server.repositories[repo_id]

    def commit_of(self, repo_id, revision):
        """The name and the files of a commit, or None once the refusal was sent."""
        if (repository := self.repository(repo_id)) is None:
            return None
        commit = repository.refs.get(revision, revision)
        if commit in repository.commits:
            return commit, repository.commits[commit]
        self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")

    def resolve_file(self, repo, revision, name):
        if (found := self.commit_of(repo, revision)) is None:
            return
        commit, files = found
        if name not in files:
            return self.refuse(404, "EntryNotFound", "Entry not found")
        data = files[name]
        etag = oid(data)
        if len(data) < LARGE:
            return self.send_file(data, etag, {"X-Repo-Commit": commit})
        self.server.objects[etag] = data
        headers = {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": len(data)}
        place = f"{self.server.cdn}/cdn/{etag}/{name}"
        self.reply(302, b"", {"X-Repo-Commit": commit, **headers, "Location": place})

    def cdn_file(self, oid, name):
        if self.token():
            self.server.tokens_at_cdn.append(self.token())
        self.send_file(self.server.objects[oid], oid)

    def send_file(self, data, etag, headers=None):
        headers = {"ETag": f'"{etag}"', "Accept-Ranges": "bytes", **(headers or {})}
        if not (wanted := self.headers.get("Range")):
            return self.reply(200, data, headers)
        start = int(re.match(r"bytes=(\d+)-", wanted)[1])
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.reply(206, data[start:], headers)

    def model_info(self, repo, revision="main"):
        if (found := self.commit_of(repo, revision)) is not None:
            commit, files = found
            siblings = [{"rfilename": name} for name in files]
            self.reply(200, {"id": repo, "sha": commit, "private": False, "siblings": siblings})

    def tree(self, repo, revision, folder=""):
        if (found := self.commit_of(repo, revision)) is None:
            return
        _, files = found
        inside = f"{folder}/" if folder else ""
        entries = [self.entry(name, files) for name in files if name.startswith(inside)]
        if folder and not entries:
            return self.refuse(404, "EntryNotFound", "Entry not found")
        self.reply(200, entries)

    def paths_info(self, repo, revision):
        if (found := self.commit_of(repo, revision)) is not None:
            names = parse_qs(self.body.decode()).get("paths") or json.loads(self.body)["paths"]
            self.reply(200, [self.entry(name, found[1]) for name in names if name in found[1]])

    @staticmethod
    def entry(name, files):
        return {"type": "file", "path": name, "size": len(files[name]), "oid": oid(files[name])}

    def who_am_i(self):
        if self.token() not in (READ, WRITE):
            return self.refuse(401, "", "Invalid credentials in Authorization header")
        self.reply(200, {"type": "user", "name": "someone", "auth": {}, "orgs": []})

    def create_repository(self):
        asked = json.loads(self.body)
        if self.token() != WRITE:
            return self.refuse(403 if self.token() == READ else 401, "", "You may not create it")
        repo = f"{asked['organization'] or 'someone'}/{asked['name']}"
        exists = repo in self.server.repositories
        private = asked.get("visibility") == "private"
        self.server.repositories.setdefault(repo, Repository(private))
        self.reply(409 if exists else 200, {"url": f"{self.server.url}/{repo}", "name": repo})

    def create_branch(self, repo, branch):
        if (repository := self.repository(repo, write=True)) is None:
            return
        exists = branch in repository.refs
        repository.refs.setdefault(branch, repository.refs["main"])
        self.reply(409 if exists else 200, {})

    def validate_yaml(self):
        import yaml

        kinds = dict.fromkeys(("language", "datasets", "metrics", "model-index"), list)
        kinds |= dict.fromkeys(("license", "library_name", "pipeline_tag"), str)
        errors = []
        try:
            metadata = yaml.safe_load(json.loads(self.body)["content"].split("---\n")[1])
            for key, kind in kinds.items():
                if not isinstance(metadata.get(key, kind()), kind):
                    errors.append(f'"{key}" must be a {kind.__name__}')
            for result in (
                r for model in metadata.get("model-index", []) for r in model["results"]
            ):
                assert result["task"]["type"] and result["dataset"]["type"]
                assert result["dataset"]["name"]
                assert all({"type", "value"} <= metric.keys() for metric in result["metrics"])
        except (IndexError, KeyError, TypeError, AssertionError, yaml.YAMLError) as error:
            errors.append(f"{type(error).__name__} {error}")
        messages = [{"message": error} for error in errors]
        self.reply(400 if errors else 200, {"errors": messages, "warnings": []})

    def preupload(self, repo, revision):
        if (repository := self.repository(repo, write="create_pr" not in self.query)) is None:
            return
        if revision not in repository.refs:
            return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        present = repository.commits[repository.refs[revision]]
        self.reply(
            200,
            {
                "files": [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["size"] >= LARGE else "regular",
                        "shouldIgnore": False,
                        "oid": oid(present[file["path"]]) if file["path"] in present else None,
                    }
                    for file in json.loads(self.body)["files"]
                ]
            },
        )

    def lfs_batch(self, repo):
        asked = json.loads(self.body)["objects"]
        upload = [
            {**o, "actions": {"upload": {"href": f"{self.server.cdn}/upload/{o['oid']}"}}}
            for o in asked
        ]
        self.reply(200, {"transfer": "basic", "objects": upload})

    def lfs_upload(self, oid):
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        if self.token():
            self.server.tokens_at_cdn.append(self.token())
        if hashlib.sha256(self.body).hexdigest() != oid:
            return self.reply(400, b"the bytes are not those of the oid")
        self.server.objects[oid] = self.body
        self.reply(200)

    def commit(self, repo, revision):
        pull_request = "create_pr" in self.query
        if (repository := self.repository(repo, write=not pull_request)) is None:
            return
        lines = [json.loads(line) for line in self.body.splitlines()]
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"])
            if line["key"] == "file"
            else self.server.objects[line["value"]["oid"]]
            for line in lines
            if line["key"] != "header"
        }
        branch = f"refs/pr/{len(repository.refs)}" if pull_request else revision
        message = lines[0]["value"]["summary"]
        commit = repository.commit(files, branch, message, parent=revision)
        url = f"{self.server.url}/{repo}"
        answer = {"commitUrl": f"{url}/commit/{commit}", "commitOid": commit, "success": True}
        if pull_request:
            answer["pullRequestUrl"] = f"{url}/discussions/1"
        self.reply(200, answer)


REPO = r"(?P<repo>[^/]+/[^/]+?)"
DATASET = r"(?P<repo>datasets/[^/]+/[^/]+?)"
REVISION = r"(?P<revision>.+?)"
ROUTES = (
    (r"GET /api/whoami-v2", Handler.who_am_i),
    (r"POST /api/repos/create", Handler.create_repository),
    (r"POST /api/validate-yaml", Handler.validate_yaml),
    (rf"POST /api/models/{REPO}/branch/(?P<branch>.+)", Handler.create_branch),
    (rf"POST /api/models/{REPO}/preupload/{REVISION}", Handler.preupload),
    (rf"POST /api/models/{REPO}/commit/{REVISION}", Handler.commit),
    (rf"GET /api/models/{REPO}/revision/{REVISION}", Handler.model_info),
    (rf"GET /api/models/{REPO}", Handler.model_info),
    (rf"POST /{REPO}\.git/info/lfs/objects/batch", Handler.lfs_batch),
    (r"PUT /upload/(?P<oid>[0-9a-f]{64})", Handler.lfs_upload),
    (r"(GET|HEAD) /cdn/(?P<oid>[0-9a-f]{64})/(?P<name>.+)", Handler.cdn_file),
    (rf"(GET|HEAD) /{DATASET}/resolve/(?P<revision>[^/]+)/(?P<name>.+)", Handler.resolve_file),
    (rf"GET /api/{DATASET}/tree/(?P<revision>[^/]+)(/(?P<folder>.+))?", Handler.tree),
    (rf"POST /api/{DATASET}/paths-info/(?P<revision>[^/]+)", Handler.paths_info),
    (rf"GET /api/{DATASET}/revision/{REVISION}", Handler.model_info),
    (rf"GET /api/{DATASET}", Handler.model_info),
    (rf"(GET|HEAD) /{REPO}/resolve/{REVISION}/(?P<name>[^/]+)", Handler.resolve_file),
)
