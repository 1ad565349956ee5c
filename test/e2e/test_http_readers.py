"""What the proxy writes, other servers read as the proxy meant it: nginx, HAProxy, Go's and a small one in Python.

Each row that the proxy lets through (http_rows.py) goes to each of them. They may decline what they do not like, but
none may see a request that is not there, or another size. nginx and HAProxy pass what they read on to a recorder.
"""
import json
import os
import shutil
import signal
from urllib.parse import unquote

import pytest

from http_rows import ROWS, get
from mesh import Mesh, Process, users, wait_until
from mesh.go import go_program
from mesh.http_recorder import HttpRecorder
from mesh.raw_http import answers, ask

AFTER = get("/after", b"Connection: close")
ACCEPTED = [row for row in ROWS if isinstance(row.expected, list) and row.closes is not None and
            all(isinstance(part, str) for part in row.expected)]
NGINX = """daemon off; master_process off; pid {0}/pid; error_log stderr;
events {{ }}
http {{
    access_log off; client_body_temp_path {0}/body; proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/fastcgi;
    uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;
    server {{ listen 8080; location / {{ proxy_pass http://127.0.0.1:9000; proxy_http_version 1.1; }} }}
}}
"""
HAPROXY = """defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend in
    bind :8080
    default_backend out
backend out
    server recorder 127.0.0.1:9000
"""


def installed(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    return path or pytest.skip(f"{name} is not installed; make deps installs it")


def command_of(reader, folder):
    """How to start it on port 8080, for a user who may write into the folder only."""
    if reader == "go":
        return [go_program("peer"), "serve", "8080"]
    with open(f"{folder}/conf", "w", encoding="ascii") as file:
        file.write(NGINX.format(folder) if reader == "nginx" else HAPROXY)
    return [installed(reader), *(("-c",) if reader == "nginx" else ("-db", "-f")), f"{folder}/conf"]


class Reader:
    """A pod without a proxy, behind that of `web`. `recorder` stands behind it, or is None."""

    def __init__(self, mesh, web, name):
        self._web, self.name, self.recorder = web, name, None
        self._service = mesh.service(name, {"http": (80, 8080)})
        pod = mesh.pod(name, ports={"http": 8080}, proxy=False)
        if name in ("nginx", "haproxy"):
            self.recorder = HttpRecorder(pod, 9000)
            mesh.on_close(self.recorder.close)
        if name == "python":
            pod.run_app("http_echo.py", "8080", "--name", name)
        else:
            folder = f"{mesh.folder}/{name}"
            os.mkdir(folder)
            os.chmod(folder, 0o777)
            mesh.start(Process(f"{name}-reader", command_of(name, folder), pod.net, mesh.folder, users()[1],
                               expected_exit=(0, -signal.SIGTERM, 128 + signal.SIGTERM)))
        wait_until(lambda: self.read(AFTER) == (["GET /after 0"], [200]), f"{name} to answer")

    def read(self, data):
        """(what it saw, as far as it tells, and the statuses of its answers)"""
        with self._web.connect(*self._service.vip) as client:
            found = answers(ask(client, data), [data.split(b" ")[0].decode()])
        if self.recorder:
            seen = [str(request) for request in self.recorder.take()]
        else:
            told = [json.loads(answer.body) for answer in found if answer.status == 200 and answer.body]
            seen = [self._told(request) for request in told]
        return seen, [answer.status for answer in found]

    def _told(self, request):
        request = {key.lower(): value for key, value in request.items()}
        if self.name == "python":
            return f"{request['method']} {request['target']} {request['size']}"
        return f"GET {request['path']} {request['size']}"


@pytest.fixture(scope="module", name="mesh_and_web")
def made_mesh():
    with Mesh() as mesh:
        yield mesh, mesh.pod("web")


@pytest.fixture(scope="module", params=["nginx", "haproxy", "python", "go"])
def reader(request, mesh_and_web):
    if request.param in ("nginx", "haproxy"):
        installed(request.param)
    elif request.param == "go":
        go_program("peer")
    return Reader(*mesh_and_web, request.param)


def comparable(name, requests):
    """Go tells the path, decoded, and the size alone."""
    if name != "go":
        return requests
    parts = [line.split(" ") for line in requests]
    return [f"GET {unquote(target.partition('?')[0])} {size}" for _, target, size in parts]


@pytest.mark.parametrize("row", ACCEPTED, ids=str)
def test_reads_the_same(reader, row):
    expected = row.expected + ([] if row.closes else ["GET /after 0"])
    seen, statuses = reader.read(row.data + AFTER)
    assert len(statuses) == len(expected), row.rfc
    meant = iter(comparable(reader.name, expected))
    assert all(request in meant for request in seen), (row.rfc, seen)
    # What it did not decline it has seen. Without a recorder HEAD tells nothing; Go answers OPTIONS * by itself.
    is_told = reader.recorder or not row.data.startswith(b"HEAD" if reader.name == "python" else (b"HEAD", b"OPTIONS *"))
    assert len(seen) == statuses.count(200) - (not is_told)
    if reader.recorder:
        assert reader.recorder.problems == []
