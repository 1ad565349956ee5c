"""/explain says of a request what then becomes of it."""
import urllib.parse

import pytest

from mesh import Mesh, ask, wait_until, web_and_api


@pytest.fixture
def mesh():
    with Mesh() as made:
        yield made


def explain(pod, **query):
    answer = pod.proxy.admin("/explain?" + urllib.parse.urlencode(query))
    assert answer.status == 200, answer.text
    return answer.json()


def says(explained, step=None):
    return "\n".join(one["says"] for one in explained["steps"] if step in (None, one["step"]))


def put_route(mesh):
    mesh.manifests.put({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"namespace": "demo", "name": "some"},
        "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": "api", "port": 80}], "rules": [
            {"matches": [{"path": {"type": "PathPrefix", "value": "/old"}}], "filters": [
                {"type": "RequestRedirect", "requestRedirect": {"statusCode": 301}}]},
            {"matches": [{"headers": [{"name": "x-user", "value": "ann"}]}],
             "backendRefs": [{"name": "api", "port": 80, "weight": 3}, {"name": "gone", "port": 80}],
             "timeouts": {"request": "2s"}, "retry": {"attempts": 2, "codes": [503]}}]}})


def test_the_way_of_an_outbound_request(mesh):
    web, _, service = web_and_api(mesh, app="http_echo.py", port_name="http")
    destination = f"{service.ipv4}:80"
    told = explain(web, destination=destination)
    assert "nobody has dialled that address yet" in says(told, "route")
    put_route(mesh)
    wait_until(lambda: ask(web, service.ipv4, 80, "/").status == 404, "the route to hold")
    told = explain(web, destination=destination, path="/other")
    assert told["verdict"] == "404 no_route" and "demo/api" in says(told, "route")
    told = explain(web, destination=destination, path="/x/../old/a")
    assert told["verdict"] == "redirected by the route"
    assert '"/old/a"' in says(told, "normalize") and "HTTPRoute/demo/some/0" in says(told, "route")
    assert ask(web, service.ipv4, 80, "/x/../old/a").status == 301
    told = explain(web, destination=destination, header="X-User: ann")
    assert told["verdict"] == "forwarded" and "HTTPRoute/demo/some/1" in says(told, "route")
    assert "75.0 %: demo/api" in says(told, "backend")
    assert "25.0 %: demo/gone, answered with 500: BackendNotFound" in says(told, "backend")
    assert "request 2000 ms" in says(told, "back-off") and "retries: 2" in says(told, "back-off")
    told = explain(web, destination="192.0.2.1:80")
    assert told["verdict"].startswith("passed through")


def test_the_way_of_an_inbound_request(mesh):
    web, [api], service = web_and_api(mesh, app="http_echo.py", port_name="http")
    mesh.access_policy("no-admin", {"selector": {"matchLabels": {"app": "api"}}, "action": "Deny",
                                    "rules": [{"from": [{"serviceAccounts": ["web"]}],
                                               "to": [{"paths": ["/admin/*"]}]}]})
    wait_until(lambda: ask(web, service.ipv4, 80, "/admin/x").status == 403, "the policy to hold")
    told = explain(api, direction="inbound", destination="8080", path="/admin/x", identity=web.identity)
    assert told["verdict"] == "403 policy_denied"
    assert "refused by deny_policy: AccessPolicy demo/no-admin" in says(told, "authorize")
    told = explain(api, direction="inbound", destination="8080", path="/x", identity=web.identity)
    assert told["verdict"] == "forwarded" and "allowed" in says(told, "authorize")
    told = explain(api, direction="inbound", destination="8080", path="/%2e%2e%2fadmin")
    assert told["verdict"] == "400 path_refused"


def test_what_is_asked_wrongly_is_told(mesh):
    web, _, service = web_and_api(mesh, app="http_echo.py", port_name="http")
    for query, message in [
            ("path=/", "destination: missing"), ("destination=x", "no ADDRESS:PORT"),
            ("destination=10.0.0.1:80&direction=up", "neither inbound nor outbound"),
            ("destination=10.0.0.1:80&path=x", "does not begin with '/'"),
            ("destination=10.0.0.1:80&header=x", "is no NAME:VALUE"),
            ("destination=10.0.0.1:80&header=a%20b:c", "header: "),
            ("destination=10.0.0.1:80&source=x", "is no IP address"),
            ("destination=10.0.0.1:80&colour=red", "there is no such parameter")]:
        answer = web.proxy.admin(f"/explain?{query}")
        assert answer.status == 400 and message in answer.text, (query, answer.text)
    assert "destination=ADDRESS:PORT" in web.proxy.admin("/explain").text
