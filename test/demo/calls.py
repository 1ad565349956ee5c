"""Requests: HTTP/1.1 and gRPC through two proxies, and who may ask for what."""
import collections
import re

from mesh import Talk, wait_until
from stage import GRPC
from story import count, did, expect, quote, quote_event, until

CALLS = 20
POLICY = "demo/no-admin-for-web"
GET, PURGE = "/shop.Orders/Get", "/shop.Orders/Purge"


class Calls:
    def __init__(self, stage):
        self.stage, self.mesh, self.web = stage, stage.mesh, stage.web
        self.address = stage.service.ipv4

    def event(self, pods, **fields):
        """The newest line of the access logs that has these fields, and the log it is in."""
        def find():
            return [event for pod in pods for event in pod.proxy.events("request", **fields)]
        return wait_until(find, f"a request in the access log with {fields}")[-1]

    # -- the way of a request -------------------------------------------------------------------

    def travel(self):
        recorder = self.web.record()
        with Talk(self.web, self.address, 80) as talk:
            answers = [talk.ask("/orders") for _ in range(CALLS)]
        expect(all(answer.status == 200 for answer in answers), "every request is answered with 200")
        did(f"web asks http://{self.address}/orders {CALLS} times, over HTTP/1.1 on one connection",
            count(collections.Counter(answer.json()["name"] for answer in answers)))
        lines = self.stage.call(self.web, *[GET] * CALLS)
        expect(all(line.startswith("OK ") for line in lines), f"every call is OK; seen {lines}")
        did(f"web calls {GET} on {self.address}:{GRPC} {CALLS} times, over gRPC on one channel",
            count(collections.Counter(line.split()[1] for line in lines)))
        recorder.stop()
        self.show_wire(recorder)
        self.show_caller(answers[-1].json()["caller"])
        self.show_logs()

    def show_wire(self, recorder):
        pools = [pool for pool in self.web.proxy.admin("/connections").json()["pools"]
                 if pool["identity"]]
        connections = sum(len(pool["connections"]) for pool in pools)
        expect(recorder.contains(b"outrigger-h2"), "outrigger-h2 is negotiated")
        expect(not recorder.contains(b"/orders"), "no request is on the wire in plaintext")
        expect({pool["protocol"] for pool in pools} == {"h2"} and connections <= len(pools),
               f"one HTTP/2 connection to each port of a pod carries everything; seen {pools}")
        did("look at the wire between the pods, and at web's pools of connections",
            f"{connections} connections carried all {2 * CALLS}, one to each port of each pod: mutual TLS, "
            "ALPN outrigger-h2, whatever the application spoke")

    def show_caller(self, caller):
        expect(caller and caller.endswith(f"URI={self.web.identity}"),
               f"the application is told who asked; seen {caller}")
        did("look at what the application was told of its caller, in x-forwarded-client-cert", caller)

    def show_logs(self):
        for fields in ({"path": "/orders", "status": 200}, {"path": GET, "grpc_status": 0}):
            here = self.event([self.web], direction="outbound", **fields)
            there = self.event(self.stage.apis, request_id=here["request_id"])
            expect(there["source_identity"] == self.web.identity and
                   here["destination_identity"] == self.stage.apis[0].identity,
                   "both proxies know both identities")
            did(f"find the last {fields['path']} in the access logs of web and api, by its request id",
                f"{here['duration_us']} µs from web's proxy on, {there['duration_us']} µs of them from "
                "api's proxy on:")
            for event in (here, there):
                quote_event(event, "direction", "method", "path", "status", "grpc_status", "reason",
                            "duration_us", "protocol", "upstream_protocol", "source_identity",
                            "destination_identity", "request_id")

    # -- who may ask what -----------------------------------------------------------------------

    def status(self, source, path):
        return self.stage.get(source, path).status

    def authorize(self):
        expect(self.status(self.web, "/admin/users") == 200, "web may ask for everything at first")
        policy = self.mesh.access_policy(POLICY.partition("/")[2], {
            "selector": {"matchLabels": {"app": "api"}}, "action": "Deny",
            "rules": [{"from": [{"serviceAccounts": ["web"]}],
                       "to": [{"paths": ["/admin/*"]}, {"grpcMethods": [PURGE[1:]]}]}]})
        seconds = until(lambda: self.status(self.web, "/admin/users") == 403, "the policy to hold")
        expect(seconds < 1, f"the policy takes effect in under a second; it took {seconds:.2f} s")
        refused = self.stage.get(self.web, "/admin/users")
        expect(POLICY.encode() not in refused.body, "the client is not told by what it was refused")
        seen = [self.status(*asked) for asked in ((self.web, "/orders"), (self.stage.admin, "/admin/users"))]
        expect(seen == [200, 200], f"nothing else is refused; seen {seen}")
        did("drop an AccessPolicy into the folder: web may not ask for /admin/*, nor call "
            f"{PURGE[1:]}; and ask",
            f"web GET /admin/users: 403 after {seconds * 1000:.0f} ms, \"{refused.text.strip()}\"",
            "web GET /orders: 200; admin GET /admin/users: 200")
        self.authorize_grpc()
        self.show_refusal()
        self.mesh.manifests.remove(policy)
        seconds = until(lambda: self.status(self.web, "/admin/users") == 200, "the policy to be gone")
        did("remove the file", f"200 again after {seconds * 1000:.0f} ms")

    def authorize_grpc(self):
        web, admin = self.stage.call(self.web, PURGE, GET), self.stage.call(self.stage.admin, PURGE)
        expect(web[0].startswith("PERMISSION_DENIED"), f"the method is refused to web; seen {web}")
        expect(web[1].startswith("OK") and admin[0].startswith("OK"),
               f"nothing else is refused; seen {web[1]} and {admin}")
        did(f"the same with gRPC, which is told in its own words: {PURGE}",
            f"web: {web[0]}", f"web {GET}: {web[1]}", f"admin: {admin[0]}")

    def show_refusal(self):
        fields = "method", "path", "status", "grpc_status", "reason", "policy", "why", "source_identity"
        events = [self.event(self.stage.apis, policy=POLICY, path=path, direction="inbound")
                  for path in ("/admin/users", PURGE)]
        expect(all(event["source_identity"] == self.web.identity for event in events),
               "the log names who was refused")
        did("look into api's access logs", "they name the policy, and who was refused:")
        for event in events:
            quote_event(event, *fields)
        metrics = wait_until(self.metrics_of_refusals, "the metrics to name the policy")
        did("look into api's metrics", "they count what was refused, by policy:")
        for line in metrics:
            labels = re.findall(r'(?:source_identity|method|status|grpc_status|reason|policy)="[^"]*"', line)
            quote(f"outrigger_requests_total{{{','.join(labels)},...}} {line.rpartition(' ')[2]}")

    def metrics_of_refusals(self):
        return [line for pod in self.stage.apis
                for line in pod.proxy.admin("/metrics").text.splitlines()
                if line.startswith("outrigger_requests_total{") and f'policy="{POLICY}"' in line]
