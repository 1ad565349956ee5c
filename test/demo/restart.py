"""Every pod of `api` is replaced while it is called without a pause: nobody notices."""
import signal
import time

from mesh import wait_until
from stage import GRPC
from story import did, expect

MORE = 100  # calls that are waited for between two steps


class Restart:
    def __init__(self, stage):
        self.stage, self.web = stage, stage.web

    def wait_for_more(self, loads):
        before = [load.done() for load in loads]
        wait_until(lambda: all(load.done() >= was + MORE for load, was in zip(loads, before)),
                   "calls to go on")

    def replace(self, old, name):
        """As a Deployment does it: one more pod, then one less. Returns (new, seconds old took to end)."""
        new = self.stage.start_api(name)
        # Kubernetes tells the controller that the pod is no endpoint any more, and the node to end its
        # containers, in the same moment: nobody waits for anybody.
        old.publish(is_ready=False)
        processes = (*old.apps, old.proxy)
        for process in processes:
            process.signal(signal.SIGTERM)
        start = time.monotonic()
        for process in processes:
            process.wait()
            process.judge()
        seconds = time.monotonic() - start
        old.unpublish()
        return new, seconds

    def roll(self):
        loads = [self.stage.load(f"http://{self.stage.service.ipv4}/orders"),
                 self.stage.load(f"grpc://{self.stage.service.ipv4}:{GRPC}/shop.Orders/Get")]
        retries = self.web.proxy.metric("outrigger_request_retries_total")
        self.wait_for_more(loads)
        seen = []
        for i, old in enumerate(list(self.stage.apis)):
            new, seconds = self.replace(old, f"api-{i + 3}")
            self.stage.apis[i] = new
            self.wait_for_more(loads)
            seen.append(f"{new.name} took over from {old.name}, which had ended "
                        f"{seconds * 1000:.0f} ms after SIGTERM")
        for load in loads:
            load.stop()
        retries = self.web.proxy.metric("outrigger_request_retries_total") - retries
        self.judge(loads, seen, retries)

    def judge(self, loads, seen, retries):
        failed = [text for load in loads for text in load.failed()]
        http, grpc = (load.done() for load in loads)
        expect(not failed, f"no request fails; {len(failed)} of {http + grpc} did: {failed[:3]}")
        names = sorted(set().union(*(load.answers() for load in loads)))
        expect(len(names) == 4, f"old and new pods answer; seen {names}")
        times = sorted(ms for load in loads for ms in load.milliseconds())
        did("web calls api without a pause, on 4 HTTP/1.1 connections (GET and POST) and 4 gRPC channels; "
            "a tenth of the calls take 100 ms",
            f"{http} HTTP requests and {grpc} gRPC calls, 0 failed, answered by {', '.join(names)}",
            f"half took under {times[len(times) // 2]:.1f} ms, the slowest {times[-1]:.0f} ms; "
            f"{retries:.0f} were sent again by web's proxy, to another pod than the one that was going")
        did("meanwhile replace each pod of api: when a new one is ready the old one's endpoint goes and, in "
            "the same moment, its proxy and applications get SIGTERM; the applications end when nobody has "
            "asked for 200 ms", *seen)
