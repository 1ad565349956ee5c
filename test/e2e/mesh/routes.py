"""Gateway API routes whose parent is a Service, as dictionaries."""
import json

GROUP = "gateway.networking.k8s.io"
VERSIONS = {"TCPRoute": "v1alpha2"}


def route(name, rules, parent="echo", kind="HTTPRoute", namespace="demo", **parent_more):
    """`parent_more`: port, sectionName, or namespace_of for a Service of another namespace."""
    reference = {"group": "", "kind": "Service", "name": parent, **parent_more}
    if "namespace_of" in reference:
        reference["namespace"] = reference.pop("namespace_of")
    return {"apiVersion": f"{GROUP}/{VERSIONS.get(kind, 'v1')}", "kind": kind,
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"parentRefs": [reference], "rules": json.loads(json.dumps(rules))}}  # no YAML aliases for what is there twice


def to(name, weight=1, port=80, **more):
    return {"name": name, "port": port, "weight": weight, **more}


def path(value, kind="PathPrefix"):
    return {"path": {"type": kind, "value": value}}


def filtered(type_name, **body):
    """A filter of that type."""
    member = {"URLRewrite": "urlRewrite", "CORS": "cors"}.get(type_name,
                                                              type_name[0].lower() + type_name[1:])
    return {"type": type_name, member: body}


def extension(name):
    return filtered("ExtensionRef", group="outrigger.dev", kind="HTTPFilter", name=name)
