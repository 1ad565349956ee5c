#include "test/unit/controller/objects/wrong.h"

#define ACCESS                                                                                     \
    "apiVersion: outrigger.dev/v1alpha1\nkind: AccessPolicy\n"                                     \
    "metadata: {name: a, namespace: shop}\nspec:\n"
#define DENY ACCESS "  action: Deny\n  rules:\n"
#define TRAFFIC                                                                                    \
    "apiVersion: outrigger.dev/v1alpha1\nkind: TrafficPolicy\n"                                    \
    "metadata: {name: t, namespace: shop}\nspec:\n"

static const struct wrong access_policies[] = {
    {"apiVersion: outrigger.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {name: a}\n",
     "x.yaml:1: spec: is missing"},
    {"apiVersion: outrigger.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {name: a}\nspecs: {}\n",
     "x.yaml:4: specs: there is no such field; did you mean \"spec\"?"},
    {ACCESS "  rules: [{}]\n", "x.yaml:5: spec.action: is missing"},
    {ACCESS "  action: allow\n", "x.yaml:5: spec.action: \"allow\" is none of Allow, Deny, Audit"},
    {ACCESS "  action: Log\n", "x.yaml:5: spec.action: \"Log\" is none of Allow, Deny, Audit"},
    {ACCESS "  action: Deny\n",
     "x.yaml:5: spec.rules: is missing: without rules a policy matches nothing, so that only an "
     "Allow makes sense, which then allows nothing"},
    {ACCESS "  action: Audit\n",
     "x.yaml:5: spec.rules: is missing: without rules a policy matches nothing, so that only an "
     "Allow makes sense, which then allows nothing"},
    {ACCESS "  action: Allow\n  rules: []\n",
     "x.yaml:6: spec.rules: is empty: leave it out, or name at least one"},
    {ACCESS "  action: Allow\n  rules: {}\n", "x.yaml:6: spec.rules: is a map; expected a list"},
    {ACCESS "  action: Allow\n  role: x\n",
     "x.yaml:6: spec.role: there is no such field; did you mean \"rules\"?"},
    {ACCESS "  action: Allow\n  selector: {}\n",
     "x.yaml:6: spec.selector: selects nothing in particular: name labels in matchLabels, or leave "
     "the selector out to mean the whole namespace"},
    {ACCESS "  action: Allow\n  selector: {matchLabels: {}}\n",
     "x.yaml:6: spec.selector: selects nothing in particular: name labels in matchLabels, or leave "
     "the selector out to mean the whole namespace"},
    {ACCESS "  action: Allow\n  selector: {matchExpressions: []}\n",
     "x.yaml:6: spec.selector.matchExpressions: there is no such field"},
    {ACCESS "  action: Allow\n  selector: {matchLabel: {app: web}}\n",
     "x.yaml:6: spec.selector.matchLabel: there is no such field; did you mean \"matchLabels\"?"},
    {DENY "  - form: []\n",
     "x.yaml:7: spec.rules[0].form: there is no such field; did you mean \"from\"?"},
    {DENY "  - from: []\n",
     "x.yaml:7: spec.rules[0].from: is empty: leave it out, or name at least one"},
    {DENY "  - from: [{}]\n", "x.yaml:7: spec.rules[0].from[0]: is empty: name a source, or leave "
                              "out `from` to mean everyone"},
    {DENY "  - from: [web]\n",
     "x.yaml:7: spec.rules[0].from[0]: is a single value; expected a map"},
    {DENY "  - from: [{identity: [x]}]\n", "x.yaml:7: spec.rules[0].from[0].identity: there is no "
                                           "such field; did you mean \"identities\"?"},
    {DENY "  - from: [{identities: []}]\n",
     "x.yaml:7: spec.rules[0].from[0].identities: is empty: leave it out, or name at least one"},
    {DENY "  - from: [{identities: spiffe://a/b}]\n",
     "x.yaml:7: spec.rules[0].from[0].identities: is a single value; expected a list"},
    {DENY "  - from: [{identities: [http://a/b]}]\n",
     "x.yaml:7: spec.rules[0].from[0].identities[0]: SPIFFE ID: \"http://a/b\" does not begin with "
     "spiffe:// in lower case"},
    {DENY "  - from: [{identities: [spiffe://a]}]\n",
     "x.yaml:7: spec.rules[0].from[0].identities[0]: SPIFFE ID: no path, it names a trust domain "
     "and no workload"},
    {DENY "  - from: [{identities: [\"spiffe://a/*/b\"]}]\n",
     "x.yaml:7: spec.rules[0].from[0].identities[0]: \"spiffe://a/*/b\": a * may stand at the end "
     "of a path only, as in spiffe://TRUST-DOMAIN/ns/NAMESPACE/*"},
    {DENY "  - from: [{identities: [\"*\"]}]\n",
     "x.yaml:7: spec.rules[0].from[0].identities[0]: \"*\": a * may stand at the end of a path "
     "only, as in spiffe://TRUST-DOMAIN/ns/NAMESPACE/*"},
    {DENY "  - from: [{identities: [\"spiffe://clus*\"]}]\n",
     "x.yaml:7: spec.rules[0].from[0].identities[0]: \"spiffe://clus*\": a * may stand at the end "
     "of a path only, as in spiffe://TRUST-DOMAIN/ns/NAMESPACE/*"},
    {DENY "  - from: [{identities: [spiffe://A/ns/b/sa/c]}]\n",
     "x.yaml:7: spec.rules[0].from[0].identities[0]: SPIFFE ID: trust domain \"A\" is not 1-255 of "
     "[a-z0-9._-]"},
    {DENY "  - from: [{serviceAccounts: [a/b/c]}]\n",
     "x.yaml:7: spec.rules[0].from[0].serviceAccounts[0]: \"a/b/c\" is neither ACCOUNT nor "
     "NAMESPACE/ACCOUNT"},
    {DENY "  - from: [{serviceAccounts: [\"/b\"]}]\n",
     "x.yaml:7: spec.rules[0].from[0].serviceAccounts[0]: \"/b\" is neither ACCOUNT nor "
     "NAMESPACE/ACCOUNT"},
    {DENY "  - from: [{serviceAccounts: [\"shop/*\"]}]\n",
     "x.yaml:7: spec.rules[0].from[0].serviceAccounts[0]: \"shop/*\" is neither ACCOUNT nor "
     "NAMESPACE/ACCOUNT"},
    {DENY "  - from: [{namespaces: [\"shop*\"]}]\n",
     "x.yaml:7: spec.rules[0].from[0].namespaces[0]: \"shop*\" is no name: expected a-z, 0-9 and "
     "-, at most 63 bytes"},
    {DENY "  - from: [{namespaces: [1]}]\n",
     "x.yaml:7: spec.rules[0].from[0].namespaces[0]: 1 is a number, not a text: put it in quotes"},
    {DENY "  - from: [{ipBlocks: [10.0.0.0/33]}]\n",
     "x.yaml:7: spec.rules[0].from[0].ipBlocks[0]: \"10.0.0.0/33\": the prefix length must be a "
     "number between 0 and 32"},
    {DENY "  - from:\n    - namespaces: [a]\n    - ipBlocks: [fd00::/8, \"fd00::/x\"]\n",
     "x.yaml:9: spec.rules[0].from[1].ipBlocks[1]: \"fd00::/x\": the prefix length must be a "
     "number between 0 and 128"},
    {DENY "  - from: [{notIpBlocks: [10.0.0]}]\n",
     "x.yaml:7: spec.rules[0].from[0].notIpBlocks[0]: \"10.0.0\" is not an address block; expected "
     "e.g. 10.0.0.0/8 or fd00::/8"},
    {DENY "  - from: [{unauthenticated: false}]\n",
     "x.yaml:7: spec.rules[0].from[0].unauthenticated: is false: leave it out, or say true"},
    {DENY "  - from: [{unauthenticated: \"true\"}]\n",
     "x.yaml:7: spec.rules[0].from[0].unauthenticated: \"true\" is neither true nor false"},
    {DENY "  - from: [{unauthenticated: true, namespaces: [a]}]\n",
     "x.yaml:7: spec.rules[0].from[0].unauthenticated: can never be together with identities, "
     "serviceAccounts or namespaces"},
    {DENY "  - to: [{}]\n",
     "x.yaml:7: spec.rules[0].to[0]: is empty: name ports, paths or the like, or leave out `to` "
     "to mean everything"},
    {DENY "  - to: [{port: 80}]\n",
     "x.yaml:7: spec.rules[0].to[0].port: there is no such field; did you mean \"ports\"?"},
    {DENY "  - to: [{ports: 80}]\n",
     "x.yaml:7: spec.rules[0].to[0].ports: is a single value; expected a list"},
    {DENY "  - to: [{ports: [0]}]\n", "x.yaml:7: spec.rules[0].to[0].ports[0]: \"0\" is neither a "
                                      "port (1-65535) nor a range of ports (9000-9010)"},
    {DENY "  - to: [{ports: [65536]}]\n",
     "x.yaml:7: spec.rules[0].to[0].ports[0]: \"65536\" is neither a port (1-65535) nor a range of "
     "ports (9000-9010)"},
    {DENY "  - to: [{ports: [\"9010-9000\"]}]\n",
     "x.yaml:7: spec.rules[0].to[0].ports[0]: \"9010-9000\" is neither a port (1-65535) nor a "
     "range of ports (9000-9010)"},
    {DENY "  - to: [{ports: [80, \"http\"]}]\n",
     "x.yaml:7: spec.rules[0].to[0].ports[1]: \"http\" is neither a port (1-65535) nor a range of "
     "ports (9000-9010)"},
    {DENY "  - to: [{notPorts: [-1]}]\n",
     "x.yaml:7: spec.rules[0].to[0].notPorts[0]: \"-1\" is neither a port (1-65535) nor a range of "
     "ports (9000-9010)"},
    {DENY "  - to: [{ports: [80], path: [/a]}]\n",
     "x.yaml:7: spec.rules[0].to[0].path: there is no such field; did you mean \"paths\"?"},
    {DENY "  - to: [{paths: []}]\n",
     "x.yaml:7: spec.rules[0].to[0].paths: is empty: leave it out, or name at least one"},
    {DENY "  - to: [{paths: /a}]\n",
     "x.yaml:7: spec.rules[0].to[0].paths: is a single value; expected a list"},
    {DENY "  - to: [{paths: [/a, admin]}]\n",
     "x.yaml:7: spec.rules[0].to[0].paths[1]: \"admin\" is not a path in normal form: it begins "
     "with / and has no query, no dot segments and no needless escapes"},
    {DENY "  - to: [{paths: [\"/a/../b\"]}]\n",
     "x.yaml:7: spec.rules[0].to[0].paths[0]: \"/a/../b\" is not a path in normal form: it begins "
     "with / and has no query, no dot segments and no needless escapes"},
    {DENY "  - to:\n    - paths: [/a]\n    - notPaths: [/a*b]\n",
     "x.yaml:9: spec.rules[0].to[1].notPaths[0]: \"/a*b\" has a `*` that is not at its end"},
    {DENY "  - to: [{methods: [get]}]\n",
     "x.yaml:7: spec.rules[0].to[0].methods[0]: \"get\" has small letters: methods are compared as "
     "they are, and are written like GET"},
    {DENY "  - to: [{notMethods: [\"\"]}]\n",
     "x.yaml:7: spec.rules[0].to[0].notMethods[0]: \"\" is not a method, such as GET"},
    {DENY "  - to: [{methods: [\"*\"]}]\n",
     "x.yaml:7: spec.rules[0].to[0].methods[0]: \"*\" is not a method, such as GET"},
    {DENY "  - to: [{hosts: [\"api:80\"]}]\n",
     "x.yaml:7: spec.rules[0].to[0].hosts[0]: \"api:80\" is neither a host name without a port nor "
     "*.NAME"},
    {DENY "  - to: [{notHosts: [\"*\"]}]\n",
     "x.yaml:7: spec.rules[0].to[0].notHosts[0]: \"*\" is neither a host name without a port nor "
     "*.NAME"},
    {DENY "  - to: [{grpcMethods: [/shop.Cart/Add]}]\n",
     "x.yaml:7: spec.rules[0].to[0].grpcMethods[0]: \"/shop.Cart/Add\" is neither "
     "package.Service/Method nor package.Service/*"},
    {DENY "  - to: [{notGrpcMethods: [shop.Cart]}]\n",
     "x.yaml:7: spec.rules[0].to[0].notGrpcMethods[0]: \"shop.Cart\" is neither "
     "package.Service/Method nor package.Service/*"},
    {DENY "  - to: [{headers: [{}]}]\n",
     "x.yaml:7: spec.rules[0].to[0].headers[0].name: is missing"},
    {DENY "  - to: [{headers: [{name: X-Role}]}]\n",
     "x.yaml:7: spec.rules[0].to[0].headers[0].name: \"X-Role\" is not a header field's name in "
     "lower case"},
    {DENY "  - to: [{headers: [{name: host, values: [a]}]}]\n",
     "x.yaml:7: spec.rules[0].to[0].headers[0].name: \"host\" is asked for with hosts"},
    {DENY "  - to: [{notHeaders: [{name: connection}]}]\n",
     "x.yaml:7: spec.rules[0].to[0].notHeaders[0].name: \"connection\" is about the connection and "
     "not about the request"},
    {DENY "  - to: [{headers: [{name: x, value: a}]}]\n",
     "x.yaml:7: spec.rules[0].to[0].headers[0].value: there is no such field; did you mean "
     "\"values\"?"},
    {DENY "  - to: [{headers: [{name: x, values: [\"*a\"]}]}]\n",
     "x.yaml:7: spec.rules[0].to[0].headers[0].values[0]: \"*a\" has a `*` that is not at its end"},
    {DENY "  - to: [{headers: [{name: x, values: [1]}]}]\n",
     "x.yaml:7: spec.rules[0].to[0].headers[0].values[0]: 1 is a number, not a text: put it in "
     "quotes"},
};

