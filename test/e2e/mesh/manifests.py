"""The folder of Kubernetes YAML that the controller reads."""
import os

import yaml

API = "outrigger.dev/v1alpha1"


class Manifests:
    """Writes objects as files, each in one step, so that no reader ever sees half a file."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def put(self, document):
        """One object (a dict) into the file of its kind, namespace and name; returns the path."""
        metadata = document["metadata"]
        name = "-".join(part for part in (document["kind"].lower(), metadata.get("namespace"),
                                          metadata["name"]) if part)
        return self.write(f"{name}.yaml", yaml.safe_dump(document, sort_keys=False))

    def write(self, name, text):
        """A file of that name with this text, in one step."""
        path = os.path.join(self.folder, name)
        beside = os.path.join(self.folder, f".{name}.new")
        with open(beside, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(beside, path)
        return path

    def remove(self, path):
        os.unlink(path)


def namespace(name, annotations=None):
    return {"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "annotations": annotations or {}}}


def service_account(namespace_name, name):
    return {"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"namespace": namespace_name, "name": name}}


def pod(namespace_name, name, account, labels, annotations, ips, ports, has_proxy, is_ready=True):
    """`ports` is {name: number}."""
    containers = [{"name": "app", "image": "app",
                   "ports": [{"name": key, "containerPort": port, "protocol": "TCP"}
                             for key, port in ports.items()]}]
    if has_proxy:
        containers.append({"name": "outrigger-proxy", "image": "outrigger"})
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": namespace_name, "name": name, "labels": labels,
                         "annotations": annotations},
            "spec": {"serviceAccountName": account, "containers": containers},
            "status": {"phase": "Running", "podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips],
                       "conditions": [{"type": "Ready", "status": str(is_ready)}]}}


def service(namespace_name, name, ips, ports, selector, annotations=None):
    """`ports` is {name: (port, target port)}, or with an appProtocol as the third."""
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": {"namespace": namespace_name, "name": name, "annotations": annotations or {}},
            "spec": {"clusterIP": ips[0], "clusterIPs": list(ips), "selector": selector,
                     "ports": [{"name": key, "port": port, "targetPort": target, "protocol": "TCP",
                                **({"appProtocol": spoken[0]} if spoken else {})}
                               for key, (port, target, *spoken) in ports.items()]}}


def access_policy(namespace_name, name, spec):
    return {"apiVersion": API, "kind": "AccessPolicy",
            "metadata": {"namespace": namespace_name, "name": name}, "spec": spec}
