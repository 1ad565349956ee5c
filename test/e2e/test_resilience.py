"""What keeps a service's trouble small: which endpoints are chosen, which are left out, how much is asked at once."""
import collections
import contextlib
import json
import re
import threading

import pytest

from mesh import Mesh, Talk, ask, wait_until, web_and_api


@pytest.fixture
def mesh():
    with Mesh() as made:
        yield made


def service_policy(mesh, web, service, shown, **settings):
    """Sets them for callers of Service api, and waits until web's proxy shows it."""
    path = mesh.manifests.put({
        "apiVersion": "outrigger.dev/v1alpha1", "kind": "TrafficPolicy",
        "metadata": {"namespace": "demo", "name": "resilience"},
        "spec": {"targetRefs": [{"kind": "Service", "name": "api"}], "service": settings}})
    wait_until(lambda: shown(known(web, service)), "the policy to hold")
    return path


def known(web, service):
    """What web's proxy knows of it."""
    ask(web, service.ipv4, 80, "/").json()
    return next(one for one in web.proxy.admin("/services").json()["services"]
                if one.get("name") == "demo/api")


def who_answered(talk, n):
    return collections.Counter(talk.ask("/").headers["x-app"] for _ in range(n))


def test_in_turn_is_in_turn(mesh):
    web, _, service = web_and_api(mesh, apis=3, app="http_echo.py", port_name="http")
    service_policy(mesh, web, service, lambda s: s["balancing"] == "round_robin",
                   balancing={"algorithm": "RoundRobin"})
    with Talk(web, *service.vip) as talk:
        assert sorted(who_answered(talk, 300).values()) == [100, 100, 100]


@pytest.mark.parametrize("algorithm,name", [("Random", "random"), ("LeastRequest", "least_request")])
def test_all_are_asked(mesh, algorithm, name):
    web, _, service = web_and_api(mesh, apis=3, app="http_echo.py", port_name="http")
    service_policy(mesh, web, service, lambda s: s["balancing"] == name,
                   balancing={"algorithm": algorithm})
    with Talk(web, *service.vip) as talk:
        assert all(60 < n < 140 for n in who_answered(talk, 300).values())


def hashing(mesh, web, service, *hash_on, algorithm="Maglev"):
    service_policy(mesh, web, service, lambda s: s["hash_on"],
                   balancing={"algorithm": algorithm, "hashOn": list(hash_on)})


def by_name(answers):
    return {answer.headers["x-app"] for answer in answers}


@pytest.mark.parametrize("algorithm", ["Maglev", "RingHash"])
def test_a_user_stays_with_an_endpoint(mesh, algorithm):
    """By header, else by query, whoever of the pods asks; without either any is asked."""
    web, _, service = web_and_api(mesh, apis=3, app="http_echo.py", port_name="http")
    other = mesh.pod("web-2")
    hashing(mesh, web, service, {"header": "X-User"}, {"query": "user"}, algorithm=algorithm)
    wait_until(lambda: known(other, service)["hash_on"] == ["header x-user", "query user"], "web-2 to know")
    owners = set()
    for user in range(20):
        answers = [ask(pod, service.ipv4, 80, path, headers=headers)
                   for pod in (web, other)
                   for path, headers in [("/", {"x-user": f"u{user}"}), ("/a", {"X-User": f"u{user}"}),
                                         (f"/?a=b&user=u{user}", {})]]
        assert len(by_name(answers)) == 1
        owners |= by_name(answers)
    assert len(owners) == 3
    assert len(by_name(ask(web, service.ipv4, 80, "/") for _ in range(30))) == 3
    says = json.dumps(web.proxy.admin(f"/explain?destination={service.ipv4}:80&path=/").json())
    assert "header x-user" in says


