"""The controller fed by an API server: what it is told takes effect, and whatever the API server does
nothing that was known is lost and nothing is missed."""
import pathlib
import threading
import time

import pytest

from mesh import Load, Mesh, ask, wait_until, web_and_api
from mesh.kube_api import KubeApi, TOKEN, half_an_event, silence, status


class Scene:
    """A mesh whose manifests are an API server's."""

    def __init__(self, folder, absent=("HTTPRoute", "TrafficSplit"), user=None, start=True):
        self.mesh = Mesh(start_controller=False)
        self.api = KubeApi(self.mesh.controller.net, folder, absent)
        self.mesh.on_close(self.api.close)
        self.mesh.controller.kubeconfig = self.api.kubeconfig(folder, "127.0.0.1", **(user or {}))
        self.mesh.manifests = self.api
        if start:
            self.mesh.controller.start()

    def __enter__(self):
        self.mesh.__enter__()
        return self

    def __exit__(self, *exception):
        return self.mesh.__exit__(*exception)

    def objects(self, kind="Service"):
        page = self.mesh.controller.admin("/objects").json()
        return {o["name"] for o in page["objects"][kind]}

    def kind(self, kind):
        page = self.mesh.controller.admin("/objects").json()
        return next(one for one in page["kubernetes"] if one["kind"] == kind)

    def problems(self):
        return self.mesh.controller.admin("/objects").json()["problems"]

    def events(self, name, **more):
        return self.mesh.controller.process.events(name, **more)

    def has(self, *names, kind="Service"):
        wait_until(lambda: self.objects(kind) == set(names), f"{kind}s {names}")


def service(name, **annotations):
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": {"namespace": "demo", "name": name, "annotations": annotations},
            "spec": {"clusterIP": "10.96.9.9", "selector": {"app": name}, "ports": [{"name": "http", "port": 80}]}}


@pytest.fixture
def folder(tmp_path):
    return pathlib.Path(tmp_path)


@pytest.fixture
def scene(folder):
    with Scene(folder) as made:
        yield made


def test_a_mesh_from_an_api_server(scene):
    web, [api], echo = web_and_api(scene.mesh, app="http_echo.py", port_name="http")
    assert ask(web, echo.ipv4, 80, "/").status == 200
    assert api.proxy.wait_for_event("request")["source_identity"].endswith("/sa/web")
    scene.api.put({"apiVersion": "outrigger.dev/v1alpha1", "kind": "AccessPolicy",
                   "metadata": {"namespace": "demo", "name": "no"},
                   "spec": {"action": "Deny", "rules": [{"to": [{"paths": ["/no"]}]}]}})
    wait_until(lambda: ask(web, echo.ipv4, 80, "/no").status == 403, "the policy to hold")
    scene.api.remove("AccessPolicy", "demo", "no")
    wait_until(lambda: ask(web, echo.ipv4, 80, "/no").status == 200, "the policy to be gone")


def test_lists_come_in_pages_and_ballast_is_dropped(folder):
    with Scene(folder, start=False) as scene:
        scene.api.page = 3
        for number in range(10):
            scene.api.put(service(f"s{number}", **{
                "kubectl.kubernetes.io/last-applied-configuration": "x" * 20000}))
        scene.mesh.controller.start()
        assert len(scene.objects()) == 10
        assert scene.api.n_lists("Service") == 4
        scene.api.put(service("more"))
        wait_until(lambda: len(scene.objects()) == 11, "what came later")
        assert scene.api.n_lists("Service") == 4, "it was told by the watch"


def test_what_happens_while_a_watch_is_broken_is_not_missed(scene):
    scene.api.put(service("one"))
    scene.has("one")
    lists = scene.api.n_lists("Service")
    scene.api.faults["Service"].append(half_an_event)
    scene.api.cut()
    scene.api.put(service("two"))
    scene.api.remove("Service", "demo", "one")
    scene.has("two")
    assert scene.api.n_lists("Service") == lists, "it went on where it was"


