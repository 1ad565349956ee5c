"""h2spec, whole and strict, against what clients outside and inside of the mesh speak to."""
import subprocess

from mesh import Mesh
from mesh.go import go_program

ALL = "146 tests, 146 passed, 0 skipped, 0 failed"


def start(node, program, address, port):
    with node.net.entered():
        return subprocess.Popen([program, "--strict", "--host", address, "--port", str(port)],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def judge(name, h2spec):
    said, _ = h2spec.communicate(timeout=120)
    failures = said[said.find("Failures:"):] if "Failures:" in said else said[-2000:]
    assert ALL in said, f"{name}: {failures}"


def test_both_listeners_conform():
    program = go_program("h2spec")
    with Mesh() as mesh:
        service = mesh.service("api", {"h2c": (80, 8080)})
        api = mesh.pod("api-1", ports={"h2c": 8080})
        api.run_app("h2_app.py", "8080")
        web, outside = mesh.pod("web"), mesh.node("outside")
        inbound = start(outside, program, api.ipv4, 8080)
        outbound = start(web, program, *service.vip)
        judge("inbound", inbound)
        judge("outbound", outbound)
