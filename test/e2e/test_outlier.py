"""What becomes of requests when too many endpoints are left out, and how their number is told."""
import collections

import pytest

from mesh import Mesh, Talk, ask, wait_until, web_and_api


@pytest.fixture
def mesh():
    with Mesh() as made:
        yield made


def known(web, service):
    ask(web, service.ipv4, 80, "/").json()
    return next(one for one in web.proxy.admin("/services").json()["services"]
                if one.get("name") == "demo/api")


def views(web):
    return [view for found in web.proxy.admin("/endpoints").json()["balancers"][0].values()
            for view in found if view["balanced"] == "requests"]


def ejected(web):
    return {view["pod"] for view in views(web) if view["ejected"]}


def four(mesh, n_bad, **outlier):
    """(web, the Service) of four endpoints in turn, n_bad of which answer only 503."""
    web, _, service = web_and_api(mesh, apis=4 - n_bad, app="http_echo.py", port_name="http")
    for i in range(n_bad):
        bad = mesh.pod(f"api-bad-{i}", labels={"app": "api"}, ports={"http": 8080})
        bad.run_app("http_echo.py", "8080", "--name", bad.name, "--always", "503")
    mesh.manifests.put({
        "apiVersion": "outrigger.dev/v1alpha1", "kind": "TrafficPolicy",
        "metadata": {"namespace": "demo", "name": "outliers"},
        "spec": {"targetRefs": [{"kind": "Service", "name": "api"}],
                 "service": {"balancing": {"algorithm": "RoundRobin"}, "outlierEjection": outlier}}})
    wait_until(lambda: known(web, service)["balancing"] == "round_robin" and len(views(web)) == 4,
               "the policy and the endpoints to be known")
    return web, service


def statuses(talk, n):
    return collections.Counter(talk.ask("/").status for _ in range(n))


def test_the_number_of_ejected_rises_and_falls(mesh):
    web, service = four(mesh, 1, consecutive5xx=1, baseEjectionTime="1s", maxEjectionTime="1s")
    with Talk(web, *service.vip) as talk:
        wait_until(lambda: talk.ask("/") and len(ejected(web)) == 1, "it to be left out")
    assert web.proxy.metric("outrigger_endpoints_ejected") == 1
    # Nobody asks for anything any more: the return is noted all the same.
    web.proxy.wait_for_event("endpoint_returned")
    wait_until(lambda: web.proxy.metric("outrigger_endpoints_ejected") == 0, "it to be back")


@pytest.mark.parametrize("percent, failures", [(50, 30), (0, 0)])
def test_in_panic_the_ejected_are_asked_too(mesh, percent, failures):
    """Three of four are out: below half, all four are asked in turn; without panic the good one alone."""
    web, service = four(mesh, 3, consecutive5xx=1, baseEjectionTime="1h", maxEjectedPercent=75,
                        panicPercent=percent)
    with Talk(web, *service.vip) as talk:
        wait_until(lambda: talk.ask("/") and len(ejected(web)) == 3, "the three to be left out")
        talk.ask("/")
        assert {view["panic"] for view in views(web)} == {percent > 0}
        assert statuses(talk, 40)[503] == failures
    assert web.proxy.metric("outrigger_endpoints_ejected") == 3
    if percent:
        assert web.proxy.wait_for_event("endpoints_panic")["not_ejected"] == 1
