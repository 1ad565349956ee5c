"""How often pods let themselves be asked, and what is told to who asks more often."""
import json

import pytest

from mesh import IS_SANITIZED, Mesh, Talk, ask, call, is_refused, wait_until, web_and_api


@pytest.fixture(params=["1", "4"], ids=["one_worker", "four_workers"])
def pods(request):
    """(mesh, web, ops, api, the Service)"""
    with Mesh() as mesh:
        web, [api], service = web_and_api(mesh, app="http_echo.py", port_name="http")
        api.proxy.stop()
        api.start_proxy(workers=request.param)
        yield mesh, web, mesh.pod("ops"), api, service


def limit(mesh, api, *limits, name="limits"):
    path = mesh.manifests.put({
        "apiVersion": "outrigger.dev/v1alpha1", "kind": "TrafficPolicy",
        "metadata": {"namespace": "demo", "name": name},
        "spec": {"selector": {"matchLabels": {"app": "api"}}, "inbound": {"rateLimits": list(limits)}}})
    names = [one["name"] for one in limits]
    wait_until(lambda: [one["name"] for one in api.proxy.admin("/policies").json()["rate_limits"]]
               == names, "the limits to hold")
    return path


def statuses(source, service, n, **options):
    """Each on a connection of its own, so that all workers are asked."""
    return [ask(source, service.ipv4, 80, "/", **options).status for _ in range(n)]


def test_a_burst_is_let_through_and_the_rest_told_when_to_come_again(pods):
    mesh, web, _, api, service = pods
    limit(mesh, api, {"name": "all", "requests": 1, "per": "1h", "burst": 10})
    assert statuses(web, service, 15) == [200] * 10 + [429] * 5
    answer = ask(web, service.ipv4, 80, "/")
    assert 3000 < int(answer.headers["retry-after"]) <= 3600
    assert answer.headers["ratelimit-policy"] == '"all";q=1;w=3600'
    assert answer.headers["ratelimit"].startswith('"all";r=0;t=3')
    assert "rate_limited" in answer.text
    logged = api.proxy.wait_for_event("request", reason="rate_limited")
    assert logged["policy"] == "demo/limits" and logged["error"] == "all"
    assert api.proxy.metric("outrigger_rate_limited_total") == 6
    assert api.apps[0].log().count("GET /") == 10, "the application saw no more"


def test_each_identity_has_its_own(pods):
    mesh, web, ops, api, service = pods
    limit(mesh, api, {"name": "each", "requests": 1, "per": "1h", "burst": 3,
                      "by": {"kind": "Identity"}})
    assert statuses(web, service, 5) == [200] * 3 + [429] * 2
    assert statuses(ops, service, 5) == [200] * 3 + [429] * 2


def test_each_value_of_a_header_has_its_own(pods):
    mesh, web, _, api, service = pods
    limit(mesh, api, {"name": "user", "requests": 1, "per": "1h", "burst": 2,
                      "by": {"kind": "Header", "header": "X-User"}})
    for user in ("ann", "bob"):
        assert statuses(web, service, 4, headers={"x-user": user}) == [200, 200, 429, 429]
    assert statuses(web, service, 3) == [200, 200, 429], "who has none shares one"


def test_all_of_several_must_allow(pods):
    mesh, web, ops, api, service = pods
    limit(mesh, api, {"name": "all", "requests": 1, "per": "1h", "burst": 4},
          {"name": "each", "requests": 1, "per": "1h", "burst": 3, "by": {"kind": "Identity"}})
    assert statuses(web, service, 4) == [200] * 3 + [429]
    assert statuses(ops, service, 2) == [200, 429], "the refused one took nothing of the first"


def test_who_waits_as_told_is_let_through(pods):
    mesh, web, _, api, service = pods
    limit(mesh, api, {"name": "all", "requests": 2, "per": "1s", "burst": 1})
    with Talk(web, service.ipv4, 80) as talk:
        assert talk.ask("/").status == 200
        seen = [talk.ask("/").status]
        wait_until(lambda: seen.append(talk.ask("/").status) or seen[-1] == 200,
                   "the next to be let through")
        assert seen[0] == 429


def test_a_change_of_something_else_forgives_nobody(pods):
    mesh, web, _, api, service = pods
    one = {"name": "all", "requests": 1, "per": "1h", "burst": 2}
    path = limit(mesh, api, one)
    assert statuses(web, service, 3) == [200, 200, 429]
    limit(mesh, api, one, {"name": "second", "requests": 100, "per": "1s"})
    assert statuses(web, service, 2) == [429, 429]
    mesh.manifests.remove(path)
    wait_until(lambda: statuses(web, service, 1) == [200], "the limit to be gone")


