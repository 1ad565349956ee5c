"""Delta discovery as a client sees it that knows the published protocol and nothing of Outrigger."""
import os
import signal
import time

import grpc
import pytest
from mesh import manifests as objects
from mesh.wait import wait_until
from xds import DeltaStream, LocalController, certify
from xds.client import TYPE_PREFIX
from xds.wire import fields, length_delimited, text, varint

VIP = "10.96.0.1:80"
ENDPOINTS = "shop/api/http"


def pod(name, account, ip, labels=None, **options):
    return objects.pod("shop", name, account, labels or {"app": account}, {}, [ip], {"http": 8080},
                       has_proxy=True, **options)


def service(name="api", ip="10.96.0.1", port=80):
    return objects.service("shop", name, [ip], {"http": (port, 8080)}, {"app": name})


def fill(folder):
    folder.put(objects.namespace("shop"))
    for account in ("web", "api"):
        folder.put(objects.service_account("shop", account))
    folder.put(pod("web-1", "web", "10.0.0.1"))
    folder.put(pod("api-1", "api", "10.0.0.2"))
    folder.put(service())


@pytest.fixture(scope="module", name="shared")
def shared_controller():
    controller = LocalController()
    fill(controller.manifests)
    with controller:
        yield controller


@pytest.fixture(scope="module", name="relay")
def shared_relay(shared):
    return shared.relay_as("shop", "web")


@pytest.fixture(name="own")
def own_controller():
    controller = LocalController()
    fill(controller.manifests)
    with controller:
        yield controller


@pytest.fixture(name="stream")
def shared_stream(relay):
    with DeltaStream(relay) as stream:
        yield stream


def addresses(endpoints):
    return sorted(endpoint.address for endpoint in endpoints.endpoints)


# -- what is told ---------------------------------------------------------------------------------


def test_the_three_types_are_answered_by_name(stream):
    stream.request("Workload", ["shop/web-1"])
    workload = stream.expect("Workload", ["shop/web-1"])["shop/web-1"]
    assert workload.service_account == "web" and workload.addresses == ["10.0.0.1"]
    stream.request("Service", [VIP])
    found = stream.expect("Service", [VIP])[VIP]
    assert found.name == "shop/api" and found.backends[0].endpoints == ENDPOINTS
    stream.request("Endpoints", [ENDPOINTS])
    endpoint = stream.expect("Endpoints", [ENDPOINTS])[ENDPOINTS].endpoints[0]
    assert (endpoint.address, endpoint.port) == ("10.0.0.2", 8080)
    assert endpoint.identity == "spiffe://cluster.local/ns/shop/sa/api"
    stream.expect_silence()


def test_unknown_names_are_answered_at_once_and_sent_when_they_come_to_be(shared, stream):
    started = time.monotonic()
    stream.request("Service", ["10.96.0.7:80", VIP])
    stream.expect("Service", [VIP], removed=["10.96.0.7:80"])
    assert time.monotonic() - started < 1
    path = shared.manifests.put(service("late", "10.96.0.7"))
    assert stream.expect("Service", ["10.96.0.7:80"])["10.96.0.7:80"].name == "shop/late"
    shared.manifests.remove(path)
    stream.expect("Service", removed=["10.96.0.7:80"])
    stream.expect_silence()


def test_changes_arrive_within_a_second_and_others_hear_nothing(shared, stream, relay):
    stream.request("Endpoints", [ENDPOINTS])
    stream.expect("Endpoints", [ENDPOINTS])
    with DeltaStream(relay) as other:
        other.request("Service", [VIP])
        other.expect("Service", [VIP])
        started = time.monotonic()
        path = shared.manifests.put(pod("api-2", "api", "10.0.0.3"))
        changed = stream.expect("Endpoints", [ENDPOINTS])[ENDPOINTS]
        assert time.monotonic() - started < 1
        assert addresses(changed) == ["10.0.0.2", "10.0.0.3"]
        shared.manifests.remove(path)
        assert addresses(stream.expect("Endpoints", [ENDPOINTS])[ENDPOINTS]) == ["10.0.0.2"]
        other.expect_silence()  # the Service itself did not change


def test_a_name_subscribed_again_is_sent_again(stream):
    for _ in range(2):
        stream.request("Service", [VIP])
        stream.expect("Service", [VIP])
    stream.expect_silence()


