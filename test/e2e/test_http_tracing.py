"""Traces: context that is carried and made, spans that join across both proxies, a receiver that fails."""
import re

import pytest

from mesh import Mesh, Talk, wait_until, web_and_api

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PORT = 4317


def warm_up(receiver, service, web, *apis):
    """The proxies' own connections to the receiver are open from here on."""
    with Talk(web, *service.vip) as talk:
        talk.ask("/", headers={"traceparent": f"00-{'a' * 32}-{PARENT}-01"})
    wait_until(lambda: len(receiver.events("span")) >= 1 + len(apis), "the first spans")
    for pod in (web, *apis):
        pod.proxy.note_level()


@pytest.fixture(scope="module")
def scene():
    """(web, api, service, receiver): every trace is sampled."""
    with Mesh() as mesh:
        collector = mesh.node("collector")
        receiver = collector.run_app("otlp_receiver.py", PORT)
        web, [api], service = web_and_api(mesh, app="http_echo.py", port_name="http",
                                          otlp_endpoint=f"{collector.ipv4}:{PORT}", trace_sampling="1")
        warm_up(receiver, service, web, api)
        yield web, api, service, receiver


@pytest.fixture
def talk(scene):
    web, _, service, _ = scene
    with Talk(web, *service.vip) as made:
        yield made


def fields_of(answer):
    """What the application got, by name."""
    return {name.lower(): value for name, value in answer.json()["fields"]}


def spans_of(receiver, trace_id, count):
    """[the client's span, the server's span, ...] of a trace."""
    wait_until(lambda: len(receiver.events("span", trace_id=trace_id)) >= count, f"{count} spans")
    found = receiver.events("span", trace_id=trace_id)
    assert len(found) == count
    return sorted(found, key=lambda span: span["kind"])


def test_spans_of_a_trace_join_across_both_proxies(scene, talk):
    _, _, _, receiver = scene
    seen = fields_of(talk.ask("/status/200", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}))
    client, server = spans_of(receiver, TRACE, 2)
    assert client["parent_id"] == PARENT
    assert server["parent_id"] == client["span_id"]
    assert seen["traceparent"] == f"00-{TRACE}-{server['span_id']}-01", "the application's parent"
    assert client["start"] <= server["start"] <= server["end"] <= client["end"]
    assert client["resource"]["service.name"] == "web" and server["resource"]["service.name"] == "api"
    assert server["resource"]["k8s.pod.name"] == "api-1"
    assert client["resource"]["k8s.namespace.name"] == "demo"
    assert client["name"] == "GET" and client["scope"] == "outrigger" and client["flags"] & 1
    attributes = server["attributes"]
    assert attributes["http.request.method"] == "GET"
    assert attributes["url.path"] == "/status/200"
    assert attributes["http.response.status_code"] == 200
    assert attributes["outrigger.source_identity"].endswith("/sa/web")


def test_a_trace_is_made_where_there_is_none(scene, talk):
    _, _, _, receiver = scene
    seen = fields_of(talk.ask("/"))
    version, trace_id, span_id, flags = seen["traceparent"].split("-")
    assert (version, flags) == ("00", "03") or (version, flags) == ("00", "01")
    client, server = spans_of(receiver, trace_id, 2)
    assert client["parent_id"] == "" and server["span_id"] == span_id


@pytest.mark.parametrize("headers", [
    {"b3": f"{TRACE[::-1]}-{PARENT}-1"},
    {"x-b3-traceid": TRACE[::-1], "x-b3-spanid": PARENT, "x-b3-sampled": "1"},
], ids=["one field", "several fields"])
def test_b3_goes_on_as_b3(scene, talk, headers):
    _, _, _, receiver = scene
    trace_id = TRACE[::-1]
    before = len(receiver.events("span", trace_id=trace_id))
    seen = fields_of(talk.ask("/", headers=headers))
    wait_until(lambda: len(receiver.events("span", trace_id=trace_id)) == before + 2, "its spans")
    assert "traceparent" not in seen
    if "b3" in headers:
        assert re.fullmatch(f"{trace_id}-[0-9a-f]{{16}}-1(-[0-9a-f]{{16}})?", seen["b3"])
    else:
        assert seen["x-b3-traceid"] == trace_id and seen["x-b3-sampled"] == "1"
        assert seen["x-b3-spanid"] != PARENT


