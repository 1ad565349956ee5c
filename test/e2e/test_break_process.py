"""What surrounds the programs goes wrong: files, streams, descriptors, callers of the admin port."""
import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess

import pytest

from mesh import Mesh, call, is_refused, program, receive_all, wait_until, web_and_api

F_SETPIPE_SZ = 1031


@pytest.fixture(scope="module")
def scene():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, backoff_max="200ms")
        yield mesh, web, apis[0], service


def second_proxy(pod, *more, **options):
    """Another proxy in the pod, as the first is but for its ports."""
    with pod.net.entered():
        return subprocess.Popen(
            [*pod.proxy.command, "--inbound-port=16006", "--outbound-port=16001",
             "--admin-port=16000", *more], stdin=subprocess.DEVNULL, **options)


def ask(pod, request, port=15000):
    """The bytes of an answer of the admin port."""
    with pod.net.entered(), socket.create_connection(("127.0.0.1", port), 10) as sock:
        try:
            sock.sendall(request)
            return receive_all(sock)
        except ConnectionError:
            return b""


# -- streams --------------------------------------------------------------------------------------

def ready(pod):
    return b" 200 " in ask(pod, b"GET /readyz HTTP/1.0\r\n\r\n", 16000).split(b"\r\n")[0]


def test_a_proxy_whose_output_nobody_reads_goes_on(scene):
    _, web, _, _ = scene
    out, into = os.pipe()
    fcntl.fcntl(into, F_SETPIPE_SZ, 4096)
    proxy = second_proxy(web, stdout=into, stderr=into)
    os.close(into)
    try:
        wait_until(lambda: ready(web), "it to be ready")

        def dropped():
            with web.net.entered(), socket.create_connection(("127.0.0.1", 16001), 5) as sock:
                try:
                    sock.recv(1)
                except ConnectionError:
                    pass
            return b"outrigger_log_lines_dropped_total 0" not in \
                ask(web, b"GET /metrics HTTP/1.0\r\n\r\n", 16000)
        wait_until(dropped, "lines to be dropped and counted")
        assert ready(web)
    finally:
        proxy.terminate()
        assert proxy.wait(15) == 0
        os.close(out)


def test_a_proxy_without_streams_keeps_its_log_out_of_its_sockets(scene):
    _, web, _, _ = scene

    def close_streams():
        for fd in (0, 1, 2):
            os.close(fd)
    proxy = second_proxy(web, preexec_fn=close_streams)
    try:
        wait_until(lambda: ready(web), "it to be ready")
        for fd in (0, 1, 2):
            assert os.readlink(f"/proc/{proxy.pid}/fd/{fd}") == "/dev/null"
    finally:
        proxy.terminate()
        assert proxy.wait(15) == 0


@pytest.mark.parametrize("words", [["outrigger-proxy", "--help"], ["outrigger-init", "--dry-run"],
                                   ["outrigger-controller", "anchors", "--state-dir=STATE"],
                                   ["outrigger-controller", "token", "a", "b", "--state-dir=STATE"]],
                         ids=" ".join)
def test_a_result_that_cannot_be_written_is_no_success(tmp_path, words):
    command = [program(words[0]), *(word.replace("STATE", str(tmp_path)) for word in words[1:])]
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=20,
                              check=False)
    assert done.returncode == 1 and "No space left" in done.stderr, done
    assert len([line for line in done.stderr.splitlines() if " was made in " not in line]) == 1


# -- files ----------------------------------------------------------------------------------------