static const struct wrong traffic_policies[] = {
    {TRAFFIC "  {}\n",
     "x.yaml:5: spec: sets nothing: expected inbound, outbound, accessLog, paths, "
     "or targetRefs and service"},
    {TRAFFIC "  selector: {matchLabels: {app: web}}\n",
     "x.yaml:5: spec: sets nothing: expected inbound, outbound, accessLog, paths, or "
     "targetRefs and service"},
    {TRAFFIC "  paths: {}\n",
     "x.yaml:5: spec.paths: sets nothing: expected escapedSlashes or mergeSlashes"},
    {TRAFFIC "  paths: {escapedSlashes: reject}\n",
     "x.yaml:5: spec.paths.escapedSlashes: \"reject\" is none of Keep, Reject, Unescape"},
    {TRAFFIC "  paths: {mergeSlashes: 1}\n",
     "x.yaml:5: spec.paths.mergeSlashes: \"1\" is neither true nor false"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n  service: {connectTimeout: 1s}\n"
             "  paths: {mergeSlashes: true}\n",
     "x.yaml:7: spec.paths: cannot stand beside targetRefs: write two policies"},
    {TRAFFIC "  inbounds: {}\n",
     "x.yaml:5: spec.inbounds: there is no such field; did you mean \"inbound\"?"},
    {TRAFFIC "  inbound: {mtls: Strict}\n",
     "x.yaml:5: spec.inbound.mtls: is a single value; expected a map"},
    {TRAFFIC "  inbound: {mtls: {mode: strict}}\n",
     "x.yaml:5: spec.inbound.mtls.mode: \"strict\" is none of Permissive, Strict, Disabled"},
    {TRAFFIC "  inbound: {mtls: {mode: \"Off\"}}\n",
     "x.yaml:5: spec.inbound.mtls.mode: \"Off\" is none of Permissive, Strict, Disabled"},
    {TRAFFIC "  inbound: {mtls: {ports: [{port: 80}]}}\n",
     "x.yaml:5: spec.inbound.mtls.ports[0].mode: is missing"},
    {TRAFFIC "  inbound: {mtls: {ports: [{mode: Strict}]}}\n",
     "x.yaml:5: spec.inbound.mtls.ports[0].port: is missing"},
    {TRAFFIC "  inbound: {mtls: {ports: [{port: 80, mode: Strict}, {port: 80, mode: Disabled}]}}\n",
     "x.yaml:5: spec.inbound.mtls.ports[1].port: 80 is there twice"},
    {TRAFFIC "  inbound: {maxConnections: 0}\n",
     "x.yaml:5: spec.inbound.maxConnections: \"0\" is not a number between 1 and 10000000"},
    {TRAFFIC "  inbound: {maxConnections: \"10\"}\n",
     "x.yaml:5: spec.inbound.maxConnections: \"10\" is a text, not a number: leave out the quotes"},
    {TRAFFIC "  inbound: {maxConnections: 1e3}\n",
     "x.yaml:5: spec.inbound.maxConnections: \"1e3\" is not a number between 1 and 10000000"},
    {TRAFFIC "  inbound: {idleTimeout: 10}\n",
     "x.yaml:5: spec.inbound.idleTimeout: \"10\" is not a duration; expected a number and ms, s, "
     "m, h or d"},
    {TRAFFIC "  inbound: {idleTimeout: 0s}\n",
     "x.yaml:5: spec.inbound.idleTimeout: 0s is not between 1ms and 30d"},
    {TRAFFIC "  inbound: {idleTimeout: 31d}\n",
     "x.yaml:5: spec.inbound.idleTimeout: 31d is not between 1ms and 30d"},
    {TRAFFIC "  inbound: {connectTimeout: 5 seconds}\n",
     "x.yaml:5: spec.inbound.connectTimeout: \"5 seconds\" is not a duration; expected a number "
     "and ms, s, m, h or d"},
    {TRAFFIC "  inbound: {connectTimeout: [5s]}\n",
     "x.yaml:5: spec.inbound.connectTimeout: is a list; expected a duration"},
    {TRAFFIC "  inbound: {defaultAccess: Refuse}\n",
     "x.yaml:5: spec.inbound.defaultAccess: \"Refuse\" is none of Allow, Deny, Audit"},
    {TRAFFIC "  outbound: {egressMode: registry-only}\n",
     "x.yaml:5: spec.outbound.egressMode: \"registry-only\" is none of AllowAny, RegistryOnly"},
    {TRAFFIC "  outbound: {discoveryTimeout: 2m}\n",
     "x.yaml:5: spec.outbound.discoveryTimeout: 2m is not between 1ms and 1m"},
    {TRAFFIC "  outbound: {discovery: 2s}\n",
     "x.yaml:5: spec.outbound.discovery: there is no such field"},
    {TRAFFIC "  accessLog: \"true\"\n",
     "x.yaml:5: spec.accessLog: \"true\" is neither true nor false"},
    {TRAFFIC "  service: {connectTimeout: 1s}\n",
     "x.yaml:5: spec.service: needs targetRefs, which name the Services that it is about"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n",
     "x.yaml:5: spec.targetRefs: need `service`, which says what is set for them"},
    {TRAFFIC "  targetRefs: []\n  service: {connectTimeout: 1s}\n",
     "x.yaml:5: spec.targetRefs: is empty: leave it out, or name at least one"},
    {TRAFFIC "  targetRefs: [{name: web}]\n  service: {connectTimeout: 1s}\n",
     "x.yaml:5: spec.targetRefs[0].kind: is missing"},
    {TRAFFIC "  targetRefs: [{kind: Pod, name: web}]\n  service: {connectTimeout: 1s}\n",
     "x.yaml:5: spec.targetRefs[0].kind: \"Pod\" is none of Service"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web, group: apps}]\n"
             "  service: {connectTimeout: 1s}\n",
     "x.yaml:5: spec.targetRefs[0].group: \"apps\" is not the group of a Service, which is \"\""},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web, namespace: b}]\n"
             "  service: {connectTimeout: 1s}\n",
     "x.yaml:5: spec.targetRefs[0].namespace: there is no such field"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n  service: {connectTimeout: 1s}\n"
             "  inbound: {maxConnections: 5}\n",
     "x.yaml:7: spec.inbound: cannot stand beside targetRefs: write two policies"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n  service: {timeout: 1s}\n",
     "x.yaml:6: spec.service.timeout: there is no such field"},
    {TRAFFIC "  inbound: {rateLimits: [{name: a, requests: 1, per: 1s, match: {}}]}\n",
     "x.yaml:5: spec.inbound.rateLimits[0].match: is empty: name `from` or `to`, or leave it out "
     "to mean all requests"},
    {TRAFFIC
     "  inbound: {rateLimits: [{name: a, requests: 1, per: 1s, match: {to: [{path: /a}]}}]}\n",
     "x.yaml:5: spec.inbound.rateLimits[0].match.to[0].path: there is no such field; did you mean "
     "\"paths\"?"},
    {TRAFFIC "  inbound: {connectionRates: [{name: a, connections: 1, per: 1s, by: Identity}]}\n",
     "x.yaml:5: spec.inbound.connectionRates[0].by: \"Identity\" is none of Workload, Source"},
    {TRAFFIC "  inbound: {externalAuthorization: {timeout: 1s}}\n",
     "x.yaml:5: spec.inbound.externalAuthorization.service: is missing"},
    {TRAFFIC "  inbound: {externalAuthorization: {service: {name: a}}}\n",
     "x.yaml:5: spec.inbound.externalAuthorization.service.port: is missing"},
    {TRAFFIC
     "  inbound: {externalAuthorization: {service: {name: a, port: 1}, headers: [\"a b\"]}}\n",
     "x.yaml:5: spec.inbound.externalAuthorization.headers[0]: \"a b\" is not a header field's "
     "name "
     "in lower case"},
    {TRAFFIC "  inbound: {externalAuthorization: {service: {name: a, port: 1}, match: {}}}\n",
     "x.yaml:5: spec.inbound.externalAuthorization.match: is empty: name `from` or `to`, or leave "
     "it out to mean all requests"},
    {TRAFFIC "  inbound: {globalRateLimits: {service: {name: a, port: 1}, domain: d}}\n",
     "x.yaml:5: spec.inbound.globalRateLimits.descriptors: is missing"},
    {TRAFFIC "  inbound: {globalRateLimits: {service: {name: a, port: 1}, domain: d, descriptors: "
             "[{entries: [{key: a, value: b, header: c}]}]}}\n",
     "x.yaml:5: spec.inbound.globalRateLimits.descriptors[0].entries[0]: needs one of value, "
     "header "
     "and from, and only one"},
    {TRAFFIC "  inbound: {globalRateLimits: {service: {name: a, port: 1}, domain: d, descriptors: "
             "[{entries: [{key: a, from: Moon}]}]}}\n",
     "x.yaml:5: spec.inbound.globalRateLimits.descriptors[0].entries[0].from: \"Moon\" is none of "
     "Identity, Source, Method, Path"},
    {TRAFFIC "  inbound: {jwt: {required: true}}\n",
     "x.yaml:5: spec.inbound.jwt.providers: is missing"},
    {TRAFFIC "  inbound: {jwt: {providers: [{name: a, issuer: b}]}}\n",
     "x.yaml:5: spec.inbound.jwt.providers[0].jwks: is missing"},
    {TRAFFIC "  inbound: {jwt: {providers: [{name: a, issuer: b, jwks: x}]}}\n",
     "x.yaml:5: spec.inbound.jwt.providers[0].jwks: is no JSON Web Key Set: no JSON: '[' or '{' "
     "expected near 'x'"},
    {TRAFFIC "  inbound: {jwt: {providers: [{name: a, issuer: b, jwks: '{\"keys\":[]}'}]}}\n",
     "x.yaml:5: spec.inbound.jwt.providers[0].jwks: is no JSON Web Key Set: no key that can be "
     "used: expected RSA of 2048 bits or more, EC P-256 or OKP Ed25519, for signatures"},
    {TRAFFIC "  inbound: {jwt: {providers: [{name: a, issuer: b, jwksUri: c}]}}\n",
     "x.yaml:5: spec.inbound.jwt.providers[0].jwksUri: there is no such field; did you mean "
     "\"jwks\"?"},
    {TRAFFIC "  inbound: {jwt: {providers: [{name: a, issuer: b, jwks: "
             "'{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
             "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}', claimsToHeaders: [{claim: sub, header: "
             "Authorization}]}]}}\n",
     "x.yaml:5: spec.inbound.jwt.providers[0].claimsToHeaders[0].header: \"authorization\" has a "
     "meaning of its own: expected another name, such as x-jwt-sub"},
    {TRAFFIC "  inbound: {jwt: {providers: [{name: a, issuer: b, jwks: "
             "'{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
             "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}'}, {name: c, issuer: b, jwks: "
             "'{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
             "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}'}]}}\n",
     "x.yaml:5: spec.inbound.jwt.providers[1]: the issuer \"b\" is there twice: write one provider "
     "with the keys of both"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n  service: {balancing: {}}\n",
     "x.yaml:6: spec.service.balancing.algorithm: is missing"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n"
             "  service: {balancing: {algorithm: Fair}}\n",
     "x.yaml:6: spec.service.balancing.algorithm: \"Fair\" is none of P2CPeakEWMA, RoundRobin, "
     "LeastRequest, Random, RingHash, Maglev"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n"
             "  service: {balancing: {algorithm: Maglev}}\n",
     "x.yaml:6: spec.service.balancing: hashOn is missing: RingHash and Maglev choose by it"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n"
             "  service: {balancing: {algorithm: Random, hashOn: [{sourceIP: true}]}}\n",
     "x.yaml:6: spec.service.balancing.hashOn: is for the algorithms RingHash and Maglev only"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n"
             "  service: {balancing: {algorithm: Maglev, hashOn: [{header: a, query: b}]}}\n",
     "x.yaml:6: spec.service.balancing.hashOn[0]: expected exactly one of header, cookie, query, "
     "sourceIP"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n"
             "  service: {balancing: {algorithm: Maglev, hashOn: [{cookie: {name: 'a b'}}]}}\n",
     "x.yaml:6: spec.service.balancing.hashOn[0].cookie.name: \"a b\" is no name of a cookie: "
     "expected a token"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n"
             "  service: {balancing: {algorithm: Maglev, hashOn: [{sourceIP: false}]}}\n",
     "x.yaml:6: spec.service.balancing.hashOn[0].sourceIP: expected true"},
    {TRAFFIC
     "  targetRefs: [{kind: Service, name: web}]\n"
     "  service: {balancing: {algorithm: RingHash, hashOn: [{sourceIP: true}], slowStart: 1s}}\n",
     "x.yaml:6: spec.service.balancing.slowStart: is not for the algorithms RingHash and Maglev, "
     "which do not weigh by the moment"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n"
             "  service: {outlierEjection: {consecutive5xx: 1, panicPercent: 101}}\n",
     "x.yaml:6: spec.service.outlierEjection.panicPercent: \"101\" is not a number between 0 and "
     "100"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n"
             "  service: {outlierEjection: {maxEjectedPercent: 20}}\n",
     "x.yaml:6: spec.service.outlierEjection: ejects nothing: expected consecutive5xx, "
     "consecutiveGatewayErrors, consecutiveLocalFailures or successRate"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n"
             "  service: {outlierEjection: {consecutive5xx: 1, baseEjectionTime: 2s, "
             "maxEjectionTime: 1s}}\n",
     "x.yaml:6: spec.service.outlierEjection: maxEjectionTime is shorter than baseEjectionTime"},
    {TRAFFIC "  targetRefs: [{kind: Service, name: web}]\n  service: {circuitBreaker: {}}\n",
     "x.yaml:6: spec.service.circuitBreaker: sets nothing: expected maxRequests, "
     "maxPendingRequests or maxRetries"},
    {TRAFFIC "  inbound: {rateLimits: [{name: a, requests: 1}]}\n",
     "x.yaml:5: spec.inbound.rateLimits[0].per: is missing"},
    {TRAFFIC "  inbound: {rateLimits: [{name: a, requests: 1, per: 1s, by: {kind: Header}}]}\n",
     "x.yaml:5: spec.inbound.rateLimits[0].by.header: is missing"},
    {TRAFFIC "  inbound: {rateLimits: [{name: a, requests: 1, per: 1s, "
             "by: {kind: Source, header: x}}]}\n",
     "x.yaml:5: spec.inbound.rateLimits[0].by.header: is for kind Header only"},
    {TRAFFIC "  inbound:\n    rateLimits:\n    - {name: a, requests: 1, per: 1s}\n"
             "    - {name: a, requests: 1, per: 1s}\n",
     "x.yaml:8: spec.inbound.rateLimits[1]: the name \"a\" is there twice"},
};

static void test_access_policies(void **state)
{
    (void)state;
    check_wrong(access_policies, sizeof(access_policies) / sizeof(access_policies[0]));
}

static void test_traffic_policies(void **state)
{
    (void)state;
    check_wrong(traffic_policies, sizeof(traffic_policies) / sizeof(traffic_policies[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_access_policies),
        cmocka_unit_test(test_traffic_policies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
