"""Other people's HTTP/1.1 servers, each sending on what it read to a recorder: where they see requests
end can be read there. All of them listen on FRONT and send to 127.0.0.1:BEHIND."""
import os
import shutil
import signal

import pytest

from .go import go_program
from .process import Process
from .programs import users

FRONT, BEHIND = 8080, 9000

NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    access_log off; underscores_in_headers on;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    large_client_header_buffers 8 128k;
    server {{
        listen [::]:{front} ipv6only=off;
        location / {{ proxy_pass http://127.0.0.1:{behind}; proxy_http_version 1.1; proxy_set_header Host $http_host; }}
    }}
}}
"""

HAPROXY = """
global
    maxconn 500
    tune.bufsize 131072
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend front
    bind :::{front} v4v6
    default_backend behind
backend behind
    server recorder 127.0.0.1:{behind}
"""


def _configured(mesh, pod, name, config, command):
    if not (found := shutil.which(name, path="/usr/sbin:/usr/bin")):
        pytest.skip(f"{name} is not installed")
    folder = os.path.join(mesh.folder, f"{pod.name}-{name}")
    os.mkdir(folder)
    if (uid := users()[1]) is not None:
        os.chown(folder, uid, uid)
    path = os.path.join(folder, "config")
    with open(path, "w", encoding="ascii") as file:
        file.write(config.format(folder=folder, front=FRONT, behind=BEHIND))
    return mesh.start(Process(f"{pod.name}-{name}", [found, *command, path], pod.net, mesh.folder, uid,
                              expected_exit=(0, 130, 143, -signal.SIGTERM)))


def start_nginx(mesh, pod):
    _configured(mesh, pod, "nginx", NGINX, ("-c",))


def start_haproxy(mesh, pod):
    _configured(mesh, pod, "haproxy", HAPROXY, ("-f",))


def start_python(_, pod):
    pod.run_app("http_front.py", str(FRONT), f"127.0.0.1:{BEHIND}")


def start_go(mesh, pod):
    mesh.start(Process(f"{pod.name}-go", [go_program("peer"), "front", str(FRONT), f"127.0.0.1:{BEHIND}"], pod.net,
                       mesh.folder, users()[1], expected_exit=(-signal.SIGTERM,))).wait_for_log("listening")


FRONTS = {"nginx": start_nginx, "haproxy": start_haproxy, "python": start_python, "go": start_go}
