"""Looking on: requests as they happen, and a trace whose spans join across both proxies."""
import json
import secrets

from mesh import users, wait_until
from mesh.process import Process
from mesh.programs import PYTHON, app
from stage import GRPC
from story import did, expect, quote, quote_event

TAP = "http://127.0.0.1:15000/tap?path=/orders&method=GET&limit=2"
SHOWN = ("direction", "method", "path", "status", "duration_us", "protocol", "upstream_protocol",
         "source_identity", "destination_identity")


class Watch:
    def __init__(self, stage):
        self.stage, self.mesh, self.web = stage, stage.mesh, stage.web

    # -- live -----------------------------------------------------------------------------------

    def tap(self):
        """curl in web's pod, as a person would have it; -v tells when it is being answered."""
        tap = self.mesh.start(Process("tap", ["curl", "-svN", TAP], self.web.net, self.mesh.folder,
                                      users()[1]))
        tap.wait_for_log("application/x-ndjson")
        for path in ("/other", "/orders", "/other", "/orders"):
            self.stage.get(self.web, path)
        wait_until(lambda: not tap.is_running, "the tap to end behind the second line")
        lines = [json.loads(line) for line in tap.log().splitlines() if line.startswith('{"')]
        expect([line["path"] for line in lines] == ["/orders", "/orders"],
               f"the tap shows what it was asked for, and nothing else; seen {lines}")
        did(f"curl -N '{TAP}' in web's pod, while web asks for /orders and /other twice each",
            "two lines, as the requests end, and not one for /other:")
        for line in lines:
            quote_event({"event": "tap", **line}, *SHOWN)

    # -- traces ---------------------------------------------------------------------------------

    def spans(self, trace_id):
        """[that of web's proxy, that of api's], once both have arrived."""
        collector = self.stage.collector.apps[0]
        wait_until(lambda: len(collector.events("span", trace_id=trace_id)) == 2, "two spans", 20)
        return sorted(collector.events("span", trace_id=trace_id), key=lambda span: span["kind"])

    def trace(self):
        trace_id, parent = secrets.token_hex(16), secrets.token_hex(8)
        answer = self.stage.get(self.web, "/orders",
                                headers={"traceparent": f"00-{trace_id}-{parent}-01"}).json()
        self.show_trace("web asks for /orders", trace_id, parent, answer["traceparent"])
        trace_id, parent = secrets.token_hex(16), secrets.token_hex(8)
        done = self.web.net.run(PYTHON, app("grpc_client.py"), f"{self.stage.service.ipv4}:{GRPC}",
                                "/shop.Orders/Get", f"--metadata=traceparent=00-{trace_id}-{parent}-01")
        expect(done.stdout.startswith("OK "), f"the call is OK; seen {done.stdout}")
        self.show_trace("web calls /shop.Orders/Get over gRPC", trace_id, parent, None)
        for proxy in self.mesh.proxies:
            proxy.note_level()  # whoever had a span has a connection to the collector now, which stays

    def show_trace(self, what, trace_id, parent, told):
        client, server = self.spans(trace_id)
        expect(client["parent_id"] == parent and server["parent_id"] == client["span_id"],
               f"each span is the child of the one before; seen {client} and {server}")
        expect(client["start"] <= server["start"] <= server["end"] <= client["end"],
               "the server's span lies within the client's")
        expect(told is None or told == f"00-{trace_id}-{server['span_id']}-01",
               f"the application is told the server's span; seen {told}")
        did(f"{what}, with a traceparent of its own; both proxies send spans to an OpenTelemetry receiver",
            f"trace {trace_id}:")
        quote(f"{parent} web, the application")
        for depth, span in enumerate((client, server), 1):
            quote(f"{'  ' * depth}`- {span['span_id']} {span['resource']['service.name']}'s proxy: "
                  f"{span['kind']} span {span['name']}, {(span['end'] - span['start']) // 1000} µs")
        if told:
            quote(f"      `- {told.split('-')[2]} is what api was told in traceparent")