def test_what_is_unsubscribed_is_not_told(shared, stream):
    stream.request("Endpoints", [ENDPOINTS, "shop/none/http"])
    stream.expect("Endpoints", [ENDPOINTS], removed=["shop/none/http"])
    stream.request("Endpoints", unsubscribe=[ENDPOINTS])
    stream.request("Service", ["10.0.0.9:8080"])
    stream.expect("Service", removed=["10.0.0.9:8080"])
    path = shared.manifests.put(pod("api-9", "api", "10.0.0.9"))
    stream.expect("Service", ["10.0.0.9:8080"])  # the pod's own address was dialled
    stream.expect_silence()
    shared.manifests.remove(path)
    stream.expect("Service", removed=["10.0.0.9:8080"])


def test_initial_versions_spare_what_is_the_same(relay):
    with DeltaStream(relay) as first:
        first.request("Endpoints", [ENDPOINTS])
        first.expect("Endpoints", [ENDPOINTS])
        versions = first.versions
    with DeltaStream(relay) as second:
        second.request("Endpoints", [ENDPOINTS], initial=versions)
        second.expect_silence()
        # Only in the first request of a type.
        second.request("Service", [VIP], initial={VIP: "stale"})
        second.expect("Service", [VIP])
        second.request("Service", [VIP], initial=second.versions)
        second.expect("Service", [VIP])


def test_a_refusal_is_logged_once_and_does_not_loop(shared, stream):
    stream.request("Endpoints", [ENDPOINTS])
    refused = stream.receive(ack=False)
    before = shared.metric("nacks_total", type="Endpoints")
    stream.nack(refused, "endpoints[0].port: 8080 is not to our taste")
    stream.expect_silence()
    assert shared.metric("nacks_total", type="Endpoints") == before + 1
    logged = shared.process.events("resource_refused", node="shop/web-1", resources=ENDPOINTS)
    assert [entry["error"] for entry in logged] == ["endpoints[0].port: 8080 is not to our taste"]
    stream.nack(refused, "once more")  # its nonce is closed
    stream.expect_silence()
    path = shared.manifests.put(pod("api-3", "api", "10.0.0.4"))
    changed = stream.expect("Endpoints", [ENDPOINTS])[ENDPOINTS]
    assert addresses(changed) == ["10.0.0.2", "10.0.0.4"]
    shared.manifests.remove(path)
    stream.expect("Endpoints", [ENDPOINTS])
    assert len(shared.process.events("resource_refused", resources=ENDPOINTS)) == len(logged)


def test_stale_nonces_settle_nothing_and_their_names_count(shared, stream):
    stream.request("Service", [VIP])
    first = stream.receive(ack=False)
    before = shared.metric("stale_nonces_total", type="Service")
    stream.request("Service", ["10.96.0.8:80"], nonce="4711", error="of another stream")
    stream.expect("Service", removed=["10.96.0.8:80"])
    assert shared.metric("stale_nonces_total", type="Service") == before + 1
    stream.ack(first)
    stream.expect_silence()


def test_wildcards_give_nothing_away(stream):
    for kind in ("Workload", "Service", "Endpoints"):
        stream.request(kind)
        stream.request(kind, ["*"])
    stream.expect_silence()


def test_a_type_from_elsewhere_does_not_exist_here(stream):
    kind = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    stream.request(kind, ["a", "b"])
    response = stream.receive(ack=False)
    assert response.type_url == kind and list(response.removed_resources) == ["a", "b"]
    stream.expect_silence()


def test_a_peer_that_never_acknowledges_gets_the_newest_state_later(shared, stream):
    stream.request("Endpoints", [ENDPOINTS])
    responses = [stream.receive(ack=False)]
    paths = []
    for number in range(20):
        paths.append(shared.manifests.put(pod(f"burst-{number}", "api", f"10.0.1.{number}")))
        pushed = shared.metric("pushes_total", type="Endpoints")
        if len(responses) < 8:
            responses.append(stream.receive(ack=False))
            continue
        wait_until(lambda: shared.metric("objects", kind="Pod") == 3 + number, "the pod to be read")
        assert shared.metric("pushes_total", type="Endpoints") == pushed
    stream.ack(responses[0])
    newest = stream.expect("Endpoints", [ENDPOINTS], ack=False)[ENDPOINTS]
    assert len(newest.endpoints) == 21
    for path in paths:
        shared.manifests.remove(path)
    wait_until(lambda: shared.metric("objects", kind="Pod") == 2, "the pods to go")


