"""What most stories begin with, and how their people talk."""
import socket
import struct


def receive(sock, size):
    """Exactly so many bytes, or what there was when the other side ended."""
    data = b""
    while len(data) < size:
        part = sock.recv(min(1 << 16, size - len(data)))
        if not part:
            break
        data += part
    return data


def receive_all(sock):
    """Everything up to the other side's FIN."""
    data = bytearray()
    while part := sock.recv(1 << 16):
        data += part
    return bytes(data)


def call(source, address, port, message=b"hello", timeout=10.0):
    """One call to an echo.py that has a name; returns the name. OSError for anything but an answer."""
    with source.connect(address, port, timeout) as client:
        client.sendall(message)
        answer = b""
        while not answer.endswith(b"\n" + message):
            part = client.recv(1 << 16)
            if not part:
                raise ConnectionError(f"closed after {answer!r}")
            answer += part
        return answer[:-len(message) - 1].decode()


def is_refused(source, address, port, message=b"hello"):
    """Was a call refused? A closed or reset connection is; an answer or silence is not."""
    try:
        call(source, address, port, message, timeout=5.0)
    except TimeoutError:
        raise
    except OSError:
        return True
    return False


def reset(sock):
    """Closes with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def web_and_api(mesh, apis=1, app="echo.py", port=8080, arguments=(), port_name="tcp",
                **proxy_options):
    """(pod web, [pods api-1 ...] that run the app on the port, Service api on port 80)

    Without an app nothing runs there. `port_name` tells the mesh what is spoken ("http", "grpc"); one that tells nothing is "any".
    """
    service = mesh.service("api", {port_name: (80, port)})
    pods = [mesh.pod(f"api-{i + 1}", ports={port_name: port}, **proxy_options) for i in range(apis)]
    for pod in pods:
        own = ("--name", pod.name) if app in ("echo.py", "http_echo.py", "grpc_echo.py") else ()
        if app:
            pod.run_app(app, str(port), *own, *arguments)
    return mesh.pod("web", **proxy_options), pods, service