def test_what_others_do_not_sample_is_left_alone(scene, talk):
    _, _, _, receiver = scene
    asked = f"00-{'1' * 32}-{PARENT}-00"
    assert fields_of(talk.ask("/", headers={"traceparent": asked}))["traceparent"] == asked
    fields_of(talk.ask("/", headers={"traceparent": f"00-{'2' * 32}-{PARENT}-01"}))
    spans_of(receiver, "2" * 32, 2)  # later than any of the first
    assert receiver.events("span", trace_id="1" * 32) == []


def test_what_is_malformed_is_replaced(scene, talk):
    for bad in ("00-" + "0" * 32 + f"-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01", "x", f"00-{TRACE}-{PARENT}"):
        seen = fields_of(talk.ask("/", headers={"traceparent": bad}))
        assert seen["traceparent"] != bad and re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]",
                                                           seen["traceparent"])


def test_a_failure_is_an_error(scene, talk):
    _, _, _, receiver = scene
    talk.ask("/status/503", headers={"traceparent": f"00-{'3' * 32}-{PARENT}-01"})
    talk.ask("/status/404", headers={"traceparent": f"00-{'4' * 32}-{PARENT}-01"})
    assert [span["is_error"] for span in spans_of(receiver, "3" * 32, 2)] == [True, True]
    # Who asks sees an error in a 4xx, who answers does not: the semantic conventions.
    assert [span["is_error"] for span in spans_of(receiver, "4" * 32, 2)] == [True, False]


def test_the_metric_has_the_trace_as_exemplar(scene, talk):
    web, _, _, _ = scene
    talk.ask("/", headers={"traceparent": f"00-{'5' * 32}-{PARENT}-01"})

    def exemplar():
        answer = web.proxy.admin("/metrics", headers={"Accept": "application/openmetrics-text"})
        return f'# {{trace_id="{"5" * 32}"}}' in answer.text
    wait_until(exemplar, "the exemplar")


def test_the_last_spans_are_sent_before_the_end():
    with Mesh() as mesh:
        collector = mesh.node("collector")
        receiver = collector.run_app("otlp_receiver.py", PORT)
        web, [api], service = web_and_api(
            mesh, app="http_echo.py", port_name="http", otlp_endpoint=f"{collector.ipv4}:{PORT}",
            trace_sampling="1")
        warm_up(receiver, service, web, api)
        with Talk(web, *service.vip) as talk:
            for _ in range(20):
                talk.ask("/")
        web.proxy.stop()
        assert len([span for span in receiver.events("span") if span["kind"] == "client"]) == 1 + 20


def test_a_receiver_that_is_away_costs_spans_and_no_request():
    """Refused with a status worth another attempt, then taken; then nobody listens any more."""
    with Mesh() as mesh:
        collector = mesh.node("collector")
        receiver = collector.run_app("otlp_receiver.py", PORT, "--answers", "UNAVAILABLE,OK,reject,INTERNAL")
        _, [api], service = web_and_api(mesh, app="http_echo.py", port_name="http")
        # The only one that sends spans: the answers come in the order of its calls.
        web = mesh.pod("browser", otlp_endpoint=f"{collector.ipv4}:{PORT}", trace_sampling="0")

        def outcome(name):
            return web.proxy.metric("outrigger_spans_total", outcome=name)

        def ask(talk):
            assert talk.ask("/", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}).status == 200
        with Talk(web, *service.vip) as talk:
            assert fields_of(talk.ask("/"))["traceparent"][-3:] in ("-00", "-02"), "a sampling of 0"
            ask(talk)
            wait_until(lambda: receiver.events("span"), "the second attempt", timeout=15)
            assert "refused with UNAVAILABLE" in receiver.log()
            wait_until(lambda: outcome("sent") == 1, "sent")
            ask(talk)
            wait_until(lambda: outcome("rejected") == 1, "rejected")
            ask(talk)
            wait_until(lambda: outcome("failed") == 1, "failed", timeout=15)
            assert outcome("sent") == 1, "a span is counted once"
            receiver.kill()
            for _ in range(6000):
                ask(talk)
            assert outcome("dropped") > 0, "beyond the queue"
            assert web.proxy.metric("outrigger_spans_waiting") <= 4096
        web.proxy.note_level()
        api.proxy.note_level()
