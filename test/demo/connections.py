"""Connections: balanced, encrypted, refused; certificates and the controller change underneath them."""
import collections
import struct
import threading

from mesh import call, is_refused, tls_records, tls_version, wait_until
from stage import ECHO
from story import count, did, expect, quote_event, until

SECRET = b"the launch code is 000000"
TLS_1_3 = 0x0304


class Connections:
    def __init__(self, stage):
        self.mesh, self.web, self.apis, self.outside = stage.mesh, stage.web, stage.apis, stage.outside
        self.vip, self.vip6 = (stage.service.ipv4, ECHO), (stage.service.ipv6, ECHO)

    def balance(self):
        answers = collections.Counter(call(self.web, *self.vip) for _ in range(40))
        expect(len(answers) == 2, f"both pods answer; seen {dict(answers)}")
        did(f"web calls {self.vip[0]}:{ECHO} forty times",
            count(answers))
        answers = collections.Counter(call(self.web, *self.vip6) for _ in range(20))
        expect(len(answers) == 2, f"both pods answer over IPv6; seen {dict(answers)}")
        did(f"the same over IPv6, [{self.vip6[0]}]:{ECHO}, twenty times",
            count(answers))

    def encrypt(self):
        # Of a connection of before, only the end would be recorded.
        wait_until(lambda: not any(pod.proxy.connections() for pod in (self.web, *self.apis)),
                   "earlier connections to be closed")
        recorders = [pod.record() for pod in self.apis]
        name = call(self.web, *self.vip, SECRET)
        for recorder in recorders:
            recorder.stop()
        streams = [stream for recorder in recorders for stream in recorder.streams()]
        secrets = sum(recorder.contains(SECRET) for recorder in recorders)
        # Those that began meanwhile: of a connection before it the last bytes may still be on their way.
        from_api = [s.data for s in streams if s.source[1] == ECHO and s.has_syn]
        versions = {tls_version(data) for data in from_api if tls_records(data)}
        size = sum(len(stream.data) for stream in streams)
        expect(secrets == 0, "the secret is not on the wire")
        expect(versions == {TLS_1_3}, f"TLS 1.3 is on the wire; seen {versions}")
        did(f'web sends "{SECRET.decode()}" to api while every byte between the pods is recorded',
            f"{name} got it; the {size} bytes on the wire hold TLS 1.3 and no plaintext")

    def be_strict(self):
        target = self.apis[0].ipv4, ECHO
        name = call(self.outside, *target)
        did("the machine outside calls api-1 in plaintext; the mode is permissive",
            f"{name} answered")
        self.mesh.namespace("demo", {"outrigger.dev/mtls-mode": "strict"})
        seconds = until(lambda: is_refused(self.outside, *target), "the strict mode to hold")
        event = self.apis[0].proxy.wait_for_event("connection_refused", reason="plaintext_refused")
        call(self.web, *self.vip)
        did("annotate the namespace with outrigger.dev/mtls-mode: strict, and call again",
            f"refused after {seconds * 1000:.0f} ms, while web goes on; api-1's log says why:")
        quote_event(event, "direction", "reason", "source", "destination", "mtls_mode")

    def authorize(self):
        policy = self.mesh.access_policy("no-web", {
            "selector": {"matchLabels": {"app": "api"}},
            "action": "Deny",
            "rules": [{"from": [{"serviceAccounts": ["web"]}], "to": [{"ports": [ECHO]}]}]})
        seconds = until(lambda: is_refused(self.web, *self.vip), "the policy to take effect")
        expect(seconds < 1, f"the policy takes effect in under a second; it took {seconds:.2f} s")
        events = wait_until(lambda: [event for pod in self.apis for event in
                                     pod.proxy.events("connection_refused", policy="demo/no-web")],
                            "the refusal to be logged")
        did("drop an AccessPolicy that denies web into the folder",
            f"refused after {seconds * 1000:.0f} ms; the log names the policy {events[0]['policy']} "
            f"and the identity {events[0].get('source_identity', '?')}")
        self.mesh.manifests.remove(policy)
        seconds = until(lambda: not is_refused(self.web, *self.vip), "the policy to be gone")
        expect(seconds < 1, f"the removal takes effect in under a second; it took {seconds:.2f} s")
        did("remove the file", f"allowed again after {seconds * 1000:.0f} ms")

    def serials(self):
        pods = (self.web, *self.apis)
        return [pod.proxy.admin("/certificates").json()["serial"] for pod in pods]

    def rotate(self):
        client = self.web.connect(*self.vip)
        before, counter = self.serials(), 0

        def exchange():
            nonlocal counter
            message = struct.pack("!Q", counter) * 1024
            client.sendall(message)
            got = b""
            while len(got) < len(message) + (len(name) if counter == 0 else 0):
                part = client.recv(65536)
                expect(part, "the transfer goes on through the rotation")
                got += part
                if counter == 0 and b"\n" in got[:16]:
                    name[:] = got[:got.index(b"\n") + 1]
            expect(got.endswith(message), "the bytes come back as they were sent")
            counter += 1
            return all(old != new for old, new in zip(before, self.serials()))

        name = bytearray()
        with client:
            wait_until(exchange, "every proxy to have a new certificate", timeout=60, every=0.05)
            exchange()
        did(f"keep one transfer running until web's proxy and both of api's have renewed their certificates "
            f"({self.mesh.leaf_ttl} lifetime)",
            f"{counter} exchanges of 8 KiB on the one connection, none lost, none altered")

    def lose_controller(self):
        failed, calls, stop = [], 0, threading.Event()

        def keep_calling():
            nonlocal calls
            while not stop.is_set():
                try:
                    call(self.web, *self.vip)
                except OSError as problem:
                    failed.append(problem)
                calls += 1

        caller = threading.Thread(target=keep_calling)
        caller.start()
        try:
            self.mesh.controller.kill()
            wait_until(lambda: self.web.proxy.metric("outrigger_control_connected") == 0,
                       "web's proxy to notice")
            expect(all(proxy.admin("/readyz").status == 200 for proxy in self.mesh.proxies),
                   "the proxies stay ready")
            seen = calls
            wait_until(lambda: calls > seen + 20, "calls to go on without a controller")
            self.mesh.controller.restart()
            seconds = until(lambda: all(proxy.metric("outrigger_control_connected") == 1
                                        for proxy in self.mesh.proxies), "all to be back")
            seen = calls
            wait_until(lambda: calls > seen + 20, "calls to go on with the new controller")
        finally:
            stop.set()
            caller.join()
        expect(not failed, f"no call fails; {len(failed)} of {calls} did, the first: {failed[:1]}")
        did("kill the controller and start it again, while web calls without a pause",
            f"{calls} calls, none failed; proxies stayed ready and were back {seconds:.1f} s after "
            "the controller")
