"""Tokens that clients show: who is let in by them, and what the application and policies are told of them."""
import json
import time

import pytest

from mesh import Mesh, ask, call, is_refused, wait_until, web_and_api
from mesh.tokens import ISSUER, P256, Ed25519, Rsa, token

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


def test_no_claim_comes_in_by_a_back_door(pods, keys):
    """In trailers, or under a name that an application behind CGI or WSGI takes for the same."""
    mesh, web, api, service = pods
    jwt_policy(mesh, api, keys, required=False, claimsToHeaders=[{"claim": "sub", "header": "x-user"}])
    assert "x_user" not in fields(show(web, service, **{"x_user": "root"}))
    with web.connect(service.ipv4, 80, 10.0) as client:
        client.sendall(b"POST /x HTTP/1.1\r\nHost: api\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                       b"1\r\na\r\n0\r\nx-user: root\r\nx-sum: 1\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert b"x-sum" in answer and b"root" not in answer


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