def test_what_is_no_longer_known_is_listed_again(scene):
    scene.api.put(service("one"))
    scene.api.put(service("two"))
    scene.has("one", "two")
    lists = scene.api.n_lists("Service")
    with scene.api._lock:  # what happens is forgotten before anybody hears of it
        gone = scene.api.objects.pop(("Service", "demo", "one"))
        assert gone
        scene.api.version += 1
    scene.api.forget()
    scene.has("two")
    assert scene.api.n_lists("Service") == lists + 1
    scene.api.put(service("three"))
    scene.has("two", "three")


@pytest.mark.parametrize("fault", [status(500), status(429, Retry_After="1"), status(503)])
def test_an_answer_that_is_none_is_asked_for_again(folder, fault):
    with Scene(folder, start=False) as scene:
        scene.api.put(service("one"))
        scene.api.faults["Service"] += [fault, fault]
        began = time.monotonic()
        scene.mesh.controller.start()
        scene.has("one")
        assert scene.events("kubernetes_failed") and not scene.problems()
        if fault.__closure__[0].cell_contents == 429:
            assert time.monotonic() - began > 1.5, "twice as long as was asked for, give or take a fifth"


def test_a_kind_that_does_not_exist_is_empty_and_found_when_it_comes(scene):
    assert scene.kind("HTTPRoute")["absent"] and scene.kind("TrafficSplit")["absent"]
    assert not scene.problems()


def test_an_older_version_of_a_kind_is_found(folder):
    with Scene(folder, absent=("HTTPRoute",), start=False) as scene:
        for name in ("api", "v1"):
            scene.api.put(service(name))
        scene.api.put({"apiVersion": "split.smi-spec.io/v1alpha2", "kind": "TrafficSplit",
                       "metadata": {"namespace": "demo", "name": "s"},
                       "spec": {"service": "api", "backends": [{"service": "v1", "weight": 1}]}})
        scene.mesh.controller.start()
        assert scene.objects("TrafficSplit") == {"s"}
        assert scene.kind("TrafficSplit")["path"].endswith("v1alpha2/trafficsplits")


def test_an_object_that_is_wrong_leaves_the_one_before_and_is_told(scene):
    def policy(action):
        return {"apiVersion": "outrigger.dev/v1alpha1", "kind": "AccessPolicy",
                "metadata": {"namespace": "demo", "name": "p"},
                "spec": {"action": action, "rules": [{"to": [{"paths": ["/x"]}]}]}}
    scene.api.put(policy("Deny"))
    scene.has("p", kind="AccessPolicy")
    scene.api.put(policy("Refuse"))
    wait_until(scene.problems, "the problem to be told")
    assert scene.problems() == ['AccessPolicy/demo/p:1: spec.action: "Refuse" is none of Allow, Deny, Audit']
    assert scene.objects("AccessPolicy") == {"p"}
    scene.api.put(policy("Audit"))
    wait_until(lambda: not scene.problems(), "it to be mended")
    scene.api.put(policy("Refuse"))
    wait_until(scene.problems, "the problem to be told")
    scene.api.remove("AccessPolicy", "demo", "p")
    wait_until(lambda: not scene.problems() and not scene.objects("AccessPolicy"), "both to be gone")


def test_an_api_server_that_is_away_changes_nothing(scene):
    web, _, echo = web_and_api(scene.mesh, app="http_echo.py", port_name="http")
    assert ask(web, echo.ipv4, 80, "/").status == 200
    scene.api.is_down = True
    scene.api.cut()
    wait_until(lambda: any("Pod cannot be followed" in p for p in scene.problems()), "it to be told")
    with Load(web, "http", echo.ipv4, 80) as load:
        load.wait_for_more(200)
        assert load.stop()["failed"] == []
    assert scene.mesh.controller.admin("/readyz").status == 200
    scene.api.is_down = False
    scene.api.put(service("later"))
    wait_until(lambda: "later" in scene.objects() and not scene.problems(), "all to be well", timeout=60)


def test_who_is_not_let_in_is_told_so_and_does_not_serve(folder):
    with Scene(folder, user={"token": "wrong"}, start=False) as scene:
        controller = scene.mesh.controller
        try:
            controller.start()
        except AssertionError:
            pass
        except Exception as problem:  # noqa: BLE001 - not ready in time is what is expected
            assert "ready" in str(problem)
        event = scene.events("kubernetes_failed")[0]
        assert "401: Unauthorized" in event["error"]
        assert not scene.events("controller_started")


