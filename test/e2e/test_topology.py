"""The topology library itself: what every other story here stands on."""
import os
import signal
import socket
import subprocess

import pytest

from mesh import Mesh, Process, Timeout, wait_until


@pytest.fixture
def two_nodes():
    with Mesh(start_controller=False) as mesh:
        server, client = mesh.node("server"), mesh.node("client")
        yield mesh, server, client


def test_nodes_reach_each_other_over_both_families(two_nodes):
    _, server, client = two_nodes
    server.run_app("echo.py", "8080", "--name", "one")
    for address in (server.ipv4, server.ipv6):
        with client.connect(address, 8080) as sock:
            sock.sendall(b"hello")
            assert sock.recv(100) == b"one\nhello"


def test_service_addresses_lead_nowhere(two_nodes):
    mesh, _, client = two_nodes
    service = mesh.service("api", {80: 8080})
    for address in (service.ipv4, service.ipv6):
        with pytest.raises(OSError):
            client.connect(address, 80, timeout=2)


def test_recorder_sees_every_byte(two_nodes):
    _, server, client = two_nodes
    server.run_app("source.py", "8080", "--bytes", "655360")
    with server.record() as recorder:
        with client.connect(server.ipv6, 8080) as sock:
            received = b""
            while part := sock.recv(1 << 16):
                received += part
    streams = [s for s in recorder.streams() if s.source == (server.ipv6, 8080)]
    assert len(received) == 655360
    assert [s.data for s in streams] == [received]
    assert streams[0].has_syn and streams[0].has_fin and not streams[0].has_rst
    assert recorder.contains(received[:100]) and not recorder.contains(b"never sent")


def test_resetter_resets_and_half_closer_half_closes(two_nodes):
    _, server, client = two_nodes
    server.run_app("resetter.py", "8081")
    half_closer = server.run_app("half_closer.py", "8082")
    with client.connect(server.ipv4, 8081) as sock:
        sock.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    with client.connect(server.ipv4, 8082) as sock:
        assert sock.recv(100) == b"goodbye\n"
        assert sock.recv(100) == b""
        sock.sendall(b"123")
        sock.shutdown(socket.SHUT_WR)
        half_closer.wait_for_log("read 3 after half-close")


def test_slow_reader_reads_when_it_is_told(two_nodes):
    _, server, client = two_nodes
    slow = server.run_app("slow_reader.py", "8080", "--control", "8081")
    with client.connect(server.ipv4, 8080) as sock:
        slow.wait_for_log("held")
        sock.sendall(b"x" * 1000)
        sock.shutdown(socket.SHUT_WR)
        client.connect(server.ipv4, 8081).close()
        assert sock.recv(100) == b"1000\n" and sock.recv(100) == b""


def test_an_unexpected_end_fails_the_story(capsys):
    with pytest.raises(AssertionError, match="ended with 3"):
        with Mesh(start_controller=False) as mesh:
            process = mesh.start(Process("bad", ["/bin/sh", "-c", "echo my last words; exit 3"],
                                         mesh.router, mesh.folder))
            process.wait()
    assert "my last words" in capsys.readouterr().err


def test_a_sanitizers_report_fails_the_story():
    with pytest.raises(AssertionError, match="AddressSanitizer"):
        with Mesh(start_controller=False) as mesh:
            mesh.start(Process("bad", ["/bin/echo", "==1==ERROR: AddressSanitizer: heap"],
                               mesh.router, mesh.folder)).wait()


def test_nothing_is_left_after_a_failure():
    with pytest.raises(ZeroDivisionError):
        with Mesh(start_controller=False) as mesh:
            node = mesh.node("server")
            process = node.run_app("echo.py", "8080")
            folder, pid = mesh.folder, process.pid
            raise ZeroDivisionError
    assert not os.path.exists(folder)
    assert process.exit_code == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_nothing_is_left_after_sigterm():
    story = ("import signal; from mesh import Mesh, programs\n"
             "with Mesh(start_controller=False) as mesh:\n"
             "    mesh.node('server').run_app('echo.py', '8080')\n"
             "    print(mesh.folder, programs.copies(), flush=True)\n"
             "    signal.pause()\n")
    folder = os.path.dirname(os.path.abspath(__file__))
    python = subprocess.Popen(["/usr/bin/python3", "-c", story], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.DEVNULL,
                              env={**os.environ, "PYTHONPATH": folder})
    made = python.stdout.readline().split()
    assert [os.path.isdir(path) for path in made] == [True, True]
    python.terminate()
    python.communicate(timeout=20)
    assert python.returncode == 143
    assert not any(os.path.exists(path) for path in made)


def test_waiting_has_a_deadline():
    with pytest.raises(Timeout, match="waited 0.05 s for the impossible; the last answer was 0"):
        wait_until(lambda: 0, "the impossible", timeout=0.05)
