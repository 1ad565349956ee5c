"""Who may ask what: AccessPolicies with conditions on the request, over real HTTP and gRPC."""
import contextlib
import os
import re
import socket

import pytest
import yaml

from mesh import Mesh, is_refused, wait_until, web_and_api
from mesh.programs import PYTHON, REPOSITORY, app


@pytest.fixture
def mesh():
    with Mesh() as made:
        yield made


class Client:
    """One HTTP/1.1 connection; each line of a request is sent as it is written here."""

    def __init__(self, node, address, port=80):
        self.sock = node.connect(address, port)
        self.file = self.sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()

    def ask(self, target, method="GET", host="api", *fields):
        """(status, fields, body)"""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
        if method in ("POST", "PUT", "DELETE"):
            lines.append("Content-Length: 0")
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        line = self.file.readline()
        if not line:
            raise ConnectionError("closed without an answer")
        found = {}
        while (field := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = field.decode("latin-1").partition(":")
            found[name.lower()] = value.strip()
        body = self.file.read(int(found.get("content-length", 0)))
        return int(line.split()[1]), found, body


def ask(node, address, target, *arguments, port=80):
    with Client(node, address, port) as client:
        return client.ask(target, *arguments)


def status(node, address, target, *arguments, port=80):
    return ask(node, address, target, *arguments, port=port)[0]


def api_policy(action, *rules):
    return {"selector": {"matchLabels": {"app": "api"}}, "action": action, "rules": list(rules)}


NO_ADMIN_FOR_WEB = api_policy("Deny", {"from": [{"serviceAccounts": ["web"]}],
                                       "to": [{"paths": ["/admin/*"]}]})


@pytest.fixture(params=["http", "any"])
def pods(request, mesh):
    """(web, ops, api-1, the Service), where the mesh is told what is spoken, or finds it out."""
    web, apis, service = web_and_api(mesh, app="http_echo.py", port_name=request.param)
    return web, mesh.pod("ops"), apis[0], service


def test_one_path_is_refused_to_one_identity_and_the_log_says_why(mesh, pods):
    web, ops, api, service = pods
    assert status(web, service.ipv4, "/admin/users") == 200
    mesh.access_policy("no-admin", NO_ADMIN_FOR_WEB)
    wait_until(lambda: status(web, service.ipv4, "/admin/users") == 403, "the policy to hold")
    code, fields, body = ask(web, service.ipv4, "/admin")
    assert code == 403 and fields["server"] == "outrigger" and b"policy_denied" in body
    assert b"no-admin" not in body, "who is refused is not told by what"
    assert status(web, service.ipv4, "/public") == 200
    assert status(web, service.ipv4, "/administrator") == 200
    assert status(ops, service.ipv4, "/admin/users") == 200
    logged = api.proxy.wait_for_event("request", reason="policy_denied", path="/admin")
    assert logged["policy"] == "demo/no-admin" and logged["why"] == "deny_policy"
    assert logged["source_identity"] == web.identity and logged["status"] == 403
    assert "GET /admin\n" not in api.apps[0].log(), "the application never saw it"


def test_a_policy_takes_effect_on_a_connection_that_is_open(mesh, pods):
    web, _, _, service = pods
    with Client(web, service.ipv4) as client:
        assert client.ask("/admin")[0] == 200
        path = mesh.access_policy("no-admin", NO_ADMIN_FOR_WEB)
        wait_until(lambda: client.ask("/admin")[0] == 403, "the policy to hold")
        assert client.ask("/public")[0] == 200
        mesh.manifests.remove(path)
        wait_until(lambda: client.ask("/admin")[0] == 200, "the policy to be gone")


# Ways to write /admin/users for a reader who is careless, each by what must become of it: 403 is the
# policy's, 400 the proxy's own, 200 that it is another path for everybody.
CONFUSIONS = [
    ("/admin/users", 403), ("/admin", 403), ("/admin/", 403), ("/%61dmin/users", 403),
    ("/adm%69n", 403), ("/./admin/users", 403), ("/public/../admin/users", 403),
    ("/public/%2e%2e/admin/users", 403), ("/public/.%2E/admin", 403), ("/admin/x/../users", 403),
    ("/admin?/../../public", 403), ("http://api/admin/users", 403),
    ("http://api/public/../admin", 403),
    ("/admin%2fusers", 400), ("/admin%5Cusers", 400), ("/public/..%2fadmin", 400),
    ("/public\\..\\admin", 400), ("/..;/admin", 400), ("/public/..;/admin", 400),
    ("/public/..;a=b/admin", 400), ("/admin%00", 400), ("/admin/%", 400), ("/admin/%zz", 400),
    ("/../admin", 400), ("/public/../../admin", 400), ("/admin#x", 400),
    ("/%252e%252e/admin", 200), ("/%2561dmin", 200), ("/Admin", 200), ("/public?x=/../admin", 200),
    ("/administrator", 200),
]


def test_no_spelling_of_a_path_goes_round_a_policy(mesh, pods):
    web, _, api, service = pods
    mesh.access_policy("no-admin", NO_ADMIN_FOR_WEB)
    wait_until(lambda: status(web, service.ipv4, "/admin") == 403, "the policy to hold")
    before = len(api.apps[0].log())
    seen = {target: status(web, service.ipv4, target) for target, _ in CONFUSIONS}
    assert seen == dict(CONFUSIONS)
    targets = re.findall(r"request GET (\S+)", api.apps[0].log()[before:])
    assert len(targets) == list(dict(CONFUSIONS).values()).count(200)
    assert not [t for t in targets if t.split("?")[0].startswith("/admin")
                and not t.startswith("/administrator")]


def test_a_stranger_is_held_to_the_same_paths(mesh, pods):
    """From outside of the mesh there is no proxy on the client's side that could have tidied up."""
    _, _, api, _ = pods
    outside = mesh.node("outside")
    mesh.access_policy("no-admin", api_policy("Deny", {"to": [{"paths": ["/admin/*"]}]}))
    wait_until(lambda: status(outside, api.ipv4, "/admin", port=8080) == 403, "the policy to hold")
    seen = {target: status(outside, api.ipv4, target, port=8080) for target, _ in CONFUSIONS}
    assert seen == dict(CONFUSIONS)


SLASHES = [("/a%2fb", "/a%2Fb"), ("/a%5Cb", "/a%5Cb")]


def test_escaped_slashes_are_refused_only_where_a_policy_looks_at_paths(mesh, pods):
    web, _, api, service = pods

    def seen():
        return [status(web, service.ipv4, path) for path, _ in SLASHES]
    assert seen() == [200] * 2
    for _, forwarded in SLASHES:
        assert f"request GET {forwarded}\n" in api.apps[0].log(), "to everybody here: a name"
    mesh.access_policy("by-method", api_policy("Deny", {"to": [{"methods": ["DELETE"]}]}))
    wait_until(lambda: status(web, service.ipv4, "/", "DELETE") == 403, "the policy to hold")
    assert seen() == [200] * 2
    path = mesh.access_policy("by-path", api_policy("Deny", {"to": [{"paths": ["/admin/*"]}]}))
    wait_until(lambda: status(web, service.ipv4, "/admin") == 403, "the policy to hold")
    assert seen() == [400] * 2
    assert api.proxy.wait_for_event("request", reason="path_refused", direction="inbound")
    assert not web.proxy.events("request", reason="path_refused", direction="outbound")
    mesh.manifests.put({
        "apiVersion": "outrigger.dev/v1alpha1", "kind": "TrafficPolicy",
        "metadata": {"namespace": "demo", "name": "paths"},
        "spec": {"paths": {"escapedSlashes": "Keep"}}})
    wait_until(lambda: seen() == [200] * 2, "what is said to count")
    mesh.manifests.remove(path)


def test_merged_slashes_are_one_path_where_they_are_said_to_be(mesh, pods):
    web, _, api, service = pods
    mesh.access_policy("no-admin", NO_ADMIN_FOR_WEB)
    wait_until(lambda: status(web, service.ipv4, "/admin") == 403, "the policy to hold")
    assert status(web, service.ipv4, "//admin/users") == 200
    mesh.manifests.put({
        "apiVersion": "outrigger.dev/v1alpha1", "kind": "TrafficPolicy",
        "metadata": {"namespace": "demo", "name": "paths"},
        "spec": {"paths": {"mergeSlashes": True, "escapedSlashes": "Unescape"}}})
    wait_until(lambda: status(web, service.ipv4, "//admin/users") == 403, "slashes to be merged")
    wait_until(lambda: status(web, service.ipv4, "/public/..%2fadmin") == 403, "them to be slashes")
    assert status(web, service.ipv4, "//public%2F%2Fx") == 200
    assert "request GET /public/x\n" in api.apps[0].log(), "the application sees what was judged"


def test_conditions_of_all_kinds(mesh, pods):
    web, _, _, service = pods
    mesh.access_policy("rules", api_policy(
        "Deny", {"to": [{"methods": ["DELETE"], "notHeaders": [{"name": "x-ticket",
                                                                "values": ["T-*"]}]},
                        {"hosts": ["secret.example", "*.internal"]},
                        {"headers": [{"name": "x-debug"}], "notMethods": ["GET"]}]}))
    wait_until(lambda: status(web, service.ipv4, "/", "DELETE") == 403, "the policy to hold")
    rows = [
        (("/", "DELETE", "api", "X-Ticket: T-1"), 200),
        (("/", "DELETE", "api", "X-Ticket: none", "X-Ticket: T-1"), 200),
        (("/", "DELETE", "api", "X-Ticket: none"), 403),
        (("/", "GET", "Secret.Example:80"), 403),
        (("/", "GET", "a.b.internal."), 403),
        (("/", "GET", "internal"), 200),
        (("http://secret.example/", "GET", "api"), 403),
        (("/", "GET", "api", "X-Debug:"), 200),
        (("/", "PUT", "api", "X-Debug:"), 403),
        (("/", "PUT", "api"), 200),
    ]
    for request, expected in rows:
        assert status(web, service.ipv4, *request) == expected, request


def test_an_allow_lets_in_what_it_names_and_nothing_else(mesh, pods):
    web, ops, api, service = pods
    mesh.access_policy("only-web", api_policy(
        "Allow", {"from": [{"identities": [web.identity]}],
                  "to": [{"methods": ["GET"], "paths": ["/public/*"]}]}))
    wait_until(lambda: status(web, service.ipv4, "/") == 403, "the policy to hold")
    assert status(web, service.ipv4, "/public/x") == 200
    assert status(web, service.ipv4, "/public/x", "PUT") == 403
    assert status(ops, service.ipv4, "/public/x") == 403
    logged = api.proxy.wait_for_event("request", why="no_allow_policy_matched", path="/")
    assert logged["policy"] == "demo/only-web"
    # What is not HTTP cannot have asked for what is allowed.
    assert is_refused(web, *service.vip, b"hello\n")
    assert is_refused(mesh.node("outside"), api.ipv4, 8080, b"hello\n")


def test_whom_nothing_is_allowed_keeps_no_connection(mesh, pods):
    """A stranger is told so, and hung up on; who may ask for something else may go on."""
    web, _, api, service = pods
    outside = mesh.node("outside")
    mesh.access_policy("only-mesh", api_policy("Allow", {"from": [{"namespaces": ["demo"]}],
                                                         "to": [{"paths": ["/public/*"]}]}))
    wait_until(lambda: status(outside, api.ipv4, "/public", port=8080) == 403, "the policy to hold")
    code, fields, _ = ask(outside, api.ipv4, "/public", port=8080)
    assert code == 403 and fields["connection"] == "close"
    mesh.access_policy("all-see-public", api_policy("Allow", {"to": [{"paths": ["/public/*"]}]}))
    wait_until(lambda: status(outside, api.ipv4, "/public", port=8080) == 200, "the policy to hold")
    for node, address, port in ((outside, api.ipv4, 8080), (web, service.ipv4, 80)):
        with Client(node, address, port) as client:
            assert client.ask("/admin")[0] == 403
            assert client.ask("/public")[0] == 200


def is_over(client):
    """Has the other side ended? What it has said stays unread."""
    client.setblocking(False)
    try:
        return client.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        client.settimeout(10)


def test_silence_is_no_way_round_a_policy(mesh):
    """Who says nothing for long enough is taken for something else than HTTP: and then asks all the same."""
    web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="any")
    api, outside = apis[0], mesh.node("outside")
    mesh.access_policy("no-admin", api_policy("Deny", {"to": [{"paths": ["/admin/*"]}]}))
    for node, address, port in ((web, service.ipv4, 80), (outside, api.ipv4, 8080)):
        wait_until(lambda: status(node, address, "/admin", port=port) == 403, "the policy to hold")
        with node.connect(address, port) as client:
            wait_until(lambda: is_over(client) or any(
                c["age_ms"] > 300 for pod in (web, api) for c in pod.proxy.connections()), "the silence to be over")
            with contextlib.suppress(OSError):
                client.sendall(b"GET /admin/users HTTP/1.1\r\nHost: api\r\n\r\n")
                assert not client.recv(65536).startswith(b"HTTP/1.1 200")
    assert "/admin/users" not in api.apps[0].log()


