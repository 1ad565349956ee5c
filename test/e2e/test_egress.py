"""Ways out of the mesh where only what has a name may be gone to."""
import ssl
import time

import pytest

from mesh import Mesh, Talk, ask, call, is_refused, wait_until


class Scene:
    def __init__(self, mesh):
        self.mesh = mesh
        mesh.namespace("demo", {"outrigger.dev/egress-mode": "registry-only"})
        self.web = mesh.pod("web")
        self.outside = mesh.node("outside")
        self.outside.run_app("http_echo.py", "8080")
        self.outside.run_app("echo.py", "7000", "--name", "outside")

    def put(self, namespace="demo", name="partner", **spec):
        self.mesh.manifests.put({"apiVersion": "outrigger.dev/v1alpha1", "kind": "ExternalService",
                                 "metadata": {"namespace": namespace, "name": name}, "spec": spec})

    def waits_for_objects(self, *names):
        """Until the proxy knows of these and no others."""
        wait_until(lambda: self.web.proxy.admin("/config").json()["workload"]["external_services"] == list(names),
                   f"ExternalServices {names}")

    def ask(self, host, path="/", port=8080):
        return ask(self.web, self.outside.ipv4, port, path, headers={"Host": host})

    def waits_for(self, host, status):
        wait_until(lambda: self.ask(host).status == status, f"{status} for {host}")


@pytest.fixture
def scene():
    with Mesh() as mesh:
        yield Scene(mesh)


def test_requests_go_out_to_names_alone(scene):
    assert scene.ask("api.partner.example").status == 502
    event = scene.web.proxy.wait_for_event("request", reason="egress_denied")
    assert event["policy"] == ""
    scene.put(hosts=["API.partner.example", "*.cdn.example"], ports=[8080])
    scene.waits_for("api.partner.example", 200)
    for host in ("Api.Partner.Example:8080", "api.partner.example.", "a.b.cdn.example"):
        assert scene.ask(host).status == 200, host
    for host in ("partner.example", "cdn.example", "evilcdn.example", "api.partner.example.evil", "10.0.0.1"):
        assert scene.ask(host).status == 502, host
    event = scene.web.proxy.wait_for_event("request", authority="api.partner.example", status=200)
    assert event["policy"] == "demo/partner" and event["why"] == "external_service"


def test_every_request_of_a_connection_is_looked_at(scene):
    scene.put(hosts=["good.example"], ports=[8080])
    scene.waits_for("good.example", 200)
    with Talk(scene.web, scene.outside.ipv4, 8080) as talk:
        assert [talk.ask("/", headers={"Host": host}).status
                for host in ("good.example", "bad.example", "good.example")] == [200, 502, 200]


def test_ports_and_addresses_bind_a_name(scene):
    scene.put(hosts=["good.example"], addresses=["198.51.100.0/24"], ports=[8080])
    scene.put(name="other", hosts=["good.example"], ports=[8081])
    scene.waits_for_objects("demo/other", "demo/partner")
    assert scene.ask("good.example").status == 502
    scene.put(hosts=["good.example"], addresses=["198.51.100.0/24", f"{scene.outside.ipv4}/32"], ports=[8080])
    scene.waits_for("good.example", 200)
    assert scene.ask("other.example").status == 502


def test_connections_without_a_name_go_to_addresses(scene):
    assert is_refused(scene.web, scene.outside.ipv4, 7000)
    scene.put(addresses=[f"{scene.outside.ipv4}/32"], ports=[7000])
    wait_until(lambda: not is_refused(scene.web, scene.outside.ipv4, 7000), "the way out to be open")
    assert call(scene.web, scene.outside.ipv4, 7000) == "outside"
    event = scene.web.proxy.wait_for_event("connection_closed", policy="demo/partner")
    assert event["reason"] == "done"


def tls_hello(name):
    """A ClientHello that says the name."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    talk = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        talk.do_handshake()
    return outgoing.read()


def greets(scene, hello, pieces=1):
    """Does the echo outside answer with its name?"""
    with scene.web.connect(scene.outside.ipv4, 7000) as sock:
        size = -(-len(hello) // pieces)
        for at in range(0, len(hello), size):
            sock.sendall(hello[at:at + size])
            if pieces > 1:
                time.sleep(0.1)
        try:
            return sock.recv(100).startswith(b"outside")
        except ConnectionResetError:
            return False


def test_tls_goes_out_by_the_name_in_its_hello(scene):
    good, bad = tls_hello("db.partner.example"), tls_hello("db.other.example")
    assert not greets(scene, good)
    scene.put(hosts=["*.partner.example"], ports=[7000])
    wait_until(lambda: greets(scene, good), "the way out to be open")
    assert not greets(scene, bad)
    assert greets(scene, good, pieces=4), "the hello came in pieces"
    assert not greets(scene, bad, pieces=4)
    assert is_refused(scene.web, scene.outside.ipv4, 7000), "what says no name"
    assert scene.web.proxy.wait_for_event("connection_closed", sni="db.partner.example")["policy"] == "demo/partner"


def test_the_meshs_own_namespace_says_it_for_all(scene):
    scene.put(namespace="shop", hosts=["good.example"], ports=[8080])
    scene.put(hosts=["other.example"], ports=[8080])
    scene.waits_for_objects("demo/partner")
    assert scene.ask("good.example").status == 502, "another namespace's"
    scene.put(namespace="outrigger-system", hosts=["good.example"], ports=[8080])
    scene.waits_for("good.example", 200)


def test_explain_says_which_it_is(scene):
    scene.put(hosts=["good.example"], ports=[8080])
    scene.waits_for("good.example", 200)
    page = f"/explain?direction=outbound&destination={scene.outside.ipv4}:8080&path=/&host="
    told = scene.web.proxy.admin(page + "good.example").text
    assert "ExternalService demo/partner" in told and "egress_denied" not in told
    assert "egress_denied" in scene.web.proxy.admin(page + "bad.example").text