def test_a_cookie_is_made_and_kept_to(mesh):
    web, pods, service = web_and_api(mesh, apis=3, app="http_echo.py", port_name="http")
    hashing(mesh, web, service, {"cookie": {"name": "stay", "ttl": "1h"}})
    first = ask(web, service.ipv4, 80, "/")
    made, _, rest = first.headers["set-cookie"].partition("; ")
    assert re.fullmatch(r"stay=[0-9a-f]{16}", made) and rest == "Max-Age=3600; Path=/; HttpOnly"
    later = [ask(web, service.ipv4, 80, "/", headers={"Cookie": f"a=b; {made}; c=d"}) for _ in range(10)]
    assert by_name(later) == by_name([first]) and not any("set-cookie" in one.headers for one in later)
    assert len(by_name(ask(web, service.ipv4, 80, "/") for _ in range(30))) == 3
    owner = next(pod for pod in pods if pod.name == first.headers["x-app"])
    owner.apps[0].stop()
    moved = [ask(web, service.ipv4, 80, "/", headers={"Cookie": made}) for _ in range(10)]
    assert {one.status for one in moved} == {200} and by_name(moved).isdisjoint(by_name([first]))


def test_a_connection_is_hashed_by_its_source(mesh):
    web, _, service = web_and_api(mesh, apis=3, app="http_echo.py", port_name="tcp-x")
    wait_until(lambda: known(web, service)["protocol"] == "tcp", "the protocol to be known")
    hashing(mesh, web, service, {"sourceIP": True})
    assert len(by_name(ask(web, service.ipv4, 80, "/") for _ in range(20))) == 1


def test_who_comes_new_starts_slowly(mesh):
    web, _, service = web_and_api(mesh, apis=2, app="http_echo.py", port_name="http")
    service_policy(mesh, web, service, lambda s: s["slow_start_ms"] == 3600000,
                   balancing={"algorithm": "RoundRobin", "slowStart": "1h"})
    new = mesh.pod("api-new", labels={"app": "api"}, ports={"http": 8080})
    new.run_app("http_echo.py", "8080", "--name", "api-new")
    wait_until(lambda: len(endpoints(web)) == 3, "it to be known")
    with Talk(web, *service.vip) as talk:
        counts = who_answered(talk, 330)
    assert 5 <= counts["api-new"] <= 20, counts


def ejected(web):
    views = [view for views in web.proxy.admin("/endpoints").json()["balancers"][0].values()
             for view in views if view["balanced"] == "requests"]
    return {view["pod"]: view["ejected"] for view in views if view["ejected"]}


def with_a_bad_one(mesh, **outlier):
    """(web, [two that are well, one that answers 503], the Service)"""
    web, pods, service = web_and_api(mesh, apis=2, app="http_echo.py", port_name="http")
    bad = mesh.pod("api-bad", labels={"app": "api"}, ports={"http": 8080})
    bad.run_app("http_echo.py", "8080", "--name", "api-bad", "--always", "503")
    service_policy(mesh, web, service,
                   lambda s: s["balancing"] == "round_robin" and len(endpoints(web)) == 3,
                   balancing={"algorithm": "RoundRobin"}, outlierEjection=outlier)
    return web, [*pods, bad], service


def endpoints(web):
    return [one for found in web.proxy.admin("/endpoints").json()["endpoints"]
            for one in found["endpoints"]]


def test_who_fails_more_often_than_the_others_is_left_out(mesh):
    """One of five answers 503, never three times in a row that anybody counts: only its share of successes tells."""
    web, pods, service = web_and_api(mesh, apis=4, app="http_echo.py", port_name="http")
    bad = mesh.pod("api-bad", labels={"app": "api"}, ports={"http": 8080})
    bad.run_app("http_echo.py", "8080", "--name", "api-bad", "--always", "503")
    service_policy(mesh, web, service,
                   lambda s: s["balancing"] == "round_robin" and len(endpoints(web)) == 5,
                   balancing={"algorithm": "RoundRobin"},
                   outlierEjection={"successRate": {"interval": "200ms", "minHosts": 5, "minRequests": 5}})
    with Talk(web, *service.vip) as talk:
        wait_until(lambda: who_answered(talk, 100) and ejected(web) == {"demo/api-bad": "success_rate"},
                   "it to be left out")
        assert {talk.ask("/").status for _ in range(30)} == {200}


