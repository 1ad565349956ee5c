"""Go's HTTP server and client on both sides, HTTP/1.1 and HTTP/2: what they send arrives, and a drain is
no error to them."""
import signal

import pytest

from mesh import IS_SANITIZED, Load, Mesh, Process, users, web_and_api
from mesh.go import go_program

MANY = 500 if not IS_SANITIZED else 100


@pytest.fixture(scope="module")
def scene():
    program = go_program("peer")
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, apis=2, app=None, port_name="http", drain_timeout="20s")
        for pod in apis:
            mesh.start(Process(f"{pod.name}-peer", [program, "serve", "8080"], pod.net, mesh.folder, users()[1],
                               expected_exit=(-signal.SIGTERM,))).wait_for_log("listening")
        yield mesh, web, apis, service


@pytest.mark.parametrize("protocol", ["http", "h2c"])
@pytest.mark.parametrize("size", [0, 1, 16384, 65536, 8 << 20])
def test_bodies_and_trailers(scene, protocol, size):
    _, web, _, service = scene
    done = web.net.run(go_program("peer"), "body", protocol, f"{service.ipv4}:80", str(size), check=False)
    assert done.returncode == 0, done.stdout
    line = web.proxy.events("request", path="/body")[-1]
    assert line["protocol"] == ("h2" if protocol == "h2c" else "http/1.1") and line["bytes_sent"] == size


@pytest.mark.parametrize("protocol", ["http", "h2c"])
def test_drains_are_no_errors(scene, protocol):
    """First each server's proxy, then the client's, all under load."""
    _, web, apis, service = scene
    with Load(web, f"go-{protocol}", *service.vip) as load:
        for pod in apis:
            pod.unpublish()
            pod.proxy.signal(signal.SIGTERM)
            assert pod.proxy.wait() == 0
            pod.publish()
            pod.start_proxy()
            load.wait_for_more(MANY)
        web.proxy.signal(signal.SIGTERM)
        web.proxy.wait_for_event("draining")
        load.wait_for_more(MANY)
        assert load.stop()["failed"] == []
    assert web.proxy.wait() == 0
    web.start_proxy()
