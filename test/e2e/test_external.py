"""Services that are asked about a request: an authorizer and a rate limit service of Envoy's kind."""
import collections

import pytest

from mesh import Load, Mesh, ask, call, is_refused, wait_until, web_and_api


class Scene:
    """web calls api, whose proxy asks the pod `judge`."""

    def __init__(self, mesh, in_mesh=True):
        self.mesh = mesh
        self.judge = mesh.pod("judge", ports={"grpc": 9000}, in_mesh=in_mesh)
        self.app = self.judge.run_app("external_services.py", "9000")
        mesh.service("judge", {"grpc": (9000, 9000)}, selector={"app": "judge"})
        self.web, [self.api], self.echo = web_and_api(mesh, app="http_echo.py", port_name="http")

    def put(self, selector=None, **inbound):
        """Waits until the api's proxy asks as the policy says."""
        self.mesh.manifests.put({
            "apiVersion": "outrigger.dev/v1alpha1", "kind": "TrafficPolicy",
            "metadata": {"namespace": "demo", "name": "asked"},
            "spec": {"selector": {"matchLabels": {"app": "api"}}, "inbound": inbound}})
        names = {"externalAuthorization": "external_authorization", "globalRateLimits": "global_limits"}

        def is_there():
            page = self.api.proxy.admin("/policies").json()
            return all((page[names[kind]] or {}).get("fail_open") ==
                       (said.get("failOpen", False) if kind == "externalAuthorization"
                        else not said.get("failClosed", False)) for kind, said in inbound.items())
        wait_until(is_there, "the policy to hold")

    def ask(self, path="/", **options):
        return ask(self.web, self.echo.ipv4, 80, path, **options)

    def checks(self, path):
        return [event for event in self.app.events("check") if event["path"] == path]


def authorizer(**more):
    return {"service": {"name": "judge", "port": 9000}, "timeout": "1s", "headers": ["X-User", "x-auth-*"], **more}


def limiter(*descriptors, **more):
    return {"service": {"name": "judge", "port": 9000}, "timeout": "1s", "domain": "shop",
            "descriptors": [{"entries": list(entries)} for entries in descriptors], **more}


def fields(answer):
    """That the application got."""
    return {name.lower(): value for name, value in answer.json()["fields"]}


@pytest.fixture(params=[True, False], ids=["in the mesh", "beside the mesh"])
def scene(request):
    with Mesh() as mesh:
        yield Scene(mesh, in_mesh=request.param)


@pytest.fixture
def plain():
    with Mesh() as mesh:
        yield Scene(mesh)


def test_who_is_let_in_comes_with_what_the_authorizer_may_say(scene):
    scene.put(externalAuthorization=authorizer())
    answer = scene.ask("/a%41?q=1", headers={"X-User": "mallory", "x_user": "mallory", "X-Auth-Secret": "s",
                                            "X-Keep": "kept", "X-Raw": "\xe4"})
    assert answer.status == 200
    got = fields(answer)
    assert got["x-user"] == "alice" and got["x-auth-team"] == "blue"
    assert got["x-keep"] == "kept", "the authorizer may only take away what it may write"
    assert not {"x-admin", "x-auth-secret", "x_user", "x-split", "b"} & set(got), got
    assert "6.6.6.6" not in got.get("x-forwarded-for", "")
    [asked] = scene.checks("/aA?q=1")
    assert asked["principal"].endswith("/sa/web") and asked["method"] == "GET" and asked["query"] == "q=1"
    assert asked["headers"]["x-user"] == "mallory", "it sees what the client says"
    assert asked["protocol"] == "HTTP/1.1" and asked["source"] == scene.web.ipv4


def test_who_is_refused_gets_the_authorizers_answer(plain):
    plain.put(externalAuthorization=authorizer())
    answer = plain.ask("/denied")
    assert (answer.status, answer.text, answer.headers["x-why"]) == (401, "go away", "because")
    assert plain.ask("/refused").status == 403
    event = plain.api.proxy.wait_for_event("request", path="/denied")
    assert event["reason"] == "authorizer_denied" and event["policy"] == "demo/asked"
    assert plain.api.proxy.metric("outrigger_authorizer_denied_total") == 2
    answer = plain.ask("/denied", method="POST", body=b"x" * 300000)
    assert answer.status == 401, "the body did not have to be read"


@pytest.mark.parametrize("path", ["/slow", "/broken", "/garbage", "/huge"])
def test_without_an_answer_nobody_is_let_in(plain, path):
    plain.put(externalAuthorization=authorizer(timeout="300ms"))
    assert plain.ask("/").status == 200
    answer = plain.ask(path)
    assert answer.status == 503 and answer.headers["server"] == "outrigger"
    event = plain.api.proxy.wait_for_event("request", path=path)
    assert event["reason"] == "authorizer_failed" and event["error"]


def test_an_authorizer_that_is_gone_refuses_or_lets_pass_as_it_is_said(plain):
    plain.put(externalAuthorization=authorizer())
    assert plain.ask("/").status == 200
    plain.app.kill()
    wait_until(lambda: plain.ask("/").status == 503, "nobody to ask")
    plain.put(externalAuthorization=authorizer(failOpen=True))
    answer = plain.ask("/", headers={"X-User": "mallory"})
    assert answer.status == 200 and "x-user" not in fields(answer), "nobody vouches for it"
    plain.judge.run_app("external_services.py", "9000")
    wait_until(lambda: fields(plain.ask("/")).get("x-user") == "alice", "it is asked again")