# -- who may see what -----------------------------------------------------------------------------


def test_a_workload_is_for_its_own_identity_only(shared, stream):
    stream.request("Workload", ["shop/api-1", "shop/web-1"])
    stream.expect("Workload", ["shop/web-1"], removed=["shop/api-1"])
    stream.request("Workload", ["shop/api-1"])
    stream.expect("Workload", removed=["shop/api-1"])
    hidden = shared.process.events("workload_hidden", resource="shop/api-1")
    assert len(hidden) == 1
    assert hidden[0]["identity"] == "spiffe://cluster.local/ns/shop/sa/web"
    assert shared.metric("workloads_hidden_total") >= 1


def test_a_pod_that_changes_its_account_is_taken_from_the_old_one(shared, stream):
    path = shared.manifests.put(pod("moving-1", "web", "10.0.0.30", {"app": "moving"}))
    stream.request("Workload", ["shop/moving-1"])
    while not stream.receive().resources:  # it may be read after it is asked for
        pass
    shared.manifests.put(pod("moving-1", "api", "10.0.0.30", {"app": "moving"}))
    stream.expect("Workload", removed=["shop/moving-1"])
    shared.manifests.remove(path)


def test_discovery_needs_a_certificate(shared):
    with DeltaStream(shared.relay()) as stream:
        stream.request("Service", [VIP])
        code, details = stream.status()
    assert code == grpc.StatusCode.UNAUTHENTICATED and "certificate" in details


def test_a_certificate_of_another_root_is_not_taken(shared):
    foreign = LocalController(trust_domain="other.example")
    fill(foreign.manifests)
    with foreign:
        credentials = certify(foreign.relay(), foreign.token("shop", "web"))
        with DeltaStream(shared.relay(credentials)) as stream:
            stream.request("Service", [VIP])
            assert stream.status()[0] == grpc.StatusCode.UNAVAILABLE  # no handshake, no call


def test_a_stream_ends_with_its_certificate():
    controller = LocalController(leaf_ttl="5s")
    fill(controller.manifests)
    with controller:
        credentials = certify(controller.relay(), controller.token("shop", "web"))
        with DeltaStream(controller.relay(credentials)) as stream:
            stream.request("Workload", ["shop/web-1"])
            stream.expect("Workload", ["shop/web-1"])
            code, details = stream.status(timeout=15)
            assert code == grpc.StatusCode.UNAUTHENTICATED and "expired" in details
        assert time.time() >= credentials.not_after
        controller.process.wait_for_event("peer_certificate_expired")


# -- bytes ----------------------------------------------------------------------------------------


def test_the_wire_is_the_published_one(relay):
    """Requests written and responses read by the field numbers of Envoy's published messages."""
    type_url = (TYPE_PREFIX + "Service").encode()
    node = length_delimited(1, b"shop/web-1") + length_delimited(6, b"stranger")
    request = length_delimited(1, node) + length_delimited(2, type_url) + \
        length_delimited(3, VIP.encode()) + length_delimited(3, b"10.96.0.99:80") + \
        length_delimited(5, length_delimited(1, b"x") + length_delimited(2, b"y"))
    with DeltaStream(relay) as stream:
        stream.send_bytes(request)
        response = fields(stream.receive_bytes())
        assert response[4] == [type_url] and response[6] == [b"10.96.0.99:80"]
        resource = fields(response[2][0])
        assert resource[3] == [VIP.encode()] and text(resource[1][0])
        any_message = fields(resource[2][0])
        assert any_message[1] == [type_url]
        assert fields(any_message[2][0])[1] == [b"shop/api"]
        # ACK with its nonce, unsubscribe, and fields that this server does not know.
        stream.send_bytes(length_delimited(2, type_url) + length_delimited(4, VIP.encode()) +
                          length_delimited(6, response[5][0]) + length_delimited(8, b"locator") +
                          varint(99 << 3) + varint(7))
        # NACK: error_detail is a google.rpc.Status.
        stream.send_bytes(length_delimited(2, type_url) + length_delimited(3, VIP.encode()))
        nonce = fields(stream.receive_bytes())[5][0]
        status = varint(1 << 3) + varint(3) + length_delimited(2, b"by hand")
        stream.send_bytes(length_delimited(2, type_url) + length_delimited(6, nonce) +
                          length_delimited(7, status))
        stream.expect_silence()