def test_ten_thousand_names_take_no_more_memory(pods):
    mesh, web, _, api, service = pods
    limit(mesh, api, {"name": "user", "requests": 1, "per": "1h", "burst": 1,
                      "by": {"kind": "Header", "header": "x-user"}})
    with Talk(web, service.ipv4, 80) as talk:
        for i in range(200):
            talk.ask("/", headers={"x-user": f"user-{i}"})
        before = api.proxy.own_bytes()
        codes = [talk.ask("/", headers={"x-user": f"other-{i}"}).status for i in range(10000)]
        grown = api.proxy.own_bytes() - before
    assert 3000 < codes.count(200) < 4096, "as many as there are buckets"
    assert codes.count(429) == 10000 - codes.count(200)
    if not IS_SANITIZED:  # which keeps what was freed
        assert grown < 2 << 20, grown
    [shown] = api.proxy.admin("/policies").json()["rate_limits"]
    assert shown["buckets"] == 4096 and shown["shared"] > 0


def test_a_limit_is_for_what_it_matches(pods):
    mesh, web, ops, api, service = pods
    limit(mesh, api, {"name": "reports", "requests": 1, "per": "1h", "burst": 2,
                      "match": {"from": [{"serviceAccounts": ["web"]}],
                                "to": [{"paths": ["/reports/*"], "methods": ["GET"]}]}})

    def asked(source, path, **options):
        return ask(source, service.ipv4, 80, path, **options).status

    assert [asked(web, "/reports/a") for _ in range(4)] == [200, 200, 429, 429]
    assert asked(web, "/other") == 200 and asked(web, "/reports/a", method="POST") == 200
    assert asked(ops, "/reports/a") == 200
    assert asked(web, "/x/../reports/b") == 429, "by the path that the application sees"
    assert asked(web, "/reports%2fa") == 400, "nobody is to see another path than the limit"
    told = json.dumps(api.proxy.admin("/explain?direction=inbound&destination=8080&path=/other").json())
    assert "not for such a request" in told


def test_who_is_refused_takes_nothing_from_the_other_limits(pods):
    mesh, web, _, api, service = pods
    limit(mesh, api, {"name": "all", "requests": 1, "per": "1h", "burst": 5},
          {"name": "each", "requests": 1, "per": "1h", "burst": 2, "by": {"kind": "Header", "header": "x-user"}})
    assert statuses(web, service, 20, headers={"x-user": "a"}) == [200] * 2 + [429] * 18
    assert statuses(web, service, 3, headers={"x-user": "b"}) == [200] * 2 + [429]
    assert statuses(web, service, 2, headers={"x-user": "c"}) == [200, 429]


@pytest.mark.parametrize("workers", ["1", "4"])
def test_connections_that_come_too_fast_are_closed(workers):
    with Mesh() as mesh:
        web, [api], service = web_and_api(mesh)
        ops = mesh.pod("ops")
        api.proxy.stop()
        api.start_proxy(workers=workers)
        assert call(web, *service.vip) == "api-1" == call(ops, *service.vip)
        mesh.manifests.put({
            "apiVersion": "outrigger.dev/v1alpha1", "kind": "TrafficPolicy",
            "metadata": {"namespace": "demo", "name": "rates"},
            "spec": {"selector": {"matchLabels": {"app": "api"}}, "inbound": {"connectionRates": [
                {"name": "all", "connections": 1, "per": "1h", "burst": 5},
                {"name": "each", "connections": 1, "per": "1h", "burst": 3, "by": "Source"}]}}})
        wait_until(lambda: [one["name"] for one in api.proxy.admin("/policies").json()["connection_rates"]]
                   == ["all", "each"], "the rates to hold")
        assert [is_refused(web, *service.vip) for _ in range(5)] == [False] * 3 + [True] * 2
        logged = api.proxy.wait_for_event("connection_refused", reason="limit_connection_rate")
        assert logged["policy"] == "demo/rates" and logged["error"] == "each"
        assert [is_refused(ops, *service.vip) for _ in range(3)] == [False] * 2 + [True]
        assert api.proxy.events("connection_refused", reason="limit_connection_rate")[-1]["error"] == "all"
        assert api.proxy.metric("outrigger_connections_rate_limited_total") == 3
