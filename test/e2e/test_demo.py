"""`make demo`, whole: what it says is what is asked for here, and what it claims it has seen."""
import os
import re
import subprocess
import sys
import time

import pytest

from mesh.programs import PYTHON, REPOSITORY

DEMO = os.path.join(REPOSITORY, "test/demo")
LIMIT_SECONDS = 60

CLAIMS = {
    "One address, two pods": [
        r"forty times\n +-> api-1 answered \d+ and api-2 answered \d+\n",
        r"\[fd00:96::1\]:\d+, twenty times\n +-> api-1 answered \d+ and api-2 answered \d+\n"],
    "Mutual TLS on the wire": [r"api-\d got it; the \d+ bytes on the wire hold TLS 1\.3 and no plaintext"],
    "Strict mode": [
        r"the mode is permissive\n +-> api-1 answered\n",
        r"refused after \d+ ms, while web goes on", r"reason=plaintext_refused .*mtls_mode=strict"],
    "Who may connect": [
        r"refused after \d+ ms; the log names the policy demo/no-web and the identity spiffe://\S+/sa/web",
        r"allowed again after \d+ ms"],
    "HTTP and gRPC": [
        r"HTTP/1\.1 on one connection\n +-> api-1 answered \d+ and api-2 answered \d+\n",
        r"gRPC on one channel\n +-> api-1 answered \d+ and api-2 answered \d+\n",
        r"-> 4 connections carried all 40, .*mutual TLS, ALPN outrigger-h2",
        r"-> By=spiffe://\S+/sa/api;URI=spiffe://\S+/sa/web\n",
        r"direction=outbound method=GET path=/orders status=200 .*protocol=http/1\.1 upstream_protocol=h2",
        r"direction=inbound method=GET path=/orders status=200 .*protocol=h2 upstream_protocol=http/1\.1",
        r"method=POST path=/shop\.Orders/Get status=200 grpc_status=0 .*duration_us=\d+"],
    "Who may ask what": [
        r"web GET /admin/users: 403 after \d+ ms", r"admin GET /admin/users: 200",
        r"-> web: PERMISSION_DENIED ", r"-> admin: OK api-\d /shop\.Orders/Purge",
        r"path=/admin/users status=403 .*policy=demo/no-admin-for-web .*source_identity=spiffe://\S+/sa/web",
        r"path=/shop\.Orders/Purge status=200 grpc_status=7 .*policy=demo/no-admin-for-web",
        r'outrigger_requests_total{.*reason="policy_denied",policy="demo/no-admin-for-web",\.\.\.} [1-9]',
        r"200 again after \d+ ms"],
    "A canary": [
        r"weights 90 to 10, .*\n +-> api-1 answered \d+ and api-2 answered \d+\n",
        r"weights 0 to 100, .*\n +-> api-2 answered \d+\n", r"-> 0 of [1-9]\d+ requests\n"],
    "A rate limit": [
        r"-> 40 were let through, 60 got 429 with retry-after: \d+", r"admin, .* still answered with 200",
        r"status=429 reason=rate_limited policy=demo/limits error=each-caller"],
    "Tokens of users": [
        r"-> 200, 401, 401, 401; the client is told Bearer error=\"invalid_token\"",
        r"reason=jwt_invalid policy=demo/tokens error=\"?token: has expired",
        r"-> 401 jwt_invalid\n +-> refused for TrafficPolicy demo/tokens: token: has expired"],
    "An endpoint that fails": [
        r"web asks 100 times\n +-> [1-9]\d* failed\n", r"-> 0 failed, [1-9]\d* were tried again\n",
        r"-> 0 failed and none was tried again", r"event=endpoint_ejected .*pod=demo/flaky-bad why=consecutive_5xx"],
    "Live requests": [
        r"not one for /other:\n( +event=tap direction=outbound method=GET path=/orders status=200 .*\n){2}"],
    "One trace through both proxies": [
        r"web asks for /orders.*\n +-> trace [0-9a-f]{32}:\n +[0-9a-f]{16} web, the application\n"
        r" +`- [0-9a-f]{16} web's proxy: client span GET, \d+ µs\n"
        r" +`- ([0-9a-f]{16}) api's proxy: server span GET, \d+ µs\n +`- \1 is what api was told",
        r"over gRPC.*\n(.*\n){2} +`- [0-9a-f]{16} web's proxy: client span .*, \d+ µs\n"
        r" +`- [0-9a-f]{16} api's proxy: server span .*, \d+ µs\n"],
    "Certificate rotation": [r"\d+ exchanges of 8 KiB on the one connection, none lost, none altered"],
    "The controller goes away": [r"\d+ calls, none failed; proxies stayed ready"],
    "Rolling restart under load": [
        r"-> [1-9]\d+ HTTP requests and [1-9]\d+ gRPC calls, 0 failed, "
        r"answered by api-1, api-2, api-3, api-4\n",
        r"api-3 took over from api-1", r"api-4 took over from api-2"],
    "What it cost": [r"proxy-web +\d+\.\d MiB", r"controller +\d+\.\d MiB", r"Everything was seen\."],
}


@pytest.fixture(name="said", scope="module")
def run_of_the_demo():
    """{title: what stands below it}"""
    start = time.monotonic()
    done = subprocess.run([PYTHON, os.path.join(DEMO, "demo.py")], capture_output=True, text=True,
                          timeout=3 * LIMIT_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-20000:]
    assert time.monotonic() - start < LIMIT_SECONDS
    parts = re.split(r"^(\S[^\n]*)\n", done.stdout, flags=re.M)
    titles = [re.sub(r" \(.*|:$", "", title) for title in parts[1::2]]
    found = dict(zip(titles, parts[2::2]))
    found["What it cost"] += done.stdout.splitlines()[-1]
    return found


@pytest.mark.parametrize("title", CLAIMS)
def test_the_demo_shows_what_it_promises(said, title):
    for claim in CLAIMS[title]:
        assert re.search(claim, said[title]), f"{claim!r} is not in:\n{said[title]}"


def test_the_demo_has_no_other_scenes(said):
    """Whoever adds one adds what must be seen in it."""
    assert set(said) - set(CLAIMS) == {"Everything was seen."}


class FakeLoad:
    def __init__(self, failed):
        self._failed = failed

    def failed(self):
        return self._failed

    def done(self):
        return 100

    def answers(self):
        return {"api-1": 25, "api-2": 25, "api-3": 25, "api-4": 25}

    def milliseconds(self):
        return [1.0] * 100


def test_one_lost_request_is_one_too_many():
    sys.path.insert(0, DEMO)
    try:
        import restart
        import story
    finally:
        sys.path.remove(DEMO)
    judge = restart.Restart.judge
    judge(None, [FakeLoad([]), FakeLoad([])], [], 0)
    with pytest.raises(story.NotSeen, match="1 of 200 did: .*503"):
        judge(None, [FakeLoad([]), FakeLoad(["RuntimeError: 503"])], [], 0)
