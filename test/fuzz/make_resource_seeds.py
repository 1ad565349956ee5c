#!/usr/bin/python3
"""Writes the seed corpora of the resource fuzzers: run it after a change of proto/*.proto.

Seeds are written in protobuf's text format and encoded by protoc, so that they stay readable here.
"""
import struct
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "test/fuzz/corpus"

WORKLOADS = {
    "empty": "",
    "plain": 'name: "shop/api-1" workload: "api" service_account: "api" addresses: "10.1.0.5"',
    "everything": '''
        name: "shop/api-1" workload: "api" service_account: "api" zone: "a"
        addresses: "10.1.0.5" addresses: "fd00::5" mtls_mode: STRICT default_access: DEFAULT_DENY
        ports { port: 8080 protocol: HTTP1 } ports { port: 443 protocol: TLS mtls_mode: DISABLED }
        access_policies { name: "shop/web" action: ALLOW rules {
            from { identities: "spiffe://cluster.local/ns/web/*" not_ip_blocks: "10.9.0.0/16" }
            from { service_accounts: "web/front" namespaces: "web" ip_blocks: "fd00::/8" }
            to { ports { first: 80 last: 90 } not_ports { first: 85 last: 85 } } } }
        access_policies { name: "shop/no" action: DENY rules { from { unauthenticated: true } } }
        access_policies { name: "shop/look" action: AUDIT rules {
            from { not_identities: "spiffe://cluster.local/ns/a/sa/b" not_service_accounts: "a/b"
                   not_namespaces: "a" } } }
        inbound { max_connections: 5 idle_timeout_ms: 1000 connect_timeout_ms: 100 }
        mesh { trust_domain: "cluster.local" egress_mode: REGISTRY_ONLY discovery_timeout_ms: 500
               access_log: true }''',
    "requests": '''name: "shop/api-1"
        access_policies { name: "shop/web" action: ALLOW rules { to {
            methods: "GET" paths: "/a" paths: "/a/*" paths: "/b*" paths: "*" hosts: "*.example"
            grpc_methods: "shop.Cart/Add" grpc_methods: "shop.Cart/*"
            headers { name: "x-a" values: "1" values: "2*" } headers { name: "user-agent" } } } }
        access_policies { name: "shop/no" action: DENY rules { to {
            not_methods: "GET" not_paths: "/a/b" not_hosts: "[::1]" not_grpc_methods: "s.S/M"
            not_headers { name: "x-b" values: "" } } } }
        mesh { path_rules { escaped_slashes: SLASHES_UNESCAPE merge_slashes: true } }''',
    "expressions": '''name: "shop/api-1"
        access_policies { name: "TrafficTarget/shop/in" action: ALLOW rules {
            from { service_accounts: "front/web" }
            to { ports { first: 80 last: 80 } methods: "GET" path_regexes: "(?:/api).*"
                 headers { name: "x-a" regexes: "a|b+" values: "c" } } } }''',
    "limits": '''name: "shop/api-1"
        rate_limits { name: "all" policy: "shop/a" requests: 10 per_ms: 1000 burst: 3 }
        rate_limits { name: "user" policy: "shop/a" requests: 1 per_ms: 60000 by: BY_HEADER header: "x-user"
            match { from { namespaces: "web" } to { paths: "/a/*" methods: "GET" } } }
        connection_rates { name: "each" policy: "shop/a" requests: 5 per_ms: 1000 by: BY_SOURCE }''',
    "external": '''name: "shop/api-1"
        external_authorization { service { policy: "shop/a" service: "shop/judge:9000" endpoints: "shop/judge/grpc"
            timeout_ms: 200 match { to { paths: "/a/*" } } } headers: "x-user" headers: "x-auth-*" }
        global_limits { service { policy: "shop/a" service: "shop/none:1" why: "there is no Service" timeout_ms: 50 }
            fail_closed: true domain: "shop" descriptors { entries { key: "user" from: ENTRY_HEADER value: "x-user" }
            entries { key: "path" from: ENTRY_PATH } } }''',
    "egress": '''name: "shop/api-1" mesh { egress_mode: REGISTRY_ONLY }
        external_hosts { object: "shop/a" hosts: "a.example" hosts: "*.b.example" addresses: "10.0.0.0/8" ports: 443 }
        external_hosts { object: "shop/b" ports: 1 }''',
    "tokens": '''name: "shop/api-1" jwt { policy: "shop/t" required: true providers {
        name: "a" issuer: "https://a" audiences: "b" leeway_sec: 60 remove_token: true
        jwks: '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
        claim_headers { claim: "sub" header: "x-sub" } } }''',
    "not_normal": '''name: "a/b" access_policies { name: "a/p" action: DENY rules {
        to { paths: "/a/../b" } } }''',
    "not_understood": '''name: "shop/api-1"
        access_policies { name: "shop/x" action: ACCESS_ACTION_UNSPECIFIED rules {} }
        access_policies { name: "shop/y" action: ALLOW rules { from {} to {} } }''',
    "bad_port": 'name: "shop/api-1" ports { port: 0 } ports { port: 70000 }',
    "bad_range": '''name: "a/b" access_policies { name: "a/p" action: DENY rules {
        to { ports { first: 90 last: 80 } } } }''',
    "bad_identity": '''name: "a/b" access_policies { name: "a/p" action: DENY rules {
        from { identities: "spiffe://d*" } } }''',
}
SERVICES = {
    "backends": '''name: "shop/api" port: 80 port_name: "http" protocol: HTTP1
        hosts: "api.shop.svc.cluster.local" balancing: P2C_PEAK_EWMA max_connections: 9
        connect_timeout_ms: 100 idle_timeout_ms: 1000
        backends { endpoints: "shop/api/80" weight: 90 }
        backends { endpoints: "shop/api/80/v2" weight: 10 }''',
    "routes": '''name: "shop/api" port: 80 backends { endpoints: "shop/api/80" weight: 1 }
        retry_budget { percent: 10 min_per_second: 1 }
        matches { rule: 0 path_kind: PATH_EXACT path: "/a" method: "GET"
                  headers { name: "x-a" kind: VALUE_EXACT value: "1" } }
        matches { rule: 1 path_kind: PATH_REGEX path: "/b[0-9]+"
                  query { name: "q" kind: VALUE_REGEX value: "x|y" } }
        matches { rule: 2 path_kind: PATH_PREFIX path: "/" }
        rules { name: "HTTPRoute/shop/a/0" request_timeout_ms: 100 backend_timeout_ms: 50
                retry { attempts: 2 statuses: 503 grpc_codes: 14 on_reset: true backoff_ms: 1 }
                filters { request_headers { set { name: "x-b" value: "2" } remove: "x-c" } }
                filters { rewrite { host: "h" path_edit: PATH_EDIT_PREFIX path: "/z" } }
                filters { mirror { backend { endpoints: "shop/m/80" service: "shop/m" } millionths: 500000 } }
                filters { cors { origins: "https://*" methods: "GET" headers: "*" max_age_sec: 5 } }
                backends { endpoints: "shop/api/80" weight: 9 service: "shop/api" }
                backends { weight: 1 why: "BackendNotFound" } }
        rules { name: "HTTPRoute/shop/b/0" filters { redirect { scheme: "https" status: 301 } } }
        rules { name: "HTTPRoute/shop/c/0" filters { fault { delay_ms: 1 delay_millionths: 1 abort_status: 503 } }
                filters { direct_response { status: 200 body: "x" content_type: "text/plain" } } }''',
    "resilience": '''name: "shop/api" port: 80 backends { endpoints: "shop/api/80" weight: 1 }
        balancing: MAGLEV balancing_rules { slow_start_ms: 5 hash_on { source: HASH_HEADER name: "x-a" }
            hash_on { source: HASH_COOKIE name: "c" ttl_ms: 1000 } hash_on { source: HASH_QUERY name: "q" }
            hash_on { source: HASH_SOURCE } }
        outlier_ejection { consecutive_5xx: 5 base_ms: 10 max_percent: 20 success_rate { min_hosts: 3 } }
        circuit_breaker { max_requests: 1 max_pending: 2 max_retries: 3 }''',
    "pod": '''name: "shop/api-1" port: 8080 pod { address: "10.1.0.5" port: 8080
        identity: "spiffe://cluster.local/ns/shop/sa/api" pod: "shop/api-1" workload: "api" }''',
    "pod_v6": 'name: "shop/api-1" port: 8080 pod { address: "fd00::5" port: 8080 }',
    "both": '''name: "a/b" port: 1 pod { address: "10.1.0.5" port: 8080 }
        backends { endpoints: "x" weight: 1 }''',
    "bad_weight": 'name: "a/b" port: 1 backends { endpoints: "x" weight: 1000001 }',
}
ENDPOINTS = {
    "none": 'name: "shop/api/80"',
    "several": '''name: "shop/api/80"
        endpoints { address: "10.1.0.5" port: 8080 weight: 3 zone: "a" health: HEALTHY
                    identity: "spiffe://cluster.local/ns/shop/sa/api" pod: "shop/api-1" }
        endpoints { address: "fd00::5" port: 8080 health: UNHEALTHY workload: "api" }
        endpoints { address: "10.1.0.6" port: 8080 health: DRAINING }''',
    "twice": '''name: "a" endpoints { address: "10.1.0.5" port: 1 }
        endpoints { address: "::ffff:10.1.0.5" port: 1 }''',
    "bad_address": 'name: "a" endpoints { address: "0.0.0.0" port: 1 }',
    "bad_identity": 'name: "a" endpoints { address: "1.2.3.4" port: 1 identity: "spiffe://D/" }',
}