def test_a_token_in_a_file_is_read_anew(folder):
    token = folder / "token"
    token.write_text("old\n")
    with Scene(folder, user={"tokenFile": str(token)}, start=False) as scene:
        scene.api.put(service("one"))
        controller = scene.mesh.controller

        def renew():
            wait_until(lambda: controller.process and scene.events("kubernetes_failed"), "it to be refused")
            token.write_text(TOKEN + "\n")
        renewer = threading.Thread(target=renew)
        renewer.start()
        controller.start()
        renewer.join()
        scene.has("one")


class Tokens:
    """Pods whose tokens the cluster has signed, with these audiences."""

    def __init__(self, scene, audiences=("outrigger",)):
        self.scene, self.audiences = scene, list(audiences)
        scene.mesh.token = self.make

    def make(self, namespace, account, pod=None):
        text = f"cluster-token-of-{pod}"
        self.scene.api.tokens[text] = (namespace, account, pod, self.audiences)
        return self.scene.mesh.write_token(text, namespace, account, pod)


def test_tokens_of_the_cluster_are_asked_about(scene):
    Tokens(scene)
    web, [api], echo = web_and_api(scene.mesh, app="http_echo.py", port_name="http")
    assert ask(web, echo.ipv4, 80, "/").status == 200
    event = api.proxy.wait_for_event("request")
    assert event["source_identity"] == "spiffe://cluster.local/ns/demo/sa/web"
    assert scene.api.n_reviews == 2


@pytest.mark.parametrize("audiences, why", [(["vault"], "the cluster does not take it"), ([], "invalid bearer token")])
def test_tokens_for_others_are_refused(scene, audiences, why):
    Tokens(scene, audiences)
    scene.mesh.pod("web", wait=False)
    wait_until(lambda: scene.events("identity_refused"), "the refusal")
    event = scene.events("identity_refused")[0]
    assert event["code"] == "UNAUTHENTICATED" and why in event["error"], event


def test_a_cluster_that_cannot_judge_is_asked_again(scene):
    Tokens(scene)
    scene.api.faults["TokenReview"] += [status(503, "not now"), lambda handler, _: None]
    web, _, echo = web_and_api(scene.mesh, app="http_echo.py", port_name="http")
    assert ask(web, echo.ipv4, 80, "/").status == 200
    events = scene.events("identity_refused", code="UNAVAILABLE")
    assert any("503: not now" in event["error"] for event in events), events
    assert scene.api.n_reviews == 2 + 2, "once for each pod, and for each time that it could not"


def test_every_namespace_gets_the_trust_anchors(folder):
    with Scene(folder, start=False) as scene:
        for name in ("one", "two"):
            scene.mesh.namespace(name)
        scene.api.faults["ConfigMap"] += [status(403, "configmaps is forbidden"), status(500)]
        scene.mesh.controller.start()
        name = "outrigger-trust-anchors"
        wait_until(lambda: set(scene.api.config_maps) == {("one", name), ("two", name)}, "both to have them")
        with open(scene.mesh.controller.anchors_file, encoding="ascii") as file:
            assert scene.api.config_maps["one", name] == {"root.pem": file.read()}
        event = scene.events("anchors_not_published")[0]
        assert "ConfigMap one/outrigger-trust-anchors cannot be written" in event["error"]
        assert "403: configmaps is forbidden" in event["error"]
        wait_until(lambda: not scene.problems(), "nothing to be wrong any more")
        scene.mesh.namespace("three")
        wait_until(lambda: ("three", name) in scene.api.config_maps, "a new one to have them")
        scene.api.remove("Namespace", "", "one")
        scene.mesh.namespace("four")  # after that one's removal took effect
        wait_until(lambda: ("four", name) in scene.api.config_maps, "the next to have them")
        scene.mesh.namespace("one")
        wait_until(lambda: scene.api.applied.count("one") == 2, "it to have them again")
        assert scene.api.applied.count("two") == 1
