"""Whole pods are replaced, applications and proxies, while they are called: nobody notices."""
import signal

import pytest

from mesh import Load, Mesh, Talk
from mesh.programs import IS_SANITIZED

MORE = 300 if not IS_SANITIZED else 60
HTTP, GRPC = 8080, 50051


@pytest.fixture(name="mesh")
def whole_mesh():
    with Mesh() as made:
        yield made


def start_api(mesh, name):
    pod = mesh.pod(name, ports={"http": HTTP, "grpc": GRPC}, is_ready=False)
    pod.run_app("http_api.py", str(HTTP), "--name", name)
    pod.run_app("grpc_server.py", str(GRPC), "--name", name)
    pod.publish()
    return pod


def api(mesh):
    service = mesh.service("api", {"http": (80, HTTP), "grpc": (GRPC, GRPC)})
    return service, [start_api(mesh, name) for name in ("api-1", "api-2")]


def terminate(*processes):
    for process in processes:
        process.signal(signal.SIGTERM)


def end_together(pod):
    """Ordinary containers get SIGTERM in any order, while the endpoint goes."""
    pod.publish(is_ready=False)
    terminate(*pod.apps, pod.proxy)


def end_proxy_first(pod):
    """The endpoint goes last: the proxies that call hear of the end from the one that ends."""
    terminate(pod.proxy, *pod.apps)
    pod.publish(is_ready=False)


def end_applications_first(pod):
    """A native sidecar ends when the applications have, whoever still calls them."""
    terminate(*pod.apps)
    pod.publish(is_ready=False)
    for app in pod.apps:
        app.wait()
    terminate(pod.proxy)


@pytest.mark.parametrize("end", [end_together, end_proxy_first, end_applications_first])
def test_a_rolling_restart_loses_no_request(mesh, end):
    service, pods = api(mesh)
    web = mesh.pod("web")
    with Load(web, "http", *service.vip) as http, Load(web, "grpc", service.ipv4, GRPC) as grpc:
        for number, old in enumerate(pods, 3):
            start_api(mesh, f"api-{number}")
            end(old)
            for process in (*old.apps, old.proxy):
                process.stop()
            old.unpublish()
            for load in (http, grpc):
                load.wait_for_more(MORE)
        assert http.stop()["failed"] == [] and grpc.stop()["failed"] == []


def test_a_body_that_was_refused_goes_whole_to_another_pod(mesh):
    """None, one piece, several, as much as is kept."""
    service, pods = api(mesh)
    web = mesh.pod("web")
    pods[0].apps[0].stop()  # its proxy has to refuse, and the other one is asked
    for size in (0, 1, 1000, 40000, 64 * 1024):
        for _ in range(6):
            with Talk(web, *service.vip) as talk:
                answer = talk.ask("/", "POST", body=b"x" * size)
                assert answer.status == 200 and answer.json()["size"] == size
    assert web.proxy.metric("outrigger_request_retries_total") > 0


def test_when_all_have_refused_the_client_is_told(mesh):
    service, pods = api(mesh)
    web = mesh.pod("web")
    for pod in pods:
        pod.apps[0].stop()
    for size in (0, 1000, 1 << 20):
        with Talk(web, *service.vip) as talk:
            answer = talk.ask("/", "POST", body=b"x" * size)
            assert answer.status == 503 and answer.headers["server"] == "outrigger"
            assert "outrigger-reason" not in answer.headers
    logged = web.proxy.wait_for_event("request", direction="outbound", status=503)
    assert logged["error"] == "the endpoint's proxy: connect_failed"
    logged = pods[0].proxy.wait_for_event("request", reason="connect_failed")
    assert logged["error"] == "connect: Connection refused"


def test_a_grpc_call_that_was_refused_goes_to_another_pod(mesh):
    service, pods = api(mesh)
    web = mesh.pod("web")
    pods[0].apps[1].stop()
    with Load(web, "grpc", service.ipv4, GRPC) as load:
        load.wait_for_more(MORE)
        assert load.stop()["failed"] == []
    assert web.proxy.metric("outrigger_request_retries_total") > 0
