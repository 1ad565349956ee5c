"""HTTP connections upstream: few (of each worker), shared by what may share them, gone with what they were opened for."""
import http.client
import threading

from mesh import Load, Mesh, wait_until, web_and_api


def pools(proxy):
    return proxy.admin("/connections").json()["pools"]


def dialled(pod, service):
    """A client of http.client on a connection of its own."""
    client = http.client.HTTPConnection(*service.vip)
    client.sock = pod.connect(*service.vip)
    return client


def get(client, path="/"):
    client.request("GET", path)
    answer = client.getresponse()
    answer.read()
    return answer.status


def test_few_connections_carry_everything():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, apis=2, app="http_echo.py", port_name="http", workers="1")
        clients = [dialled(web, service) for _ in range(8)]
        threads = [threading.Thread(target=get, args=(client, "/slow/200")) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [get(client) for client in clients * 10] == [200] * 80

        # Eight at a time, and between the proxies one connection to each endpoint, as HTTP/2.
        found = pools(web.proxy)
        assert sorted(pool["address"] for pool in found) == \
            sorted(f"{api.ipv4}:8080" for api in apis)
        for pool in found:
            assert pool["protocol"] == "h2" and pool["identity"] == apis[0].identity
            assert [conn["state"] for conn in pool["connections"]] == ["idle"]
        assert web.proxy.metric("outrigger_pool_connections") == 2
        assert web.proxy.metric("outrigger_pool_connections_opened_total") == 2

        # In front of the application it is what the client spoke, and nobody else's.
        for api in apis:
            pool, = pools(api.proxy)
            assert pool["protocol"] == "http/1.1" and pool["identity"] == ""
            assert pool["on_behalf_of"] == web.identity
            assert 1 <= len(pool["connections"]) <= 8
        for client in clients:
            client.close()


def test_they_go_with_their_endpoint():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, apis=2, app="http_echo.py", port_name="http", workers="1")
        client = dialled(web, service)
        wait_until(lambda: get(client) == 200 and len(pools(web.proxy)) == 2, "both to be used")
        slow = dialled(web, service), dialled(web, service)
        for one in slow:
            one.request("GET", "/slow/1000")
        apis[1].unpublish()
        wait_until(lambda: len(pools(web.proxy)) == 1, "the connection to drain")
        assert pools(web.proxy)[0]["address"] == f"{apis[0].ipv4}:8080"
        assert [one.getresponse().status for one in slow] == [200, 200]  # wherever they were
        for one in (client, *slow):
            one.close()


def test_a_dead_endpoint_costs_no_request():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, apis=2, app="http_echo.py", port_name="http", workers="1")
        client = dialled(web, service)
        wait_until(lambda: get(client) == 200 and len(pools(web.proxy)) == 2, "both to be used")
        apis[1].proxy.kill()  # nobody has told the controller
        assert [get(client) for _ in range(50)] == [200] * 50
        client.close()


def test_old_connections_are_replaced_and_no_request_notices():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="http",
                                         pool_max_age="200ms", workers="1")
        proxies = web.proxy, apis[0].proxy

        def opened():
            return min(proxy.metric("outrigger_pool_connections_opened_total") for proxy in proxies)
        with Load(web, "http", *service.vip) as load:
            before = opened()
            wait_until(lambda: opened() >= before + 5, "connections to be replaced")
            assert load.stop()["failed"] == []
        assert sum(len(pool["connections"]) for pool in pools(web.proxy)) <= 2


def test_a_cap_is_waited_for_and_too_many_do_not_wait():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="http",
                                         pool_max_connections="1", pool_max_pending="2", workers="1")
        api, clients = apis[0], [dialled(web, service) for _ in range(3)]
        assert get(clients[0]) == 200  # between the proxies there is room for all from here on
        for client in clients:
            client.request("POST", "/slow/300")
        for client in clients:
            answer = client.getresponse()
            assert answer.status == 200 and answer.read()
        assert api.apps[0].log().count("connection ") == 1, "one after the other"

        stuck = [dialled(web, service) for _ in range(5)]
        for client in stuck:
            client.request("POST", "/slow/300")
        statuses = sorted(client.getresponse().status for client in stuck)
        assert statuses == [200, 200, 200, 503, 503]
        assert len(api.proxy.events("request", reason="limit_pending")) == 2
        for client in clients + stuck:
            client.close()


def test_who_waits_for_too_long_is_told():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="http",
                                         pool_max_connections="1", connect_timeout="300ms", workers="1")
        first, second = dialled(web, service), dialled(web, service)
        first.request("GET", "/hang")
        apis[0].apps[0].wait_for_log("request GET /hang")
        second.request("GET", "/never")
        assert second.getresponse().status == 503
        assert apis[0].proxy.wait_for_event("request", path="/never")["reason"] == "limit_connections"
        for client in (first, second):
            client.close()