GARBAGE = {
    "random": os.urandom(64),
    "cut": length_delimited(2, b"type.googleapis.com/outrigger.v1.Service")[:-3],
    "no type": length_delimited(3, b"name"),
    "empty": b"",
    "empty name": length_delimited(2, b"t") + length_delimited(3, b""),
    "name with a newline": length_delimited(2, b"t") + length_delimited(3, b"a\nb"),
    "long name": length_delimited(2, b"t") + length_delimited(3, b"a" * 513),
    "name that is no text": length_delimited(2, b"t") + length_delimited(3, b"\xff\xfe"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_ends_its_own_stream(shared, relay, name):
    with DeltaStream(relay) as good, DeltaStream(relay) as bad:
        good.request("Service", [VIP])
        good.expect("Service", [VIP])
        bad.send_bytes(GARBAGE[name])
        assert bad.status()[0] == grpc.StatusCode.INVALID_ARGUMENT
        good.expect_silence()
    assert shared.metric("bad_requests_total") >= 1


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100,
                                  pytest.param(os.urandom(500), id="random"),
                                  b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64])
def test_garbage_below_grpc_ends_its_own_connection(shared, relay, stream, data):
    with relay.connect() as sock:
        sock.sendall(data)
        sock.settimeout(10)
        try:
            while sock.recv(4096):
                pass
        except OSError:
            pass
    stream.expect_silence()
    assert shared.admin("/livez").status == 200


def test_too_many_names_end_the_stream(relay):
    with DeltaStream(relay) as stream:
        for part in range(5):
            stream.request("Service", [f"name-{part}-{number}" for number in range(5000)])
        code, details = stream.status(timeout=20)
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and "subscriptions" in details


def test_a_half_open_connection_is_noticed():
    controller = LocalController(keepalive="200ms", keepalive_timeout="200ms")
    fill(controller.manifests)
    with controller:
        relay = controller.relay_as("shop", "web")
        with DeltaStream(relay) as stream, relay.connect() as sock:
            stream.expect_silence()
            # A preface and SETTINGS, and never again a byte: PINGs stay unanswered.
            sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            sock.settimeout(10)
            while sock.recv(4096):
                pass
            stream.expect_silence()  # as silent meanwhile, but it answers


def test_an_old_connection_is_asked_to_come_back():
    controller = LocalController(max_connection_age="1s")
    fill(controller.manifests)
    with controller:
        relay = controller.relay_as("shop", "web")
        with DeltaStream(relay) as stream:
            stream.request("Service", [VIP])
            stream.expect("Service", [VIP])
            assert stream.status(timeout=20)[0] == grpc.StatusCode.UNAVAILABLE
        wait_until(lambda: controller.metric("grpc_connections") == 0, "the connection to go")


# -- its life -------------------------------------------------------------------------------------


def test_versions_survive_a_restart(own):
    credentials = certify(own.relay(), own.token("shop", "web"))
    with DeltaStream(own.relay(credentials)) as stream:
        stream.request("Endpoints", [ENDPOINTS])
        stream.expect("Endpoints", [ENDPOINTS])
        versions = stream.versions
        own.process.kill()
        assert stream.status()[0] == grpc.StatusCode.UNAVAILABLE
    own.start()
    with DeltaStream(own.relay(credentials)) as stream:  # root and certificate are good as before
        stream.request("Endpoints", [ENDPOINTS], initial=versions)
        stream.expect_silence()
        own.manifests.put(pod("api-2", "api", "10.0.0.3"))
        stream.expect("Endpoints", [ENDPOINTS])


def test_sigterm_drains(own):
    with DeltaStream(own.relay_as("shop", "web")) as stream:
        stream.request("Service", [VIP])
        stream.expect("Service", [VIP])
        own.process.signal(signal.SIGTERM)
        assert stream.status()[0] == grpc.StatusCode.UNAVAILABLE
    assert own.process.wait() == 0


def test_sighup_rereads(own):
    with DeltaStream(own.relay_as("shop", "web")) as stream:
        stream.request("Service", [VIP])
        stream.expect("Service", [VIP])
        own.process.signal(signal.SIGHUP)
        own.process.wait_for_event("rereading")
        stream.expect_silence()