def test_an_audit_refuses_nothing_and_tells(mesh, pods):
    web, _, api, service = pods
    mesh.access_policy("watch", {**NO_ADMIN_FOR_WEB, "action": "Audit"})

    def audited():
        assert status(web, service.ipv4, "/admin") == 200
        return api.proxy.events("access_audit", policy="demo/watch")
    event = wait_until(audited, "the audit")[0]
    assert event["path"] == "/admin" and event["source_identity"] == web.identity
    before = api.proxy.metric("outrigger_policy_audited_total")
    assert status(web, service.ipv4, "/public") == 200
    assert api.proxy.metric("outrigger_policy_audited_total") == before


def test_a_pods_call_to_itself_is_judged_like_any_other(mesh, pods):
    _, _, api, service = pods
    mesh.access_policy("no-self", api_policy("Deny", {"from": [{"serviceAccounts": ["api"]}],
                                                      "to": [{"paths": ["/admin/*"]}]}))
    wait_until(lambda: status(api, service.ipv4, "/admin") == 403, "the policy to hold")
    assert status(api, service.ipv4, "/public") == 200


def test_the_policies_page_tells_the_conditions(mesh, pods):
    _, _, api, _ = pods
    mesh.access_policy("no-admin", NO_ADMIN_FOR_WEB)
    wait_until(lambda: "no-admin" in api.proxy.admin("/policies").text, "the policy to arrive")
    assert "/admin/*" in api.proxy.admin("/policies").text


