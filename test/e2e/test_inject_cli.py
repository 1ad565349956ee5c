"""`outrigger inject`: manifests in, the same with the proxy in their pods out."""
import subprocess

import pytest
import yaml
from mesh.programs import program

STREAM = """\
# All of the shop.
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  annotations: {outrigger.dev/log-level: debug}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web   # the web
  namespace: shop
spec:
  template:
    metadata:
      labels: {app: web}
    spec:
      # the application itself
      containers:
      # its only container
      - name: web   # naïve
        image: web:1
        livenessProbe:
          httpGet: {path: /healthz, port: http}   # alive?
          periodSeconds: 3
        ports:
        - name: http
          containerPort: 8080
        args: ["a", "b"]
---
# Nothing of ours, and not to be touched.
kind: ConfigMap
data: &x {a: b}
same: *x
"""


def inject(text, *words, path="-"):
    return subprocess.run([program("outrigger"), "inject", "-f", path, *words], input=text,
                          capture_output=True, text=True, timeout=20, check=False)


def injected(text, *words):
    done = inject(text, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout, list(yaml.safe_load_all(done.stdout)), done.stderr


def names(containers):
    return [container["name"] for container in containers]


def without(text, lines):
    """`text` without the lines that are new in it; all of `lines` must be there, in order."""
    left = iter(text.splitlines())
    return all(any(line == other for other in left) for line in lines)


def test_only_what_is_needed_changes():
    text, documents, told = injected(STREAM)
    assert told == ""
    kept = [line for line in STREAM.splitlines() if "httpGet" not in line]
    assert without(text, kept)  # every line and comment, in its order
    assert "# alive?" in text
    spec = documents[1]["spec"]["template"]["spec"]
    assert names(spec["initContainers"]) == ["outrigger-init", "outrigger-proxy"]
    assert names(spec["containers"]) == ["web"]
    assert "--log-level=debug" in spec["initContainers"][1]["args"]  # as the namespace says
    assert spec["containers"][0]["livenessProbe"] == {
        "httpGet": {"path": "/app-probe/web/liveness", "port": 15000}, "periodSeconds": 3}
    assert documents[2] == {"kind": "ConfigMap", "data": {"a": "b"}, "same": {"a": "b"}}


def test_a_second_time_changes_nothing():
    text, _, _ = injected(STREAM)
    again, _, told = injected(text)
    assert again == text
    assert told == ("outrigger: -:8: Deployment web: not injected: the pod has a container "
                    "outrigger-proxy already\n")


POD = "spec: {containers: [{name: a, image: b}]}"
KINDS = {
    "Pod": "kind: Pod\nmetadata: {name: p}\n" + POD,
    "Deployment": "kind: Deployment\nspec: {template: {" + POD + "}}",
    "StatefulSet": "kind: StatefulSet\nspec:\n  template:\n    " + POD,
    "DaemonSet": "kind: DaemonSet\nspec:\n  template: {" + POD + "}",
    "ReplicaSet": "kind: ReplicaSet\nspec:\n  template:\n    " + POD,
    "Job": "kind: Job\nspec:\n  template:\n    " + POD,
    "CronJob": "kind: CronJob\nspec:\n  jobTemplate:\n    spec:\n      template:\n        " + POD,
    "List": "kind: List\nitems:\n- kind: Pod\n  metadata: {name: p}\n  " + POD +
            "\n- kind: Service\n- kind: Job\n  spec:\n    template:\n      " + POD,
    "JSON": '{"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}]}}',
    "CRLF": "kind: Pod\r\nmetadata:\r\n  name: p\r\nspec:\r\n  containers:\r\n  - name: a\r\n",
    "literal last": "kind: Pod\nspec:\n  containers:\n  - name: a\n    args:\n    - |\n      x\n\n",
    "no newline at the end": "kind: Pod\nspec:\n  containers:\n  - name: a",
    "empty lists": "kind: Pod\nspec:\n  initContainers: []\n  volumes:\n  containers:\n  - name: a\n",
    "deep indentation": "kind: Pod\nspec:\n    volumes:\n      - name: d\n    initContainers:\n"
                        "      - name: i\n    containers:\n      -   name: a\n          image: b\n",
    "not ASCII": "kind: Pod\nmetadata:\n  annotations: {a: 'äöü 漢字 🛶'}\nspec:\n  # ü\n"
                 "  containers:\n  - name: a # é\n    image: b\n",
}


def pods_of(document):
    if document["kind"] == "List":
        return [pod for item in document["items"] for pod in pods_of(item)]
    if document["kind"] == "Service":
        return []
    while "containers" not in document["spec"]:
        document = document["spec"].get("jobTemplate") or document["spec"]["template"]
    return [document]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("words", [(), ("--sidecars=ordinary",)], ids=["native", "ordinary"])
def test_every_kind_and_every_way_to_write_it(name, words):
    text, documents, _ = injected(KINDS[name], *words)
    before = [pod for doc in yaml.safe_load_all(KINDS[name]) for pod in pods_of(doc)]
    after = [pod for doc in documents for pod in pods_of(doc)]
    assert len(before) == len(after) > 0
    for old, new in zip(before, after):
        spec = new["spec"]
        added = ["outrigger-init"] + ["outrigger-proxy"] * (not words)
        assert names(spec["initContainers"]) == added + names(old["spec"].get("initContainers") or [])
        assert names(spec["containers"]) == ["outrigger-proxy"] * bool(words) + \
            names(old["spec"]["containers"])
        assert names(spec["volumes"])[-2:] == ["outrigger-token", "outrigger-anchors"]
        assert spec["containers"][-1] == old["spec"]["containers"][-1]
    if name == "not ASCII":
        assert "# ü" in text and "# é" in text and "🛶" in text


def test_who_declines_is_left_alone_and_told():
    text = ("kind: Pod\nmetadata: {name: p, labels: {outrigger.dev/inject: disabled}}\n" + POD +
            "\n---\nkind: Pod\nmetadata: {name: q}\nspec: {hostNetwork: true, containers: []}\n")
    done = inject(text)
    assert done.returncode == 0 and done.stdout == text
    lines = done.stderr.splitlines()
    assert lines[0] == 'outrigger: -:1: Pod p: not injected: outrigger.dev/inject is "disabled"'
    assert "node's network" in lines[1] and lines[1].startswith("outrigger: -:5: Pod q:")


def test_warnings_name_the_place():
    _, _, told = injected("\nkind: Pod\nmetadata: {name: p, annotations: {outrigger.dev/log-levle: x}}\n" + POD)
    assert told == ('outrigger: -:2: Pod p: metadata.annotations["outrigger.dev/log-levle"]: there '
                    'is no such setting; did you mean "outrigger.dev/log-level"?\n')


@pytest.mark.parametrize("text,told", [
    ("kind: Pod\nspec: [\n", "-:3: not YAML:"),
    ("a: b\n---\nkind: Deployment\nspec: {}\n", "-:3: Deployment: template is missing, or no map"),
    ("kind: Pod\nmetadata: &m {}\nspec: {containers: []}\n", "-:2: anchors"),
    ("kind: Pod\nkind: Pod\n" + POD, '-:2: key "kind" is there twice'),
    ("kind: List\nitems: {}\n", "-:2: items: expected a list"),
    ("kind: Pod\n? [a]\n: b\n", "-:2: a key must be a text"),
], ids=str)
def test_what_cannot_be_read_is_told_in_one_line(text, told):
    done = inject(text)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"outrigger: {told}") and len(done.stderr.splitlines()) == 1


def test_files_and_usage(tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text("kind: Pod\n" + POD + "\n- x")
    done = inject("", path=str(path))
    assert done.returncode == 1 and f"outrigger: {path}:3: not YAML" in done.stderr
    done = inject("", path=str(tmp_path / "none"))
    assert done.returncode == 1 and "none" in done.stderr
    for words in (["injekt"], [], ["inject", "--imgae=x"], ["inject", "x"],
                  ["inject", "--proxy-cpu-request=2", "--proxy-cpu-limit=1"]):
        done = subprocess.run([program("outrigger"), *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, words
    done = subprocess.run([program("outrigger"), "inject", "--help"], capture_output=True,
                          text=True, timeout=20, check=True)
    assert "--proxy-image" in done.stdout
