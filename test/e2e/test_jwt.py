"""Tokens that clients show: who is let in by them, and what the application and policies are told of them."""
import base64
import json
import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mesh import Mesh, ask, call, is_refused, wait_until, web_and_api

ISSUER = "https://issuer.example"


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size):
    return encoded(value.to_bytes(size, "big"))


class Ed25519:
    alg = "EdDSA"

    def __init__(self):
        self.key = ed25519.Ed25519PrivateKey.generate()

    def jwk(self):
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "kid": self.alg, "x": encoded(raw)}

    def sign(self, data):
        return self.key.sign(data)


class P256:
    alg = "ES256"

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())

    def jwk(self):
        point = self.key.public_key().public_numbers()
        return {"kty": "EC", "crv": "P-256", "kid": self.alg, "x": number(point.x, 32), "y": number(point.y, 32)}

    def sign(self, data):
        r, s = utils.decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Rsa:
    alg = "RS256"

    def __init__(self):
        self.key = rsa.generate_private_key(65537, 2048)

    def jwk(self):
        numbers = self.key.public_key().public_numbers()
        return {"kty": "RSA", "kid": self.alg, "n": number(numbers.n, 256), "e": number(numbers.e, 3)}

    def sign(self, data):
        return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def token(key, header=None, **claims):
    claims = {"iss": ISSUER, "aud": "api", "sub": "ann", "exp": int(time.time()) + 300, **claims}
    parts = [{"alg": key.alg, "kid": key.alg, **(header or {})},
             {name: value for name, value in claims.items() if value is not None}]
    text = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    return f"{text}.{encoded(key.sign(text.encode()))}"


def jwt_policy(mesh, api, keys, required=True, **provider):
    mesh.manifests.put({
        "apiVersion": "outrigger.dev/v1alpha1", "kind": "TrafficPolicy",
        "metadata": {"namespace": "demo", "name": "tokens"},
        "spec": {"selector": {"matchLabels": {"app": "api"}}, "inbound": {"jwt": {
            "required": required,
            "providers": [{"name": "example", "issuer": ISSUER, "audiences": ["api"],
                           "jwks": json.dumps({"keys": [key.jwk() for key in keys]}), **provider}]}}}})
    wait_until(lambda: api.proxy.admin("/policies").json()["jwt"] ==
               {"policy": "demo/tokens", "required": required,
                "providers": [{"name": "example", "issuer": ISSUER, "audiences": ["api"], "keys": len(keys)}]},
               "the policy to hold")


@pytest.fixture(scope="module")
def keys():
    return Ed25519(), P256(), Rsa()


@pytest.fixture
def pods():
    """(mesh, web, api, the Service)"""
    with Mesh() as mesh:
        web, [api], service = web_and_api(mesh, app="http_echo.py", port_name="http")
        yield mesh, web, api, service


def show(web, service, shown=None, path="/", **headers):
    if shown:
        headers["Authorization"] = f"Bearer {shown}"
    return ask(web, service.ipv4, 80, path, headers=headers)


def fields(answer):
    """That the application got."""
    return {name.lower(): value for name, value in answer.json()["fields"]}


def test_who_has_a_good_token_is_let_in_and_nobody_else(pods, keys):
    mesh, web, api, service = pods
    stranger = P256()
    jwt_policy(mesh, api, keys)
    for key in keys:
        assert show(web, service, token(key)).status == 200
    answer = show(web, service)
    assert answer.status == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert api.proxy.wait_for_event("request", reason="jwt_missing")["policy"] == "demo/tokens"
    good = token(keys[1])
    for wrong, why in [
            ("x", "not HEADER.PAYLOAD.SIGNATURE"), (good[:-4] + "AAAA", "signature"), (token(stranger), "signature"),
            (token(keys[1], {"alg": "none"}), "alg"), (token(keys[1], {"alg": "RS256"}), "kid"),
            (token(keys[1], exp=int(time.time()) - 61), "has expired"), (token(keys[1], exp=None), "exp"),
            (token(keys[1], nbf=int(time.time()) + 90), "in the future"),
            (token(keys[1], aud="other"), "aud"), (token(keys[1], iss="https://other"), "iss")]:
        answer = show(web, service, wrong)
        assert answer.status == 401 and answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        logged = api.proxy.events("request", reason="jwt_invalid")[-1]
        assert why in logged["error"] and wrong not in json.dumps(logged)
    assert show(web, service, good).status == 200


def test_where_none_is_required_a_wrong_one_is_refused_all_the_same(pods, keys):
    mesh, web, api, service = pods
    jwt_policy(mesh, api, keys, required=False)
    assert show(web, service).status == 200
    assert show(web, service, token(keys[0])).status == 200
    assert show(web, service, token(P256())).status == 401


def test_policies_and_the_application_see_the_claims(pods, keys):
    """Only what a token claims: a header that the client writes itself is gone."""
    mesh, web, api, service = pods
    jwt_policy(mesh, api, keys, required=False, forward=False,
               claimsToHeaders=[{"claim": "sub", "header": "X-User"}, {"claim": "realm.groups", "header": "x-group"}])
    mesh.access_policy("admins", {
        "selector": {"matchLabels": {"app": "api"}}, "action": "Deny",
        "rules": [{"to": [{"paths": ["/admin/*"], "notHeaders": [{"name": "x-group", "values": ["admin"]}]}]}]})
    wait_until(lambda: show(web, service, path="/admin/x").status == 403, "the policy to hold")
    admin = token(keys[0], realm={"groups": ["dev", "admin"]})
    seen = show(web, service, admin, path="/admin/x")
    assert seen.status == 200
    told = fields(seen)
    assert told["x-user"] == "ann" and "authorization" not in told
    assert show(web, service, token(keys[0], realm={"groups": ["dev"]}), path="/admin/x").status == 403
    assert show(web, service, path="/admin/x", **{"x-group": "admin"}).status == 403
    forged = show(web, service, path="/", **{"x-user": "root"})
    assert forged.status == 200 and "x-user" not in fields(forged)


def test_what_is_not_http_cannot_show_a_token(keys):
    with Mesh() as mesh:
        web, [api], service = web_and_api(mesh)
        assert call(web, *service.vip) == "api-1"
        jwt_policy(mesh, api, keys)
        assert is_refused(web, *service.vip)
        assert api.proxy.wait_for_event("connection_closed", reason="policy_denied")["policy"] == "demo/tokens"


def test_keys_are_changed_without_a_restart(pods, keys):
    mesh, web, api, service = pods
    jwt_policy(mesh, api, [keys[0]])
    assert show(web, service, token(keys[1])).status == 401
    jwt_policy(mesh, api, [keys[0], keys[1]])
    assert show(web, service, token(keys[1])).status == 200 == show(web, service, token(keys[0])).status
    jwt_policy(mesh, api, [keys[1]])
    assert show(web, service, token(keys[0])).status == 401


def test_explain_says_what_is_wrong_with_a_token(pods, keys):
    mesh, _, api, _ = pods
    jwt_policy(mesh, api, keys)

    def explained(shown=None):
        header = f"&header=Authorization:Bearer%20{shown}" if shown else ""
        told = api.proxy.admin(f"/explain?direction=inbound&destination=8080{header}").json()
        return told["verdict"], json.dumps(told["steps"])

    verdict, steps = explained()
    assert verdict == "401 jwt_missing" and "TrafficPolicy demo/tokens requires a token" in steps
    verdict, steps = explained(token(keys[0], exp=1))
    assert verdict == "401 jwt_invalid" and "has expired" in steps
    verdict, steps = explained(token(keys[0]))
    assert verdict == "forwarded" and "a valid token of" in steps