def test_who_only_fails_is_left_out_and_taken_back(mesh):
    web, pods, service = with_a_bad_one(mesh, consecutive5xx=3, baseEjectionTime="1s",
                                        maxEjectionTime="1s")
    with Talk(web, *service.vip) as talk:
        wait_until(lambda: talk.ask("/") and ejected(web) == {"demo/api-bad": "consecutive_5xx"},
                   "it to be left out")
        logged = web.proxy.wait_for_event("endpoint_ejected")
        assert logged["pod"] == "demo/api-bad" and logged["for_ms"] == 1000
        assert {talk.ask("/").status for _ in range(30)} == {200}
        assert web.proxy.metric("outrigger_ejections_total") >= 1
        pods[2].apps[0].stop()
        pods[2].run_app("http_echo.py", "8080", "--name", "api-bad")
        wait_until(lambda: "api-bad" in who_answered(talk, 6), "it to be taken back")
        web.proxy.wait_for_event("endpoint_returned")


def test_no_more_are_left_out_than_may_be(mesh):
    web, pods, service = with_a_bad_one(mesh, consecutive5xx=1, baseEjectionTime="1h",
                                        maxEjectedPercent=34)
    for pod in pods[:2]:
        pod.apps[0].stop()
        pod.run_app("http_echo.py", "8080", "--name", pod.name, "--always", "500")
    with Talk(web, *service.vip) as talk:
        for _ in range(60):
            assert talk.ask("/").status >= 500
    assert len(ejected(web)) == 1, "a third of three"


def test_an_endpoint_that_cannot_be_reached_is_left_out(mesh):
    web, pods, service = with_a_bad_one(mesh, consecutiveLocalFailures=2, baseEjectionTime="1h")
    pods[2].proxy.kill()
    with Talk(web, *service.vip) as talk:
        wait_until(lambda: talk.ask("/") and
                   ejected(web) == {"demo/api-bad": "consecutive_local_failures"}, "it to be left out")
        assert {talk.ask("/").status for _ in range(30)} == {200}


@contextlib.contextmanager
def hanging(web, service, n):
    """So many requests that are not answered."""
    with contextlib.ExitStack() as stack:
        talks = [stack.enter_context(Talk(web, *service.vip)) for _ in range(n)]
        for talk in talks:
            talk.connection.request("GET", "/hang")
        yield


@pytest.mark.parametrize("workers", ["1", "4"])
def test_more_requests_than_the_breaker_allows_are_refused_at_once(mesh, workers):
    web, _, service = web_and_api(mesh, app="http_echo.py", port_name="http")
    web.proxy.stop()
    web.start_proxy(workers=workers)

    def breaker():
        return next(one for one in web.proxy.admin("/services").json()["services"]
                    if one.get("name") == "demo/api")["circuit_breaker"]

    service_policy(mesh, web, service, lambda s: s["circuit_breaker"]["max_requests"] == 5,
                   circuitBreaker={"maxRequests": 5})
    with hanging(web, service, 5):
        wait_until(lambda: breaker()["requests"] == 5, "them to be open")
        answer = ask(web, service.ipv4, 80, "/")
        assert answer.status == 503 and "limit_requests" in answer.text
        assert breaker()["tripped"] == 1
    wait_until(lambda: breaker()["requests"] == 0, "them to be over")
    assert ask(web, service.ipv4, 80, "/").status == 200


def test_waiting_requests_are_bounded(mesh):
    web, [api], service = web_and_api(mesh, app="http_echo.py", port_name="http")
    service_policy(mesh, web, service, lambda s: s["circuit_breaker"]["max_pending"] == 2,
                   circuitBreaker={"maxPendingRequests": 2})
    wait_until(lambda: web.proxy.metric("outrigger_pool_connections") == 0, "the pool to be empty")
    api.net.run("ip", "link", "set", "eth0", "down")
    results = []

    def one():
        try:
            results.append(ask(web, service.ipv4, 80, "/").text)
        except OSError as problem:
            results.append(str(problem))

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: sum("limit_pending" in text for text in results) == 4, "four to be refused")
    finally:
        api.net.run("ip", "link", "set", "eth0", "up")
        for thread in threads:
            thread.join()