def test_wrong_tokens_and_anchors_are_named(scene, tmp_path):
    mesh, _, _, _ = scene
    os.chmod(tmp_path, 0o755)
    pod = mesh.pod("files", wait=False, proxy=False, in_mesh=True)
    pod.token_file = os.path.join(mesh.folder, "token-of-files")
    anchors = os.path.join(mesh.folder, "anchors-of-files")
    proxy = pod.start_proxy(wait=False, trust_anchors=anchors, backoff_min="10ms",
                            backoff_max="50ms")

    def put(path, data):
        with open(path + ".new", "wb") as file:
            file.write(data)
        os.chmod(path + ".new", 0o644)
        os.replace(path + ".new", path)

    def said(text, path):
        wait_until(lambda: [event for event in proxy.events("certificate_failed")
                            if text in event["error"] and path in event["error"]],
                   f"{path}: {text}")
    said("No such file", anchors)
    os.mkdir(anchors)
    said("not a regular file", anchors)
    os.rmdir(anchors)
    os.mkfifo(anchors, 0o644)
    wait_until(lambda n=len(proxy.events("certificate_failed")):
               len(proxy.events("certificate_failed")) > n + 2, "a FIFO not to hang it")
    os.unlink(anchors)
    for wrong in (b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        count = len(proxy.events("certificate_failed"))
        put(anchors, wrong)
        wait_until(lambda n=count: [event for event in proxy.events("certificate_failed")[n + 1:]
                                    if anchors in event["error"]], f"{wrong} to be told")
    shutil.copyfile(mesh.controller.anchors_file, anchors)
    said("No such file", pod.token_file)
    count = len(proxy.events("certificate_failed"))
    put(pod.token_file, b"")
    wait_until(lambda: [event for event in proxy.events("certificate_failed")[count + 1:]
                        if pod.token_file in event["error"]], "the empty token to be told")
    put(pod.token_file, b"x" * (1 << 20))
    said("at most", pod.token_file)
    with open(mesh.token("demo", "files", "files"), "rb") as file:
        token = file.read().strip()
    put(pod.token_file, token[:-3] + b"AAA")
    wait_until(lambda: [event for event in proxy.events("certificate_failed")
                        if "UNAUTHENTICATED" in event["error"]], "the forged token to be refused")
    assert proxy.metric("outrigger_certificates_issued_total") == 0
    put(pod.token_file, token)
    proxy.wait_ready()
    assert token.decode() not in proxy.log() and "AAA" not in proxy.log()


# -- the way round to the admin port --------------------------------------------------------------

def test_no_service_leads_to_the_admin_port(scene):
    mesh, web, _, _ = scene
    service = mesh.service("trap", {80: 15000}, selector={})
    for address in ("127.0.0.1", web.ipv4):
        mesh.manifests.write("trap-slice.yaml", f"""apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: trap, namespace: demo, labels: {{kubernetes.io/service-name: trap}}}}
addressType: IPv4
endpoints:
- addresses: ["{address}"]
ports:
- {{name: tcp-80, port: 15000}}
""")
        if address == "127.0.0.1":
            mesh.controller.process.wait_for_log("is a loopback, link-local")
            continue
        wait_until(lambda: is_refused(web, *service.vip, b"GET /config HTTP/1.0\r\n\r\n") and
                   web.proxy.events("connection_refused", reason="loop"), "the loop to be noticed")
    mesh.manifests.remove(os.path.join(mesh.manifests.folder, "trap-slice.yaml"))


def test_the_admin_port_answers_no_web_site_and_no_nonsense(scene):
    _, web, _, _ = scene
    for request, status in (
            (b"GET /config HTTP/1.0\r\n\r\n", 200),
            (b"GET /config HTTP/1.0\r\nHost: rebound.example\r\n\r\n", 403),
            (b"GET /config HTTP/1.0\r\nHost: 127.0.0.1.rebound.example:15000\r\n\r\n", 403),
            (b"POST /quit HTTP/1.0\r\nHost: 127.0.0.1:15000\r\nOrigin: http://a.example\r\n"
             b"Content-Length: 0\r\n\r\n", 403),
            (b"GET /" + b"a" * 100000 + b" HTTP/1.0\r\n\r\n", 414),
            (b"POST /log-level HTTP/1.0\r\nContent-Length: 99999999999\r\n\r\n", 413),
            (b"POST /log-level HTTP/1.0\r\nContent-Length: -1\r\n\r\n", 400),
            (bytes(range(1, 256)) * 100 + b"\r\n\r\n", 400)):
        answer = ask(web, request)
        assert not answer or int(answer.split(b" ")[1]) == status, (request[:60], answer[:60])
        assert answer or status in (400, 414), request[:60]
    assert web.proxy.is_ready()


# -- the controller -------------------------------------------------------------------------------

def test_a_controller_that_stands_still_holds_nobody_up(scene):
    mesh, web, _, service = scene
    assert call(web, *service.vip) == "api-1"  # so that it is known
    mesh.controller.process.signal(signal.SIGSTOP)
    try:
        outside = mesh.node("outside")
        outside.run_app("echo.py", "8080", "--name", "outside")
        assert call(web, *service.vip) == "api-1"
        assert call(web, outside.ipv4, 8080) == "outside"  # unknown: passes after its timeout
    finally:
        mesh.controller.process.signal(signal.SIGCONT)
    mesh.controller.wait_ready()
    assert web.proxy.is_ready()


def test_a_controller_out_of_descriptors_comes_back():
    with Mesh(start_controller=False) as mesh:
        mesh.controller.start()
        process = mesh.controller.process
        process.stop()
        process.max_descriptors = 40
        process.start()
        mesh.controller.wait_ready()
        held = [mesh.controller.connect(mesh.controller.ipv4, 15010) for _ in range(100)]
        process.wait_for_log("accept")
        burnt = process.cpu_seconds()
        for sock in held:
            sock.close()
        mesh.pod("web")  # gets its certificate
        assert process.cpu_seconds() - burnt < 1, "it does not spin"


def test_a_key_that_others_can_read_is_not_used(tmp_path):
    state = tmp_path / "state"
    state.mkdir(0o700)
    command = [program("outrigger-controller"), "token", "a", "b", f"--state-dir={state}"]

    def run():
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert run().returncode == 0
    key, = [path for path in state.iterdir() if path.suffix == ".key"]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    good = key.read_bytes()
    for wrong in (b"", b"garbage", good[:60]):
        key.write_bytes(wrong)
        done = run()
        assert done.returncode == 1 and key.name in done.stderr and not done.stdout
    key.write_bytes(good)
    key.chmod(0o640)
    done = run()
    assert done.returncode == 1 and "0600" in done.stderr and len(done.stderr.splitlines()) == 1
    key.chmod(0o600)
    assert run().returncode == 0
