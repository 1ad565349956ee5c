"""The proxy as a process: how it starts, how it ends, what it survives."""
import signal
import socket

import pytest

from mesh import (IS_SANITIZED, Mesh, call, program, receive, receive_all, reset, wait_until,
                  web_and_api)


@pytest.fixture
def mesh():
    with Mesh() as made:
        yield made


# -- the end --------------------------------------------------------------------------------------

def test_draining_lets_open_connections_finish(mesh):
    web, apis, service = web_and_api(mesh)
    proxy = apis[0].proxy
    with web.connect(*service.vip) as client:
        client.sendall(b"x")
        assert receive(client, 7) == b"api-1\nx"
        proxy.signal(signal.SIGTERM)
        wait_until(lambda: proxy.admin("/readyz").status == 503, "readiness to be gone")
        assert proxy.admin("/readyz").text.startswith("draining")
        assert proxy.admin("/livez").status == 200
        client.sendall(b"still here")
        assert receive(client, 10) == b"still here"
        assert proxy.is_running
    assert proxy.wait() == 0


def test_draining_ends_at_its_deadline(mesh):
    web, apis, service = web_and_api(mesh, drain_timeout="300ms")
    with web.connect(*service.vip) as client:
        client.sendall(b"x")
        assert receive(client, 7) == b"api-1\nx"
        apis[0].proxy.signal(signal.SIGTERM)
        assert apis[0].proxy.wait() == 0
        with pytest.raises(ConnectionResetError):
            receive_all(client)
    assert apis[0].proxy.events("connection_closed", reason="drained")


def test_a_second_sigterm_does_not_wait(mesh):
    web, apis, service = web_and_api(mesh, drain_timeout="1h")
    with web.connect(*service.vip) as client:
        client.sendall(b"x")
        assert receive(client, 7) == b"api-1\nx"
        apis[0].proxy.signal(signal.SIGTERM)
        apis[0].proxy.wait_for_event("draining")
        apis[0].proxy.signal(signal.SIGTERM)
        assert apis[0].proxy.wait() == 0


@pytest.mark.parametrize("page", ["/drain", "/quit"])
def test_the_admin_port_ends_the_proxy(mesh, page):
    web = mesh.pod("web")
    assert web.proxy.admin(page, "GET").status == 405
    assert web.proxy.admin(page, "POST").status == 200
    assert web.proxy.wait() == 0


# -- the start ------------------------------------------------------------------------------------

def test_a_port_that_is_taken_is_named(mesh):
    web = mesh.pod("web", proxy=False, redirect=False)
    for option, port in (("inbound-port", 15006), ("outbound-port", 15001), ("admin-port", 15000)):
        with web.net.entered():
            taken = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        done = web.net.run(program("outrigger-proxy"), "--pod=demo/web", "--controller=127.0.0.1:1",
                           check=False)
        taken.close()
        assert done.returncode == 1, (option, done)
        assert f":{port}" in done.stdout and "start_failed" in done.stdout, done.stdout


def test_wrong_arguments_are_told_in_one_line(mesh):
    done = mesh.router.run(program("outrigger-proxy"), "--pod=web", check=False)
    assert done.returncode == 2
    assert done.stderr == 'outrigger-proxy: --pod: "web" is not NAMESPACE/NAME\n'
    assert mesh.router.run(program("outrigger-proxy"), "--help").stdout.startswith("Usage: ")


def test_a_proxy_starts_again_under_its_application(mesh):
    web, apis, service = web_and_api(mesh)
    assert call(web, *service.vip) == "api-1"
    apis[0].proxy.kill()
    apis[0].start_proxy()
    assert call(web, *service.vip) == "api-1"


# -- what it survives -----------------------------------------------------------------------------

def test_it_goes_on_when_descriptors_run_out(mesh):
    web, apis, service = web_and_api(mesh, max_descriptors=64)
    proxy = apis[0].proxy
    outside = mesh.node("outside")
    with web.connect(*service.vip) as old:
        old.sendall(b"x")
        assert receive(old, 7) == b"api-1\nx"
        clients = [outside.connect(apis[0].ipv4, 8080) for _ in range(60)]
        wait_until(lambda: "accept_paused" in proxy.log(), "the proxy to say so")
        old.sendall(b"still here")
        assert receive(old, 10) == b"still here"
        for client in clients:
            client.close()
        wait_until(lambda: call(outside, apis[0].ipv4, 8080) == "api-1", "new connections")
    assert proxy.metric("outrigger_shed_no_descriptors_total") + \
        proxy.metric("outrigger_connections_ended_total", reason="no_descriptors") > 0


def test_ten_thousand_connects_and_hang_ups_leave_nothing(mesh):
    web, apis, service = web_and_api(mesh)
    outside = mesh.node("outside")
    count = 10000 if not IS_SANITIZED else 2000
    proxy = apis[0].proxy
    for i in range(count):
        client = outside.connect(apis[0].ipv4, 8080)
        if i % 3 == 0:
            client.sendall(b"x")
        if i % 2:
            reset(client)
        else:
            client.close()
    wait_until(lambda: proxy.metric("outrigger_inbound_accepted_total") >= count, "all to be seen",
               timeout=60)
    for _ in range(count // 50):  # some through both proxies and a handshake
        reset(web.connect(*service.vip))
    assert call(web, *service.vip) == "api-1"
    proxy.check_level(timeout=60)


def test_a_crowd_takes_its_memory_with_it(mesh):
    web, apis, service = web_and_api(mesh)
    outside = mesh.node("outside")
    proxy, app = apis[0].proxy, apis[0].apps[0]
    app.signal(signal.SIGSTOP)  # so that they are many at a time
    for i in range(2000):
        with outside.connect(apis[0].ipv4, 8080) as client:
            if i % 3 == 0:
                client.sendall(b"x")
        if i % 500 == 0:
            proxy.connections()  # a long page, whose memory comes to lie between theirs
    wait_until(lambda: len(proxy.connections()) == 2000, "all to wait for the application")
    app.signal(signal.SIGCONT)
    proxy.check_level(memory_slack=1 << 20)


def test_a_stopped_proxy_goes_on_where_it_was(mesh):
    web, apis, service = web_and_api(mesh)
    with web.connect(*service.vip) as client:
        client.sendall(b"x")
        assert receive(client, 7) == b"api-1\nx"
        apis[0].proxy.signal(signal.SIGSTOP)
        client.sendall(b"held up")
        apis[0].proxy.signal(signal.SIGCONT)
        assert receive(client, 7) == b"held up"


def test_it_runs_without_capabilities_and_cannot_be_looked_into(mesh):
    web = mesh.pod("web")
    with open(f"/proc/{web.proxy.pid}/status", encoding="ascii") as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    with open(f"/proc/{web.proxy.pid}/limits", encoding="ascii") as file:
        core = next(line for line in file if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    if web.proxy.uid is not None:
        assert int(status["CapEff"], 16) == 0
