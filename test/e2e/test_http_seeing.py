"""What can be seen of HTTP: metrics, the access log, traces, live requests."""
import contextlib
import os
import re

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


OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
EXEMPLAR = re.compile(r'outrigger_request_duration_seconds_bucket\{(.*),le="([^"]+)"\} (\d+)'
                      r' # \{trace_id="([0-9a-f]{32})"\} ([0-9.]+) ([0-9.]+)')


def exemplars(proxy):
    """{trace id: (le, seconds)} of what a scraper that asks for OpenMetrics gets."""
    answer = proxy.admin("/metrics", headers=OPENMETRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    return {found[4]: (float(found[2]), float(found[5])) for found in EXEMPLAR.finditer(answer.text)}


def test_exemplars_lead_from_a_bucket_to_a_trace(scene, talk):
    """The caller's sampled trace stands in both proxies' histograms, in the bucket of its time."""
    _, web, api, _ = scene
    slow, unsampled = "a1" * 16, "b2" * 16
    talk.ask("/slow/60", headers={"traceparent": f"00-{slow}-00f067aa0ba902b7-01"})
    talk.ask("/slow/60", headers={"traceparent": f"00-{unsampled}-00f067aa0ba902b7-00"})
    for pod in (web, api):
        wait_until(lambda: slow in exemplars(pod.proxy), f"{pod.name}'s exemplar")
        le, seconds = exemplars(pod.proxy)[slow]
        assert 0.06 <= seconds <= le
        assert unsampled not in exemplars(pod.proxy)
        plain = pod.proxy.admin("/metrics")
        assert slow not in plain.text and plain.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("path,status,reason,who", [("/%00", 400, "path_refused", 0),
                                                    ("/drop", 502, "upstream_reset", 1)])
def test_what_a_proxy_answers_is_counted_by_its_reason(scene, talk, path, status, reason, who):
    """At the proxy that decided; to the other one it is an answer like others."""
    _, web, api, _ = scene
    proxies = [web.proxy, api.proxy]

    def counted(proxy, why):
        return proxy.metric("outrigger_requests_total", reason=why, method="POST",
                            status=f"{status // 100}xx")
    before = [(counted(proxy, reason), counted(proxy, "")) for proxy in proxies]
    answer = talk.ask(path, "POST")
    assert (answer.status, answer.headers["server"]) == (status, "outrigger")
    wait_until(lambda: counted(proxies[who], reason) == before[who][0] + 1, "the count")
    if who == 1:
        wait_until(lambda: counted(web.proxy, "") == before[0][1] + 1, "the caller's count")
    assert counted(proxies[1 - who], reason) == before[1 - who][0]


def test_a_refusal_is_counted_under_the_policy(scene, talk):
    mesh, _, api, _ = scene
    policy = mesh.access_policy("no-secrets", {
        "action": "Deny", "rules": [{"to": [{"paths": ["/secret"]}]}]})
    wait_until(lambda: talk.ask("/secret").status == 403, "the policy to hold")
    assert api.proxy.metric("outrigger_requests_total", reason="policy_denied", status="4xx",
                            policy="demo/no-secrets") == 1
    mesh.manifests.remove(policy)
    wait_until(lambda: talk.ask("/secret").status == 200, "the policy to be gone")


def streams(proxy, direction):
    """What is in flight on each connection of that direction: sorted paths."""
    return [sorted(stream["path"] for stream in connection["streams"])
            for connection in proxy.connections()
            if connection["direction"] == direction and connection.get("streams")]


def test_connections_show_what_is_in_flight(scene):
    """Three callers are three connections at web, and three streams at api: of one connection a worker."""
    _, web, api, service = scene
    paths = [f"/hang/{i}" for i in range(3)]
    with contextlib.ExitStack() as stack:
        talks = [stack.enter_context(Talk(web, *service.vip)) for _ in paths]
        for talk, path in zip(talks, paths):
            talk.connection.request("GET", path)
        wait_until(lambda: sorted(streams(web.proxy, "outbound")) == [[path] for path in paths],
                   "web's connections")
        wait_until(lambda: sorted(sum(streams(api.proxy, "inbound"), [])) == paths, "api's streams")
        assert len(streams(api.proxy, "inbound")) <= int(os.environ.get("OUTRIGGER_WORKERS", "1"))
        for pod, direction in ((web, "outbound"), (api, "inbound")):
            assert pod.proxy.metric("outrigger_requests_in_flight", direction=direction) == 3
        stream = next(stream for connection in web.proxy.connections()
                      for stream in connection["streams"])
        assert stream["method"] == "GET" and stream["status"] == 0
        assert stream["endpoint"] == f"{api.ipv4}:8080" and stream["upstream_protocol"] == "h2"
    for pod in (web, api):
        wait_until(lambda: not pod.proxy.metric("outrigger_requests_in_flight"), "nothing in flight")
        assert pod.proxy.metric("outrigger_requests_total", reason="client_gone", status="") == 3


def test_clients_cannot_make_labels_grow():
    """Invented methods, paths and hosts are no labels; beyond the ceiling nothing gets lost."""
    ceiling = 6  # of which one is who talks to whom
    with Mesh() as mesh:
        web, _, service = web_and_api(mesh, app="http_echo.py", port_name="http",
                                      max_metric_labels=ceiling)
        asked = 0
        with Talk(web, *service.vip) as talk:
            for i in range(20):
                talk.ask(f"/path/{i}", f"INVENTED{i}", {"Host": f"host-{i}", "User-Agent": f"agent-{i}"})
                asked += 1
            assert web.proxy.metric("outrigger_requests_total", method="OTHER") == 20
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
                for status in (200, 301, 404, 500):
                    talk.ask(f"/status/{status}", method)
                    asked += 1
            wait_until(lambda: web.proxy.metric("outrigger_requests_total") == asked, "all counted")
            text = web.proxy.admin("/metrics").text
        series = [line for line in text.splitlines() if line.startswith("outrigger_requests_total{")]
        assert 2 < len(series) <= ceiling + 1
        assert not [word for word in ("INVENTED", "host-", "agent-", "/path") if word in text]
        over = web.proxy.metric("outrigger_requests_total", overflow="true")
        assert over == web.proxy.metric("outrigger_request_labels_overflowed_total") >= asked - 20 - 4 * ceiling
