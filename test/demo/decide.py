"""What a mesh decides about requests: a canary by weights, a limit, retries, endpoints that are left out."""
import collections
import json
import time

from mesh import Talk, wait_until
from mesh.tokens import ISSUER, Ed25519, token
from story import count, did, expect, quote_event, until

CALLS = 300
LIMIT = {"name": "each-caller", "requests": 1, "per": "1h", "burst": 20, "by": {"kind": "Identity"}}


class Decide:
    def __init__(self, stage):
        self.stage, self.mesh, self.web = stage, stage.mesh, stage.web

    def traffic_policy(self, name, **spec):
        return self.mesh.manifests.put({
            "apiVersion": "outrigger.dev/v1alpha1", "kind": "TrafficPolicy",
            "metadata": {"namespace": "demo", "name": name}, "spec": spec})

    # -- a canary -------------------------------------------------------------------------------

    def weigh(self, first, second):
        return self.mesh.manifests.put({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"namespace": "demo", "name": "canary"},
            "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": "api", "port": 80}],
                     "rules": [{"backendRefs": [{"name": "api-1", "port": 80, "weight": first},
                                                {"name": "api-2", "port": 80, "weight": second}]}]}})

    def weights(self):
        services = self.web.proxy.admin("/services").json()["services"]
        routes = next(one for one in services if one.get("name") == "demo/api"
                      and one.get("port") == 80).get("routes")
        return routes and [backend["weight"] for backend in routes["rules"][0]["backends"]]

    def shift(self, load, first, second):
        """Returns who answered the calls that came after the weights held."""
        route = self.weigh(first, second)
        wait_until(lambda: self.weights() == [first, second], "web's proxy to have the weights")
        # What was asked before may still be answered.
        wait_until(lambda: first or not self.window(load, 100)["api-1"], "the calls that were open to be over")
        return route, self.window(load, CALLS)

    def window(self, load, calls):
        """Who answered so many calls from now on."""
        before, begun = load.answers(), load.done()
        wait_until(lambda: load.done() >= begun + calls, "calls to go on")
        return load.answers() - before

    def canary(self):
        for name in ("api-1", "api-2"):
            self.mesh.service(name, {"http": (80, 8080)}, selector={"pod": name})
        load = self.stage.load(f"http://{self.stage.service.ipv4}/orders")
        wait_until(lambda: load.done() >= 50, "calls")
        for first, second in ((90, 10), (50, 50), (0, 100)):
            route, seen = self.shift(load, first, second)
            share = seen["api-2"] / sum(seen.values())
            expect(abs(share - second / 100) < 0.12, f"{second} % go to api-2; {share:.0%} did")
            did(f"an HTTPRoute with weights {first} to {second}, while web calls without a pause",
                count(seen))
        load.stop()
        expect(not load.failed(), f"no request fails; {len(load.failed())} did: {load.failed()[:3]}")
        did("count what failed while the weights were changed three times",
            f"0 of {load.done()} requests")
        self.mesh.manifests.remove(route)
        wait_until(lambda: self.weights() is None, "the route to be gone")

    # -- a limit --------------------------------------------------------------------------------

    def limit(self):
        policy = self.traffic_policy("limits", selector={"matchLabels": {"app": "api"}},
                                     inbound={"rateLimits": [LIMIT]})
        wait_until(lambda: all(pod.proxy.admin("/policies").json()["rate_limits"]
                               for pod in self.stage.apis), "the limit to hold")
        answers = [self.stage.get(self.web, "/orders") for _ in range(100)]
        seen = collections.Counter(answer.status for answer in answers)
        expect(seen == {200: 40, 429: 60}, f"two pods let 20 each through; seen {dict(seen)}")
        refused = next(answer for answer in answers if answer.status == 429)
        expect(self.stage.get(self.stage.admin, "/orders").status == 200, "another caller has its own")
        did("a TrafficPolicy: each caller may ask each pod of api 20 times at once; web asks 100 times",
            f"40 were let through, 60 got 429 with retry-after: {refused.headers['retry-after']} and "
            f"ratelimit: {refused.headers['ratelimit']}",
            "admin, another identity, is still answered with 200")
        event = wait_until(lambda: [event for pod in self.stage.apis for event in
                                    pod.proxy.events("request", reason="rate_limited")], "the log")[-1]
        did("look into api's access log", "it names the policy:")
        quote_event(event, "path", "status", "reason", "policy", "error", "source_identity")
        self.mesh.manifests.remove(policy)
        wait_until(lambda: self.stage.get(self.web, "/orders").status == 200, "the limit to be gone")

    # -- tokens of users ------------------------------------------------------------------------

    def show(self, shown=None, path="/orders"):
        return self.stage.get(self.web, path,
                              headers={"Authorization": f"Bearer {shown}"} if shown else {})

    def tokens(self):
        key = Ed25519()
        policy = self.traffic_policy("tokens", selector={"matchLabels": {"app": "api"}}, inbound={"jwt": {
            "required": True, "providers": [{"name": "shop", "issuer": ISSUER, "audiences": ["api"],
                                             "jwks": json.dumps({"keys": [key.jwk()]})}]}})
        wait_until(lambda: all(pod.proxy.admin("/policies").json()["jwt"] for pod in self.stage.apis),
                   "the policy to hold")
        good, old = token(key), token(key, exp=int(time.time()) - 3600)
        answers = [self.show(shown) for shown in (good, None, old, token(Ed25519()))]
        expect([answer.status for answer in answers] == [200, 401, 401, 401], "only the good token is let in")
        did("a TrafficPolicy: requests to api must show a token of the shop's; web shows a good one, none, "
            "one that has expired, and one that somebody else signed",
            ", ".join(str(answer.status) for answer in answers) +
            f"; the client is told {answers[-1].headers['www-authenticate']}, the log why:")
        for pod in self.stage.apis:
            for event in pod.proxy.events("request", reason="jwt_invalid"):
                quote_event(event, "path", "status", "reason", "policy", "error")
        told = self.stage.apis[0].proxy.admin("/explain?direction=inbound&destination=8080&path=/orders"
                                              f"&header=Authorization:Bearer%20{old}").json()
        did("ask /explain of api's proxy what the old one is worth", told["verdict"],
            *(step["says"] for step in told["steps"] if step["step"] == "authenticate"))
        self.mesh.manifests.remove(policy)
        wait_until(lambda: self.show().status == 200, "the policy to be gone")

    # -- an endpoint that fails -----------------------------------------------------------------

    def ask_flaky(self, service, n):
        with Talk(self.web, *service.vip) as talk:
            return collections.Counter(talk.ask("/").status for _ in range(n))

    def be_resilient(self):
        service = self.mesh.service("flaky", {"http": (80, 8080)})
        for name, more in (("flaky-good", ()), ("flaky-bad", ("--always", "503"))):
            pod = self.mesh.pod(name, labels={"app": "flaky"}, ports={"http": 8080})
            pod.run_app("http_echo.py", "8080", "--name", name, *more)
        wait_until(lambda: len(self.ask_flaky(service, 20)) == 2, "both pods to answer")
        did("a Service flaky, one of whose two pods answers everything with 503; web asks 100 times",
            f"{self.ask_flaky(service, 100)[503]} failed")
        targets = [{"kind": "Service", "name": "flaky"}]
        self.traffic_policy("flaky", targetRefs=targets, service={
            "balancing": {"algorithm": "RoundRobin"},  # P2C would hardly ask the bad one
            "retries": {"attempts": 2, "retryOn": [503], "backoff": "1ms"}})
        until(lambda: self.ask_flaky(service, 20) == {200: 20}, "retries to hold")
        retries = self.web.proxy.metric("outrigger_route_retries_total")
        seen = self.ask_flaky(service, 100)
        retries = self.web.proxy.metric("outrigger_route_retries_total") - retries
        expect(seen == {200: 100} and retries, f"retries hide it; seen {dict(seen)}")
        did("a TrafficPolicy: both in turn, and 503 is tried again; ask 100 times", f"0 failed, {retries:.0f} were tried again")
        self.traffic_policy("flaky", targetRefs=targets, service={
            "balancing": {"algorithm": "RoundRobin"},
            "retries": {"attempts": 2, "retryOn": [503], "backoff": "1ms"},
            "outlierEjection": {"consecutive5xx": 3, "baseEjectionTime": "1h"}})
        wait_until(lambda: self.ask_flaky(service, 5) and self.web.proxy.events("endpoint_ejected"),
                   "the bad one to be left out")
        before = self.web.proxy.metric("outrigger_route_retries_total")
        seen = self.ask_flaky(service, 100)
        expect(seen == {200: 100} and before == self.web.proxy.metric("outrigger_route_retries_total"),
               f"nothing goes to it any more; seen {dict(seen)}")
        did("and an endpoint with three 5xx in a row is left out; ask 100 times",
            "0 failed and none was tried again; web's log says:")
        quote_event(self.web.proxy.events("endpoint_ejected")[-1], "endpoint", "pod", "why", "for_ms")
