"""What can be seen of HTTP: metrics, the access log, traces, live requests."""
import pytest

from mesh import Mesh, Talk, wait_until, web_and_api


@pytest.fixture(scope="module")
def scene():
    """(mesh, web, api, service)"""
    with Mesh() as mesh:
        web, [api], service = web_and_api(mesh, app="http_echo.py", port_name="http")
        yield mesh, web, api, service


@pytest.fixture
def talk(scene):
    _, web, _, service = scene
    with Talk(web, *service.vip) as made:
        yield made


def test_requests_are_counted_by_who_asked_whom(scene, talk):
    """Both proxies count, each from its side, with both identities and the class of the answer."""
    _, web, api, _ = scene
    for path in ("/", "/", "/status/404", "/bytes/1000"):
        talk.ask(path)
    labels = {"source_identity": web.identity, "destination_identity": api.identity,
              "method": "GET", "reason": ""}
    out = {"direction": "outbound", "protocol": "http/1.1", "service": "demo/api", **labels}
    wait_until(lambda: web.proxy.metric("outrigger_requests_total", **out) == 4, "web's count")
    assert web.proxy.metric("outrigger_requests_total", status="4xx", **out) == 1
    assert web.proxy.metric("outrigger_response_bytes_total", status="2xx", **out) > 1000
    assert web.proxy.metric("outrigger_request_duration_seconds_count", **out) == 4
    into = {"direction": "inbound", "protocol": "h2", "destination_workload": "api", **labels}
    wait_until(lambda: api.proxy.metric("outrigger_requests_total", **into) == 4, "api's count")
    assert web.proxy.metric("outrigger_requests_in_flight", direction="outbound") == 0
