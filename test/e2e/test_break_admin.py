"""A crowd in front of the admin port: who probes gets through, and nothing is left of it."""
import os
import resource
import socket
import statistics
import time

import pytest

from mesh import IS_SANITIZED, Mesh, http, wait_until, web_and_api

CROWD = 3000
MOST_CONNECTIONS = 64
HALF_A_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: 10.0.0.1\r\nX-Not-Yet: "


@pytest.fixture(scope="module")
def scene():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, CROWD + 1000), hard))
    with Mesh() as mesh:
        web, _, _ = web_and_api(mesh)
        yield mesh, web, mesh.node("outside")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def probe(outside, address, port, path):
    """As a kubelet does it, from another namespace: the status and the seconds that it took."""
    began = time.monotonic()
    status = http.request(outside, address, port, path).status
    return status, time.monotonic() - began


def crowd(outside, address, port, size, look):
    """Half-sent requests that stay open; `look` is called now and then while they come."""
    clients = []
    try:
        for i in range(size):
            with outside.entered():
                client = socket.create_connection((address, port), 10)
            clients.append(client)
            client.sendall(HALF_A_REQUEST)
            if i % 100 == 99:
                look()
        for _ in range(10):
            look()
    finally:
        for client in clients:
            client.close()


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


@pytest.mark.parametrize("kind", ["proxy", "controller"])
def test_a_crowd_of_half_sent_requests_keeps_no_probe_out(scene, kind):
    mesh, web, outside = scene
    address, port, process, name = {
        "proxy": (web.ipv4, 15000, web.proxy, "outrigger_admin_closed_total"),
        "controller": (mesh.controller.ipv4, 15014, mesh.controller.process,
                       "outrigger_controller_admin_closed_total")}[kind]
    crowd(outside.net, address, port, 200, lambda: None)  # what a first crowd needs is not given back
    wait_until(lambda: probe(outside.net, address, port, "/readyz")[0] == 200, "the end of it")
    level, memory = descriptors(process), process.own_bytes()
    took, most = [], []

    def look():
        status, seconds = probe(outside.net, address, port, "/readyz")
        assert status == 200
        took.append(seconds)
        most.append(descriptors(process))

    crowd(outside.net, address, port, CROWD, look)
    assert statistics.median(took) < 0.1 and max(took) < 1, sorted(took)[-5:]
    assert max(most) <= level + MOST_CONNECTIONS, (level, max(most))
    wait_until(lambda: descriptors(process) <= level, "the descriptors to be closed")
    if not IS_SANITIZED:
        wait_until(lambda: process.own_bytes() <= memory + (128 << 10), "the memory to be given back")
    metrics = http.parse_metrics(http.request(outside.net, address, port, "/metrics").text)
    assert metrics[name, frozenset({("reason", "evicted")})] >= CROWD - MOST_CONNECTIONS