def test_a_service_that_is_not_there_refuses_and_says_so(plain):
    plain.put(externalAuthorization=authorizer(service={"name": "nobody", "port": 1}))
    assert plain.ask("/").status == 503
    event = plain.api.proxy.wait_for_event("request", reason="authorizer_failed")
    assert event["error"] == "there is no Service demo/nobody"
    told = plain.api.proxy.admin(f"/explain?direction=inbound&destination={plain.api.ipv4}:8080&path=/").text
    assert "there is no Service demo/nobody" in told and "authorizer_failed" in told


def test_only_what_matches_is_asked_about(plain):
    plain.put(externalAuthorization=authorizer(match={"to": [{"paths": ["/denied", "/only/*"]}]}))
    assert plain.ask("/refused").status == 200
    assert plain.ask("/denied").status == 401
    assert plain.ask("/only/x").status == 200
    assert [event["path"] for event in plain.app.events("check")] == ["/denied", "/only/x"]


def test_what_is_not_http_cannot_be_asked_about(plain):
    plain.mesh.pod("raw", labels={"app": "api"}, ports={"tcp": 7000}).run_app("echo.py", "7000", "--name", "raw")
    tcp = plain.mesh.service("raw", {"tcp": (7000, 7000)}, selector={"app": "api"})
    wait_until(lambda: not is_refused(plain.web, tcp.ipv4, 7000) or None, "it is open") 
    plain.put(externalAuthorization=authorizer())
    wait_until(lambda: is_refused(plain.web, tcp.ipv4, 7000), "it is refused")


def test_a_change_of_policy_under_load_fails_no_request(plain):
    with Load(plain.web, "http", plain.echo.ipv4, 80) as load:
        for number in range(6):
            load.wait_for_more(100)
            plain.put(externalAuthorization=authorizer(timeout=f"{number + 1}s", failOpen=bool(number % 2)))
        load.wait_for_more(100)
        assert load.stop()["failed"] == []


def test_a_client_that_goes_away_while_somebody_is_asked(plain):
    plain.put(externalAuthorization=authorizer(timeout="3s"))
    for _ in range(5):
        with plain.web.connect(plain.echo.ipv4, 80) as sock:
            sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: plain.checks("/slow"), "the question")
    assert plain.ask("/").status == 200
    wait_until(lambda: plain.api.proxy.metric("outrigger_requests_open") == 0, "nothing stays")


def test_the_limits_of_a_service_are_kept_and_refusals_remembered(scene):
    scene.put(globalRateLimits=limiter([{"key": "user", "header": "X-User"}, {"key": "zone", "value": "a"}]))
    statuses = [scene.ask("/", headers={"x-user": "ann"}).status for _ in range(6)]
    assert statuses == [200, 200, 429, 429, 429, 429]
    answer = scene.ask("/", headers={"x-user": "ann"})
    assert 1 <= int(answer.headers["retry-after"]) <= 2
    asked = [event for event in scene.app.events("limit")]
    assert asked[0] == {"event": "limit", "domain": "shop", "descriptors": [[["user", "ann"], ["zone", "a"]]]}
    assert len(asked) <= 4, "what was refused is not asked about again (by each worker once)"
    assert scene.ask("/", headers={"x-user": "bob"}).status == 200
    assert scene.ask("/").status == 200, "without a user there is nothing to count by"
    wait_until(lambda: scene.ask("/", headers={"x-user": "ann"}).status == 200, "its count begins anew")


def test_every_kind_of_entry(plain):
    plain.put(globalRateLimits=limiter([{"key": "id", "from": "Identity"}, {"key": "ip", "from": "Source"}],
                                       [{"key": "m", "from": "Method"}, {"key": "path", "from": "Path"}]))
    assert plain.ask("/p?q", method="PUT").status == 200
    [event] = plain.app.events("limit")
    assert event["descriptors"] == [
        [["id", "spiffe://cluster.local/ns/demo/sa/web"], ["ip", plain.web.ipv4]], [["m", "PUT"], ["path", "/p"]]]


@pytest.mark.parametrize("closed, status", [(False, 200), (True, 503)])
def test_a_rate_limit_service_that_does_not_answer(plain, closed, status):
    plain.put(globalRateLimits=limiter([{"key": "path", "from": "Path"}], failClosed=closed))
    assert plain.ask("/").status == 200
    assert plain.ask("/broken").status == status
    assert plain.api.proxy.metric("outrigger_limiter_failed_total") == 1


def test_both_are_asked_in_their_order(plain):
    plain.put(externalAuthorization=authorizer(), globalRateLimits=limiter([{"key": "path", "from": "Path"}]))
    assert plain.ask("/denied").status == 401
    assert not plain.app.events("limit"), "who is refused is not counted"
    assert collections.Counter(plain.ask("/a").status for _ in range(4)) == {200: 2, 429: 2}