def encode(message, text):
    return subprocess.run(
        ["protoc", f"--proto_path={ROOT}", "--proto_path=/usr/include", f"--encode={message}",
         "proto/discovery.proto", "proto/resources.proto"],
        input=text.encode(), stdout=subprocess.PIPE, check=True).stdout


def response(kind, resources, removed=()):
    url = f"type.googleapis.com/outrigger.v1.{kind}"
    text = f'type_url: "{url}" nonce: "1" system_version_info: "1"'
    for name, version, body in resources:
        text += f' resources {{ name: "{name}" version: "{version}" resource {{ [{url}] {{ {body} }} }} }}'
    for name in removed:
        text += f' removed_resources: "{name}"'
    return encode("envoy.service.discovery.v3.DeltaDiscoveryResponse", text)


def records(*steps):
    return b"".join(struct.pack(">BH", what, len(body)) + body for what, body in steps)


def conversations():
    reconnect, forget, publish, flush = 1, 2, 4, 8
    workload = response("Workload", [("shop/api-1", "1", WORKLOADS["everything"])])
    service = response("Service", [("10.96.0.10:80", "1", SERVICES["backends"]),
                                   ("10.1.0.5:8080", "1", SERVICES["pod"])])
    endpoints = response("Endpoints", [("shop/api/80", "1", ENDPOINTS["several"]),
                                       ("shop/api/80/v2", "1", 'name: "shop/api/80/v2"')])
    removed = response("Service", [], ["10.96.0.10:80", "10.1.0.5:8080", "never asked"])
    bad = response("Service", [("10.96.0.10:80", "2", SERVICES["bad_weight"])])
    unknown = encode("envoy.service.discovery.v3.DeltaDiscoveryResponse",
                     'type_url: "type.googleapis.com/envoy.config.cluster.v3.Cluster" nonce: "x"')
    yield "whole", records((flush, workload), (flush, service), (publish | flush, endpoints))
    yield "removed", records((flush, service), (publish, endpoints), (publish | flush, removed))
    yield "bad", records((publish, service), (publish, bad), (flush, unknown), (0, b"\xff\xff\xff"))
    yield "reconnect", records((reconnect, service), (reconnect | publish, endpoints),
                               (flush, service))
    yield "forget", records((forget, service), (forget | publish, endpoints), (flush, service))
    yield "endpoints_gone", records((flush, service), (publish, endpoints),
                                    (publish, response("Endpoints", [], ["shop/api/80"])))


def write(fuzzer, name, data):
    folder = CORPUS / fuzzer
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def main():
    for fuzzer, message, seeds in (("fuzz_workload", "Workload", WORKLOADS),
                                   ("fuzz_service", "Service", SERVICES),
                                   ("fuzz_endpoints", "Endpoints", ENDPOINTS)):
        for name, text in seeds.items():
            write(fuzzer, name, encode(f"outrigger.v1.{message}", text))
    for name, data in conversations():
        write("fuzz_discovery_response", name, data)


if __name__ == "__main__":
    main()
