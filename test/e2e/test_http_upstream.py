"""What a server does wrong, or does not do: who asked is told what there is to tell, in its own words."""
import http.client

import pytest

from mesh import Mesh, Talk, ask, wait_until, web_and_api


@pytest.fixture(scope="module")
def scene():
    """(mesh, web, api, service); nobody in here changes any of it."""
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="http")
        yield mesh, web, apis[0], service


@pytest.fixture
def talk(scene):
    _, web, _, service = scene
    with Talk(web, *service.vip) as made:
        yield made


def raw(text):
    return "/raw/" + text.encode("latin-1").hex()


OK = "HTTP/1.1 200 OK\r\n"


# Answers by what becomes of them: (status, body), or None for one that is seen to be cut, where that
# was found out before its beginning was passed on, by a 502.
@pytest.mark.parametrize("answer,expected", [
    (OK + "\r\nuntil the end", (200, b"until the end")),
    ("HTTP/1.0 200 OK\r\n\r\nuntil the end", (200, b"until the end")),
    (OK + "Content-Length: 2\r\n\r\nhi", (200, b"hi")),
    (OK + "Content-Length: 2\r\n\r\nhi and more", (200, b"hi")),
    (OK + "Content-Length: 3\r\n\r\nhi", None),
    (OK + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", (200, b"hi")),
    (OK + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", None),
    (OK + "Transfer-Encoding: chunked\r\n\r\n2\r\nhiX", None),
    (OK + "Transfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n", None),
    ("HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
    ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", (304, b"")),
    ("HTTP/1.1 100 Continue\r\n\r\n" + OK + "Content-Length: 2\r\n\r\nhi", (200, b"hi")),
    ("nonsense\r\n\r\n", (502, None)),
    ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", (502, None)),
    (OK + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi", (502, None)),
    (OK + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi", (502, None)),
    (OK + "X: a\rb\r\n\r\n", (502, None)),
    ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", (502, None)),
    ("HTTP/1.1 200", (502, None)),
    ("", (502, None)),
])
def test_answers_of_all_kinds(talk, answer, expected):
    if expected is None:
        try:
            assert talk.ask(raw(answer), "POST").status == 502
        except (http.client.IncompleteRead, ConnectionResetError):
            pass
        return
    seen = talk.ask(raw(answer), "POST")
    assert seen.status == expected[0]
    if expected[1] is None:
        assert seen.headers["server"] == "outrigger" and "outrigger-reason" not in seen.headers
    else:
        assert seen.body == expected[1] and "server" not in seen.headers
    assert talk.ask("/after").status == 200, "nothing of it stays behind"


def logged(proxy, path):
    return proxy.wait_for_event("request", path=path)


def test_the_log_says_what_was_wrong_with_an_answer(talk, scene):
    _, web, api, _ = scene
    for answer, reason in (("nonsense\r\n\r\n\r\n", "upstream_malformed"), ("HTTP/1.1 20", "upstream_reset")):
        assert talk.ask(raw(answer), "POST").status == 502
        line = logged(api.proxy, raw(answer))
        assert line["reason"] == reason and line["error"] and line["status"] == 502
        assert logged(web.proxy, raw(answer))["status"] == 502
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        talk.ask("/cut")
    for proxy in (api.proxy, web.proxy):
        assert logged(proxy, "/cut")["reason"] == "upstream_cut"


@pytest.mark.parametrize("method,size,status", [
    ("GET", 0, 200), ("HEAD", 0, 200), ("PUT", 0, 200), ("DELETE", 0, 200),
    ("PUT", 1000, 200), ("PUT", 60000, 200), ("POST", 0, 502), ("POST", 1000, 502)])
def test_a_connection_that_closes_as_we_write(talk, scene, method, size, status):
    """What may be asked twice is, once, with its body; of anything else only the client knows."""
    _, web, api, _ = scene
    retries = api.proxy.metric("outrigger_request_retries_total")
    assert talk.ask("/race").status == 200
    path = f"/raced-{method}-{size}"
    answer = talk.ask(path, method, body=b"x" * size if size else None)
    assert answer.status == status
    if status == 200:
        assert api.proxy.metric("outrigger_request_retries_total") == retries + 1
        assert logged(api.proxy, path)["retries"] == 1
        if method != "HEAD":
            assert answer.json()["size"] == size
    else:
        assert logged(api.proxy, path)["reason"] == "upstream_reset"
    assert api.apps[0].log().count(f"request {method} {path}") == (status == 200)


def is_known(web, service):
    ask(web, *service.vip)
    return any(found.get("name") == f"demo/{service.name}"
               for found in web.proxy.admin("/services").json()["services"])


def test_local_answers(scene):
    """404 is the application's; what is a proxy's own says so."""
    mesh, web, api, service = scene
    assert "server" not in ask(web, *service.vip, "/status/404").headers
    nobody = mesh.service("nobody", {"http": (80, 8080)})
    refusing = mesh.service("refusing", {"http": (80, 9)}, selector={"app": "api"})
    wait_until(lambda: is_known(web, nobody) and is_known(web, refusing), "both to be known")
    answer = ask(web, *nobody.vip, "/x")
    assert answer.status == 503 and answer.headers["server"] == "outrigger"
    assert answer.text == "no_endpoints: the service has no usable endpoint\n"
    assert logged(web.proxy, "/x")["reason"] == "no_endpoints"
    answer = ask(web, *refusing.vip, "/y")
    assert answer.status == 503 and answer.text.startswith("connect_failed: ")
    assert logged(api.proxy, "/y")["reason"] == "connect_failed"
    answer = ask(web, *refusing.vip, "/y", "HEAD")
    assert answer.status == 503 and answer.body == b"" and int(answer.headers["content-length"]) > 0
    answer = ask(web, *service.vip, "/a%00b")
    assert answer.status == 400 and answer.text.startswith("path_refused: ")
    with Talk(web, *nobody.vip) as talk:  # and the connection goes on
        for body in (None, b"x" * 1000):
            assert talk.ask("/z", "POST", body=body).status == 503