def readme_policy(name):
    """The example of that name, for the namespace of the tests."""
    with open(os.path.join(REPOSITORY, "README.md"), encoding="utf-8") as file:
        examples = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", file.read(), re.S))
    example = next(e for e in examples if e["metadata"]["name"] == name)
    example["metadata"]["namespace"] = "demo"
    return example


def test_the_readmes_example_does_what_it_says(mesh, pods):
    web, _, _, service = pods
    admin = mesh.pod("admin")
    mesh.manifests.put(readme_policy("api-admin"))
    wait_until(lambda: status(web, service.ipv4, "/admin") == 403, "the policy to hold")
    for request in (("/admin/users",), ("/", "DELETE"), ("/", "DELETE", "api", "X-Ticket: S-1"),
                    ("/shop.Orders/Purge", "POST"), ("/shop.Admin/List", "POST")):
        assert status(web, service.ipv4, *request) == 403, request
        assert status(admin, service.ipv4, *request) == 200, request
    for request in (("/",), ("/administrator",), ("/", "DELETE", "api", "X-Ticket: T-1"),
                    ("/shop.Orders/Get", "POST")):
        assert status(web, service.ipv4, *request) == 200, request


@pytest.mark.parametrize("port_name", ["grpc", "any"])
def test_a_grpc_client_is_told_in_its_own_words(mesh, port_name):
    service = mesh.service("api", {port_name: (80, 8080)})
    api = mesh.pod("api-1", ports={port_name: 8080})
    api.run_app("grpc_server.py", "8080")
    web = mesh.pod("web")

    def call(*methods):
        done = web.net.run(PYTHON, app("grpc_client.py"), f"{service.ipv4}:80", *methods)
        return done.stdout.splitlines()
    assert call("/shop.Orders/Get") == ["OK /shop.Orders/Get hello"]
    mesh.access_policy("no-purge", api_policy("Deny", {
        "from": [{"serviceAccounts": ["web"]}],
        "to": [{"grpcMethods": ["shop.Orders/Purge", "shop.Admin/*"]}]}))
    wait_until(lambda: call("/shop.Orders/Purge")[0].startswith("PERMISSION_DENIED"),
               "the policy to hold")
    answers = call("/shop.Orders/Get", "/shop.Admin/List", "/shop.Orders/Purge", "/shop.Orders/Get",
                   "/shop.Orders/PurgeAll")
    assert [answer.split()[0] for answer in answers] == [
        "OK", "PERMISSION_DENIED", "PERMISSION_DENIED", "OK", "OK"]
    assert "no-purge" not in answers[1]
    logged = api.proxy.wait_for_event("request", path="/shop.Admin/List", reason="policy_denied")
    assert logged["policy"] == "demo/no-purge" and logged["grpc_status"] == 7
