"""The admin port: that every page tells what is so."""
import re

import pytest

from mesh import Mesh, call, http, receive, web_and_api


@pytest.fixture(scope="module")
def scene():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, apis=2)
        mesh.access_policy("no-other", {
            "selector": {"matchLabels": {"app": "api"}}, "action": "Deny",
            "rules": [{"from": [{"serviceAccounts": ["other"]}]}]})
        for _ in range(10):
            call(web, *service.vip)
        yield mesh, web, apis, service


def test_the_page_for_people_holds_what_matters(scene):
    _, web, _, service = scene
    answer = web.proxy.admin("/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/html")
    for text in ("demo/web", "ready", web.identity, f"{service.ipv4}:80", "demo/api", "left",
                 'href="/connections"', 'href="/metrics"', "connected",
                 "<td>outbound</td><td>web</td><td>api</td><td>demo/api</td><td>mutual</td>"):
        assert text in answer.text, text
    # /tap has no end.
    for path in set(re.findall(r'href="([^"]+)"', answer.text)) - {"/drain", "/quit", "/tap"}:
        assert web.proxy.admin(path).status == 200, path


def test_the_page_for_people_is_text_for_who_is_no_browser(scene):
    mesh, web, _, service = scene
    answer = web.proxy.admin("/", headers={"Accept": "*/*"})
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.startswith("demo/web ready\n") and "<" not in answer.text
    assert re.search(rf"^{service.ipv4}:80 +demo/api +2 +0$", answer.text, re.M)
    assert re.search(r"^outbound +web +api +demo/api +mutual", answer.text, re.M)
    assert "\nProxies: 3\n" in mesh.controller.admin("/").text


def test_a_wrong_method_names_the_right_one(scene):
    _, web, _, _ = scene
    answer = web.proxy.admin("/drain")
    assert answer.status == 405 and answer.headers["Allow"] == "POST" and "POST" in answer.text


def test_an_unknown_page_lists_those_there_are(scene):
    _, web, _, _ = scene
    answer = web.proxy.admin("/nothing")
    assert answer.status == 404 and "/connections" in answer.text


def test_config(scene):
    _, web, _, _ = scene
    config = web.proxy.admin("/config").json()
    assert config["options"]["pod"] == "demo/web"
    assert config["options"]["detect-timeout"] == "50ms"
    assert config["controller"]["is_connected"] and config["controller"]["last_error"] == ""
    assert config["workload"]["service_account"] == "web"
    assert set(config["workload"]["addresses"]) == {web.ipv4, web.ipv6}


def test_services_and_endpoints(scene):
    _, web, apis, service = scene
    services = {s["address"]: s for s in web.proxy.admin("/services").json()["services"]}
    api = services[f"{service.ipv4}:80"]
    assert api["is_known"] and api["name"] == "demo/api"
    page = web.proxy.admin("/endpoints").json()
    found = {e["name"]: e for e in page["endpoints"]}
    endpoints = found[api["backends"][0]["endpoints"]]["endpoints"]
    assert {e["pod"] for e in endpoints} == {"demo/api-1", "demo/api-2"}
    assert {e["identity"] for e in endpoints} == {apis[0].identity}
    assert page["balancers"], "what the balancers learned"


def test_connections_shows_each_one(scene):
    _, web, apis, service = scene
    with web.connect(*service.vip) as client:
        client.sendall(b"12345")
        name = receive(client, 11)[:5].decode()
        connection, = web.proxy.connections()
        assert connection["direction"] == "outbound"
        assert connection["original_destination"] == f"{service.ipv4}:80"
        assert connection["service"] == "demo/api" and connection["tls"] == "mutual"
        assert connection["destination_identity"] == apis[0].identity
        assert (connection["bytes_sent"], connection["bytes_received"]) == (5, 11)
        pod = next(pod for pod in apis if pod.name == name)
        inbound, = pod.proxy.connections()
        assert inbound["direction"] == "inbound" and inbound["source_identity"] == web.identity


def test_certificates(scene):
    _, web, _, _ = scene
    page = web.proxy.admin("/certificates").json()
    assert page["identity"] == web.identity and page["is_valid"]
    assert 0 < page["seconds_left"] <= 24 * 3600
    assert page["trust_anchors"][0]["seconds_left"] > page["seconds_left"]
    assert page["next_renewal"] < page["not_after"]


def test_policies(scene):
    _, _, apis, _ = scene
    page = apis[0].proxy.admin("/policies").json()
    assert page["mtls_mode"] == "permissive"
    assert "demo/no-other" in str(page["access"])


def test_memory(scene):
    _, web, _, _ = scene
    page = web.proxy.admin("/memory").json()
    assert 0 < page["descriptors"] < 100 < page["max_descriptors"]
    assert page["resident_bytes"] > 1 << 20
    assert len(page["workers"]) == 1
    # Only who posts changes something.
    asked = web.proxy.admin("/memory?trim=1")
    assert asked.status == 405 and "POST" in asked.text
    trimmed = web.proxy.admin("/memory", "POST")
    assert trimmed.status == 200 and trimmed.json().keys() == page.keys()


def test_log_level_is_shown_and_set(scene):
    _, web, _, _ = scene
    assert web.proxy.admin("/log-level").json() == {"level": "info"}
    assert web.proxy.admin("/log-level?level=debug", "POST").json() == {"level": "debug"}
    answer = web.proxy.admin("/log-level?level=loud", "POST")
    assert answer.status == 400 and '"loud" is none of' in answer.text
    assert web.proxy.admin("/log-level", "POST", {"Content-Type":
                                                  "application/x-www-form-urlencoded"},
                           "level=info").json() == {"level": "info"}


def test_metrics_in_both_formats(scene):
    _, web, apis, _ = scene
    plain = web.proxy.admin("/metrics")
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    opened = http.parse_metrics(open_metrics := web.proxy.admin(
        "/metrics", headers={"Accept": "application/openmetrics-text"}).text)
    assert open_metrics.endswith("# EOF\n") and "# EOF" not in plain.text
    assert set(opened) == set(http.parse_metrics(plain.text))
    assert web.proxy.metric("outrigger_connections_opened_total", direction="outbound",
                            source_identity=web.identity, source_workload="web",
                            destination_identity=apis[0].identity, destination_workload="api",
                            service="demo/api", tls="mutual") >= 10
    assert web.proxy.metric("outrigger_connect_seconds_count", service="demo/api") >= 10
    assert web.proxy.metric("outrigger_ready") == 1
    assert web.proxy.metric("outrigger_certificate_left_seconds") > 0
    assert sum(pod.proxy.metric("outrigger_connections_opened_total", direction="inbound",
                                source_identity=web.identity) for pod in apis) >= 10