def test_what_is_wrong_keeps_the_last_good_state(shared, stream):
    stream.request("Endpoints", [ENDPOINTS])
    stream.expect("Endpoints", [ENDPOINTS])
    path = shared.manifests.write("broken.yaml", "kind: Service\nspec: [")
    wait_until(lambda: shared.metric("problems") == 1, "the problem to be seen")
    listed = shared.admin("/objects").json()
    assert "broken.yaml" in listed["problems"][0]
    assert "broken.yaml" in shared.admin("/").text
    stream.expect_silence()
    shared.manifests.remove(path)
    wait_until(lambda: shared.metric("problems") == 0, "the problem to go")


def effects(controller, kind):
    return {found["name"]: found["effect"]
            for found in controller.admin("/objects").json()["objects"][kind]}


def test_objects_tell_what_took_effect(own):
    policies = ({"name": "mine", "selector": {"matchLabels": {"app": "web"}}},
                {"name": "nobody", "selector": {"matchLabels": {"app": "none"}}})
    for policy in policies:
        own.manifests.put(objects.access_policy("shop", policy["name"], {
            "selector": policy["selector"], "action": "Deny", "rules": [{}]}))
    wait_until(lambda: own.metric("objects", kind="AccessPolicy") == 2, "the policies to be read")
    assert effects(own, "AccessPolicy") == {
        "mine": "in force on 0 of 1 pods, 1 not connected", "nobody": "selects no pod"}
    with DeltaStream(own.relay_as("shop", "web")) as stream:
        stream.request("Workload", ["shop/web-1"])
        first = stream.receive(ack=False)
        assert "waiting" in effects(own, "AccessPolicy")["mine"]
        stream.nack(first, "not today")
        stream.expect_silence()
        assert "1 refused" in effects(own, "AccessPolicy")["mine"]
        stream.request("Workload", ["shop/web-1"])
        stream.expect("Workload", ["shop/web-1"])
        stream.expect_silence()
        assert effects(own, "AccessPolicy")["mine"] == "in force on 1 of 1 pods"
        assert effects(own, "Pod") == {"web-1": "in force", "api-1": "its proxy is not connected"}


def test_admin_tells_who_is_connected(shared, stream):
    stream.request("Service", [VIP, "10.96.0.99:80"])
    stream.expect("Service", [VIP], removed=["10.96.0.99:80"])
    stream.expect_silence()

    def mine():
        return [proxy for proxy in shared.admin("/proxies").json()
                if VIP in [name["name"] for name in proxy["subscriptions"]]]
    proxy = wait_until(mine, "the stream to be listed")[0]
    assert proxy["node"] == "shop/web-1"
    assert proxy["identity"] == "spiffe://cluster.local/ns/shop/sa/web"
    states = {name["name"]: name for name in proxy["subscriptions"]}
    assert states[VIP]["state"] == "sent" and states[VIP]["acked"] == states[VIP]["version"]
    assert states["10.96.0.99:80"]["state"] == "removed"
    assert shared.metric("streams") >= 1
    assert shared.admin("/certificates").json()["own"]["identity"].endswith("outrigger-controller")
    config = shared.admin("/config").json()
    assert config["trust-domain"] == "cluster.local" and config["keepalive"] == "30s"
    assert config["listen"] == "127.0.0.1:0" and config["admin-address"] == "127.0.0.1"
    assert shared.metric("root_certificate_seconds_left") > 86400
    assert "shop/web-1" in shared.admin("/").text
    assert shared.admin("/log-level", method="POST", body="level=debug", headers={
        "Content-Type": "application/x-www-form-urlencoded"}).json() == {"level": "debug"}
    assert shared.admin("/log-level", method="POST", body="level=loud", headers={
        "Content-Type": "application/x-www-form-urlencoded"}).status == 400
    assert shared.admin("/log-level?level=info", method="POST").json() == {"level": "info"}


def test_nothing_is_left(own):
    relay = own.relay_as("shop", "web")
    for _ in range(3):
        with DeltaStream(relay) as stream:
            stream.request("Service", [VIP] + [f"10.0.9.{number}:1" for number in range(200)])
            stream.receive()
    wait_until(lambda: own.metric("streams") == 0, "the streams to end")
    assert own.metric("resources", type="Service") == 0
    assert own.metric("resource_bytes") == 0
