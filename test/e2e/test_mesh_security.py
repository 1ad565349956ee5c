"""Who may talk to whom, and what others can see of it."""
import ssl
import time

import pytest

from mesh import (Mesh, call, http, is_refused, receive, tls_records, tls_version, wait_until,
                  web_and_api)

SECRET = b"the launch code is 000000"


@pytest.fixture
def mesh():
    with Mesh() as made:
        yield made


def until(condition, what):
    """Seconds until the condition was true."""
    start = time.monotonic()
    wait_until(condition, what, timeout=10)
    return time.monotonic() - start


def deny(account):
    return {"selector": {"matchLabels": {"app": "api"}}, "action": "Deny",
            "rules": [{"from": [{"serviceAccounts": [account]}]}]}


def hello_of(alpn):
    """A ClientHello, and the TLS object that made it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(alpn)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="api.demo")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


# -- what the wire shows --------------------------------------------------------------------------

@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_the_wire_shows_tls_1_3_and_no_plaintext(mesh, family):
    web, apis, service = web_and_api(mesh)
    with apis[0].record() as recorder:
        assert call(web, getattr(service, family), 80, SECRET) == "api-1"
    assert not recorder.contains(SECRET)
    assert not recorder.contains(b"api-1\n")
    pair = {getattr(web, family), getattr(apis[0], family)}
    streams = [s for s in recorder.streams() if {s.source[0], s.destination[0]} == pair]
    assert len(streams) == 2
    server = next(s for s in streams if s.source == (getattr(apis[0], family), 8080))
    assert tls_version(server.data) == 0x0304
    for stream in streams:
        kinds = [kind for kind, _ in tls_records(stream.data)]
        assert 23 in kinds and set(kinds) <= {20, 22, 23}, "handshake, then encrypted records only"


def test_plaintext_stays_plaintext_only_outside_of_the_mesh(mesh):
    """The control: the recorder does see the secret where nothing encrypts it."""
    _, apis, _ = web_and_api(mesh)
    outside = mesh.node("outside")
    with apis[0].record() as recorder:
        assert call(outside, apis[0].ipv4, 8080, SECRET) == "api-1"
    assert recorder.contains(SECRET)


def test_the_applications_own_tls_passes_through(mesh):
    _, apis, _ = web_and_api(mesh)
    outside = mesh.node("outside")
    hello = hello_of(["h2"])
    with outside.connect(apis[0].ipv4, 8080, timeout=5) as client:
        client.sendall(hello)
        assert receive(client, 6 + len(hello)) == b"api-1\n" + hello
        assert apis[0].proxy.connections()[0]["sni"] == "api.demo"
    assert apis[0].proxy.metric("outrigger_application_tls_total") == 1


# -- strict, and who comes without an identity ----------------------------------------------------

def test_strict_refuses_who_has_no_identity_and_says_so(mesh):
    web, apis, service = web_and_api(mesh, handshake_timeout="1s")
    outside = mesh.node("outside")
    assert call(outside, apis[0].ipv4, 8080) == "api-1"
    mesh.namespace("demo", {"outrigger.dev/mtls-mode": "strict"})
    wait_until(lambda: is_refused(outside, apis[0].ipv4, 8080), "strict to hold")
    event = apis[0].proxy.wait_for_event("connection_refused", reason="plaintext_refused")
    assert event["source"].startswith(outside.ipv4) and event["port"] == 8080
    assert call(web, *service.vip) == "api-1"
    for first in (b"\x16", hello_of(["h2"])):  # half a record, and TLS that is not the mesh's
        assert is_refused(outside, apis[0].ipv4, 8080, first)


def test_a_mesh_handshake_without_a_certificate_fails(mesh):
    _, apis, _ = web_and_api(mesh)
    outside = mesh.node("outside")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["outrigger-tcp"])
    with outside.connect(apis[0].ipv4, 8080, timeout=5) as plain:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with context.wrap_socket(plain, server_hostname="x") as client:
                client.sendall(b"hello")
                if client.recv(1) == b"":
                    raise ConnectionError
    wait_until(lambda: apis[0].proxy.metric("outrigger_tls_handshake_failures_total"),
               "the failure to be counted")
    assert "reset by" not in apis[0].apps[0].log()


def test_a_handshake_that_hangs_is_ended(mesh):
    _, apis, _ = web_and_api(mesh, handshake_timeout="500ms")
    outside = mesh.node("outside")
    with outside.connect(apis[0].ipv4, 8080, timeout=10) as client:
        client.sendall(hello_of(["outrigger-tcp"]))
        try:
            while client.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
    assert apis[0].proxy.wait_for_event("connection_refused", reason="tls_timeout")


# -- policy ---------------------------------------------------------------------------------------

def test_a_policy_takes_effect_and_goes_in_under_a_second(mesh):
    web, apis, service = web_and_api(mesh)
    assert call(web, *service.vip) == "api-1"
    path = mesh.access_policy("no-web", deny("web"))
    assert until(lambda: is_refused(web, *service.vip), "the policy to hold") < 1
    event = apis[0].proxy.wait_for_event("connection_refused", reason="policy_denied")
    assert event["policy"] == "demo/no-web" and event["source_identity"] == web.identity
    mesh.manifests.remove(path)
    assert until(lambda: not is_refused(web, *service.vip), "the policy to be gone") < 1
    assert apis[0].proxy.metric("outrigger_connections_ended_total", policy="demo/no-web",
                                reason="policy_denied") >= 1


def test_a_policy_leaves_open_connections_alone(mesh):
    web, _, service = web_and_api(mesh)
    with web.connect(*service.vip) as client:
        client.sendall(b"x")
        assert receive(client, 7) == b"api-1\nx"
        mesh.access_policy("no-web", deny("web"))
        wait_until(lambda: is_refused(web, *service.vip), "the policy to hold")
        client.sendall(b"still here")
        assert receive(client, 10) == b"still here"


def test_an_allow_policy_lets_in_whom_it_names_and_nobody_else(mesh):
    web, apis, service = web_and_api(mesh)
    other, outside = mesh.pod("other"), mesh.node("outside")
    mesh.access_policy("only-web", {
        "selector": {"matchLabels": {"app": "api"}}, "action": "Allow",
        "rules": [{"from": [{"identities": [web.identity]}], "to": [{"ports": [8080]}]}]})
    wait_until(lambda: is_refused(other, *service.vip), "the policy to hold")
    assert is_refused(outside, apis[0].ipv4, 8080)
    assert call(web, *service.vip) == "api-1"


def test_an_audit_policy_refuses_nobody_and_tells(mesh):
    web, apis, service = web_and_api(mesh)
    mesh.access_policy("watch-web", {**deny("web"), "action": "Audit"})

    def audited():
        assert call(web, *service.vip) == "api-1"
        return apis[0].proxy.events("access_audit", policy="demo/watch-web")
    assert wait_until(audited, "the audit")[0]["source_identity"] == web.identity


def test_a_policy_judges_a_pods_calls_to_itself(mesh):
    _, apis, service = web_and_api(mesh)
    assert call(apis[0], *service.vip) == "api-1"
    mesh.access_policy("no-api", deny("api"))
    wait_until(lambda: is_refused(apis[0], *service.vip), "the policy to hold")


# -- the ways out ---------------------------------------------------------------------------------

def test_registry_only_keeps_what_is_unknown_in(mesh):
    mesh.namespace("demo", {"outrigger.dev/egress-mode": "registry-only"})
    web, _, service = web_and_api(mesh)
    outside = mesh.node("outside")
    outside.run_app("echo.py", "8080", "--name", "outside")
    assert is_refused(web, outside.ipv4, 8080)
    assert web.proxy.wait_for_event("connection_refused", reason="egress_denied")
    assert call(web, *service.vip) == "api-1"
    mesh.namespace("demo", {"outrigger.dev/egress-mode": "allow-any"})
    wait_until(lambda: not is_refused(web, outside.ipv4, 8080), "the way out to be open")


def test_the_redirect_ports_lead_nowhere(mesh):
    _, apis, _ = web_and_api(mesh)
    outside = mesh.node("outside")
    for port in (15001, 15006):
        assert is_refused(outside, apis[0].ipv4, port)


def test_only_health_and_metrics_answer_others_than_loopback(mesh):
    web = mesh.pod("web")
    outside = mesh.node("outside")
    for address in (web.ipv4, web.ipv6):
        for path, expected in (("/livez", 200), ("/readyz", 200), ("/metrics", 200), ("/", 403),
                               ("/config", 403), ("/services", 403), ("/endpoints", 403),
                               ("/connections", 403), ("/certificates", 403), ("/policies", 403),
                               ("/memory", 403), ("/log-level", 403)):
            host = f"[{address}]" if ":" in address else address
            answer = http.request(outside.net, address, 15000, path, headers={"Host": host})
            assert answer.status == expected, (address, path, answer)
        for path in ("/drain", "/quit", "/log-level?level=debug"):
            assert http.request(outside.net, address, 15000, path, "POST").status == 403
