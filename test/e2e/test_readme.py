"""What the README and the custom resource definitions say is what the programs do."""
import os
import re
import subprocess
import sys

import jsonschema
import pytest
import yaml

from mesh import manifests, program
from mesh.programs import REPOSITORY

README = os.path.join(REPOSITORY, "README.md")
CRDS = os.path.join(REPOSITORY, "charts/outrigger/crds")


def examples():
    with open(README, encoding="utf-8") as file:
        return re.findall(r"```yaml\n(.*?)```", file.read(), re.S)


def schemas():
    found = {}
    for name in os.listdir(CRDS):
        with open(os.path.join(CRDS, name), encoding="utf-8") as file:
            spec = yaml.safe_load(file)["spec"]
        schema = spec["versions"][0]["schema"]["openAPIV3Schema"]
        # The API server prunes what the schema does not name; the controller refuses it.
        found[spec["names"]["kind"]] = close_objects(schema["properties"]["spec"])
    return found


def close_objects(schema):
    if isinstance(schema, list):
        return [close_objects(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: close_objects(value) for key, value in schema.items()}
    if "properties" in closed and closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


def check(folder, text):
    (folder / "object.yaml").write_text(text, encoding="utf-8")
    return subprocess.run([program("outrigger-controller"), "check", str(folder)],
                          capture_output=True, text=True, timeout=30, check=False)


def is_schema_valid(document):
    try:
        jsonschema.validate(document["spec"], schemas()[document["kind"]])
    except jsonschema.ValidationError:
        return False
    return True


def test_tables_are_up_to_date():
    done = subprocess.run([sys.executable, os.path.join(REPOSITORY, "test/readme.py"), "--check"],
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def services():
    """Those that the examples are about."""
    return "---\n".join(yaml.safe_dump(manifests.service("demo", name, ["10.96.0.1"],
                                                         {"http": (80, 8080)}, {"app": name}))
                        for name in ("api", "api-v1", "api-v2"))


def test_examples_are_accepted(tmp_path):
    assert len(examples()) >= 2
    (tmp_path / "services.yaml").write_text(services(), encoding="utf-8")
    for text in examples():
        done = check(tmp_path, text)
        assert done.returncode == 0, done.stdout + done.stderr
        for document in yaml.safe_load_all(text):
            # The Gateway API brings its own definitions.
            assert document["kind"] not in schemas() or is_schema_valid(document)


# Each spec, and whether both the controller and the definition must take it.
SPECS = [
    ("AccessPolicy", {"action": "Allow"}, True),
    ("AccessPolicy", {"action": "Deny", "rules": [{}]}, True),
    ("AccessPolicy", {"action": "Audit", "rules": [{"from": [{"unauthenticated": True}]}]}, True),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{"ports": [1, "2-3"]}]}]}, True),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{
        "methods": ["GET"], "notMethods": ["M-SEARCH"], "paths": ["/", "/a/*", "/b*", "*"],
        "notPaths": ["/%20"], "hosts": ["api", "*.example", "10.0.0.1", "[::1]"],
        "notHosts": ["b.example"], "grpcMethods": ["s.S/M", "S/*"], "notGrpcMethods": ["a.B/C"],
        "headers": [{"name": "x-a", "values": ["1", "b*", ""]}, {"name": "x-b"}],
        "notHeaders": [{"name": "x-c"}]}]}]}, True),
    ("AccessPolicy", {}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{}]}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{"methods": ["get"]}]}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{"paths": ["admin"]}]}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{"paths": ["/a?b"]}]}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{"paths": ["/a*b"]}]}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{"hosts": ["a:80"]}]}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{"hosts": ["*"]}]}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{"grpcMethods": ["/S/M"]}]}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{"grpcMethods": ["S/M*"]}]}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{"headers": [{"name": "X"}]}]}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{"headers": ["x"]}]}]}, False),
    ("AccessPolicy", {"action": "Refuse"}, False),
    ("AccessPolicy", {"action": "Deny", "rule": []}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"from": []}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"from": [{}]}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"from": [{"identities": ["web"]}]}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"from": [{"unauthenticated": False}]}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{"ports": [0]}]}]}, False),
    ("AccessPolicy", {"action": "Deny", "rules": [{"to": [{"ports": ["http"]}]}]}, False),
    ("TrafficPolicy", {"inbound": {"mtls": {"mode": "Strict"}}}, True),
    ("TrafficPolicy", {"outbound": {"egressMode": "RegistryOnly", "discoveryTimeout": "2s"}}, True),
    ("TrafficPolicy", {"targetRefs": [{"kind": "Service", "name": "a"}],
                       "service": {"maxConnections": 5}}, True),
    ("TrafficPolicy", {"paths": {"escapedSlashes": "Keep", "mergeSlashes": True}}, True),
    ("TrafficPolicy", {"targetRefs": [{"kind": "Service", "name": "a"}], "service": {
        "retries": {"attempts": 2, "retryOn": ["Reset", 503, "Unavailable"], "perTryTimeout": "1s",
                    "backoff": "10ms"}, "retryBudget": {"percent": 20}}}, True),
    ("TrafficPolicy", {"targetRefs": [{"kind": "Service", "name": "a"}],
                       "service": {"retries": {"retryOn": ["5xx"]}}}, False),
    ("TrafficPolicy", {"targetRefs": [{"kind": "Service", "name": "a"}],
                       "service": {"retries": {"retryOn": [200]}}}, False),
    ("TrafficPolicy", {"targetRefs": [{"kind": "Service", "name": "a"}],
                       "service": {"retryBudget": {}}}, False),
    ("HTTPFilter", {"directResponse": {"status": 503, "body": "no", "contentType": "text/a"}}, True),
    ("ExternalService", {"hosts": ["*.a.example"], "ports": [443]}, True),
    ("ExternalService", {"addresses": ["10.0.0.0/8"], "ports": [5432]}, True),
    ("ExternalService", {"ports": [443]}, False),
    ("ExternalService", {"hosts": ["a"]}, False),
    ("ExternalService", {"hosts": ["a*"], "ports": [443]}, False),
    ("ExternalService", {"hosts": ["a"], "ports": [0]}, False),
    ("HTTPFilter", {"directResponse": {}}, True),
    ("HTTPFilter", {"fault": {"delay": {"duration": "1s", "percentage": 5}}}, True),
    ("HTTPFilter", {"fault": {"abort": {"grpcStatus": "Aborted"}}}, True),
    ("HTTPFilter", {}, False),
    ("HTTPFilter", {"fault": {}}, False),
    ("HTTPFilter", {"fault": {"abort": {"percentage": 5}}}, False),
    ("HTTPFilter", {"fault": {"delay": {"percentage": 5}}}, False),
    ("HTTPFilter", {"directResponse": {"status": 99}}, False),
    ("HTTPFilter", {"directResponse": {}, "fault": {"delay": {"duration": "1s"}}}, False),
    ("TrafficPolicy", {"inbound": {"rateLimits": [{"name": "all", "requests": 5, "per": "1s"}]}}, True),
    ("TrafficPolicy", {"inbound": {"rateLimits": [{"name": "each", "requests": 5, "per": "1m", "burst": 1,
                                                   "by": {"kind": "Header", "header": "X-User"}}]}}, True),
    ("TrafficPolicy", {"inbound": {"rateLimits": [{"name": "all", "requests": 0, "per": "1s"}]}}, False),
    ("TrafficPolicy", {"inbound": {"rateLimits": [{"name": "all", "requests": 5}]}}, False),
    ("TrafficPolicy", {"inbound": {"rateLimits": [{"name": "all", "requests": 5, "per": "1s",
                                                   "by": {"kind": "Colour"}}]}}, False),
    ("TrafficPolicy", {"inbound": {"rateLimits": []}}, False),
    ("TrafficPolicy", {"targetRefs": [{"kind": "Service", "name": "a"}], "service": {
        "balancing": {"algorithm": "RoundRobin"}, "outlierEjection": {"consecutive5xx": 5},
        "circuitBreaker": {"maxRequests": 100}}}, True),
    ("TrafficPolicy", {"targetRefs": [{"kind": "Service", "name": "a"}],
                       "service": {"outlierEjection": {"maxEjectedPercent": 10}}}, False),
    ("TrafficPolicy", {"targetRefs": [{"kind": "Service", "name": "a"}],
                       "service": {"circuitBreaker": {}}}, False),
    ("TrafficPolicy", {"targetRefs": [{"kind": "Service", "name": "a"}],
                       "service": {"circuitBreaker": {"maxRequests": 0}}}, False),
    ("TrafficPolicy", {"paths": {}}, False),
    ("TrafficPolicy", {"paths": {"escapedSlashes": "Decode"}}, False),
    ("TrafficPolicy", {}, False),
    ("TrafficPolicy", {"inbound": {"mtls": {"mode": "strict"}}}, False),
    ("TrafficPolicy", {"inbound": {"mtls": {"ports": [{"port": 70000, "mode": "Strict"}]}}}, False),
    ("TrafficPolicy", {"inbound": {"idleTimeout": "soon"}}, False),
    ("TrafficPolicy", {"outbound": {"egressMode": "DenyAll"}}, False),
    ("TrafficPolicy", {"targetRefs": [{"kind": "Pod", "name": "a"}],
                       "service": {"maxConnections": 5}}, False),
    ("TrafficPolicy", {"service": {"balancing": {"algorithm": "Fair"}},
                       "targetRefs": [{"kind": "Service", "name": "a"}]}, False),
]


@pytest.mark.parametrize("kind,spec,is_good", SPECS)
def test_controller_and_definition_agree(tmp_path, kind, spec, is_good):
    document = {"apiVersion": "outrigger.dev/v1alpha1", "kind": kind,
                "metadata": {"namespace": "demo", "name": "example"}, "spec": spec}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "demo", "name": "a"},
               "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 80}]}}
    (tmp_path / "service.yaml").write_text(yaml.safe_dump(service), encoding="utf-8")
    done = check(tmp_path, yaml.safe_dump(document))
    assert (done.returncode == 0) == is_good, done.stdout
    assert is_schema_valid(document) == is_good
