"""The controller's command line: what it prints, what it refuses and with which exit status."""
import base64
import json
import os
import stat
import subprocess

import pytest
from cryptography import x509
from mesh.programs import program


def run(*words, **options):
    return subprocess.run([program("outrigger-controller"), *map(str, words)], capture_output=True,
                          text=True, timeout=20, check=False, **options)


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_token_names_its_bearer(tmp_path):
    state = tmp_path / "state"
    state.mkdir(0o700)
    done = run("token", "shop", "web", f"--state-dir={state}", "--pod", "web-1", "--ttl=10m")
    assert done.returncode == 0 and "new key" in done.stderr and str(state) in done.stderr
    assert run("token", "shop", "web", f"--state-dir={state}").stderr == ""
    claims = claims_of(done.stdout.strip())
    assert claims["sub"] == "system:serviceaccount:shop:web"
    assert claims["exp"] - claims["iat"] == 600
    assert claims["kubernetes.io"]["pod"]["name"] == "web-1"
    for name in os.listdir(state):
        if name.endswith(".key"):
            assert stat.S_IMODE(os.stat(state / name).st_mode) == 0o600, name


def test_anchors_prints_one_root_that_stays(tmp_path):
    (tmp_path / "state").mkdir(0o700)
    first = run("anchors", f"--state-dir={tmp_path}/state", "--trust-domain=example.org")
    assert first.returncode == 0 and "a new root was made" in first.stderr
    assert len(first.stderr.splitlines()) == 1
    root = x509.load_pem_x509_certificate(first.stdout.encode())
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints.ca
    again = run("anchors", f"--state-dir={tmp_path}/state", "--trust-domain=example.org")
    assert again.stdout == first.stdout and again.stderr == ""
    other = run("anchors", f"--state-dir={tmp_path}/state", "--trust-domain=other.org")
    assert other.returncode == 1 and other.stdout == "" and "other.org" in other.stderr


@pytest.mark.parametrize("words", [("token", "shop", "web"), ("anchors",)], ids=" ".join)
def test_a_mistyped_state_dir_makes_no_keys(tmp_path, words):
    done = run(*words, f"--state-dir={tmp_path}/none")
    assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "not there" in done.stderr and "mkdir" in done.stderr and not os.listdir(tmp_path)
    (tmp_path / "notes").write_text("of somebody")
    done = run(*words, f"--state-dir={tmp_path}")
    assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "no keys" in done.stderr and os.listdir(tmp_path) == ["notes"]


def test_token_and_anchors_take_the_state_of_each_other(tmp_path):
    for words in (("token", "shop", "web"), ("anchors",), ("token", "shop", "web")):
        done = run(*words, f"--state-dir={tmp_path}")
        assert done.returncode == 0, done
    assert sorted(os.listdir(tmp_path)) == ["root.key", "root.pem", "token.key"]


GOOD = """apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
"""
BAD = """apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.0.0.1
  ports:
  - port: 70000
"""


def test_check_accepts_what_is_good(tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    done = run("check", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_check_names_each_problem_on_its_line(tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "port.yaml").write_text(BAD)
    (tmp_path / "yaml.yaml").write_text("kind: [")
    done = run("check", tmp_path)
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and done.stderr == "" and len(lines) == 2, done
    port, = [line for line in lines if "port.yaml" in line]
    assert "port.yaml:7:" in port and "spec.ports[0].port" in port and "70000" in port
    assert any("yaml.yaml" in line for line in lines)


def test_check_names_the_kinds_that_it_skips(tmp_path):
    other = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n"
    (tmp_path / "b.yaml").write_text(GOOD + other + other + "---\napiVersion: v1\nkind: Servcie\n")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "c.yaml").write_text(
        f"apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: Servcie}}\n{other}")
    (tmp_path / "empty.yaml").write_text("---\n---\n")
    done = run("check", tmp_path)
    assert done.returncode == 0 and done.stdout == "", done
    assert done.stderr.splitlines() == [
        "outrigger-controller: a/c.yaml:6: Deployment is not read: 3 skipped",
        "outrigger-controller: a/c.yaml:4: Servcie is not read: 2 skipped"]
    (tmp_path / "port.yaml").write_text(BAD)
    done = run("check", tmp_path)
    assert done.returncode == 1 and len(done.stdout.splitlines()) == 1 and "Servcie" in done.stderr


def test_check_tells_what_would_not_take_effect(tmp_path):
    (tmp_path / "policy.yaml").write_text("""apiVersion: outrigger.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: lost, namespace: shop}
spec:
  targetRefs:
  - {kind: Service, name: nowhere}
  service: {connectTimeout: 1s}
""")
    done = run("check", tmp_path)
    assert done.returncode == 1 and "nowhere" in done.stdout, done


def test_check_of_no_folder_fails(tmp_path):
    done = run("check", tmp_path / "none")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1


USAGE_ERRORS = [
    ([], "manifests"),
    (["tokn"], "token"),
    (["token"], "NAMESPACE ACCOUNT"),
    (["token", "a", "b", "c"], "NAMESPACE ACCOUNT"),
    (["token", "a", "b", "--listen=1.2.3.4:5"], "listen"),
    (["token", "a", "b", "--ttl=soon"], "soon"),
    (["anchors", "x"], "x"),
    (["check"], "DIR"),
    (["--manifests"], "manifests"),
    (["--manifests=/x", "extra"], "extra"),
    (["--manifests=/x", "--listn=1.2.3.4:5"], "listen"),
    (["--manifests=/x", "--listen=localhost:15010"], "localhost"),
    (["--manifests=/x", "--listen=1.2.3.4"], "1.2.3.4"),
    (["--manifests=/x", "--listen=1.2.3.4:70000"], "70000"),
    (["--manifests=/x", "--admin-port=70000"], "70000"),
    (["--manifests=/x", "--admin-address=here"], "here"),
    (["--manifests=/x", "--trust-domain=Not.Good"], "Not.Good"),
    (["--manifests=/x", "--trust-domain="], "--trust-domain: the value is empty; expected NAME"),
    (["--manifests=", "--admin-port=0"], "--manifests: the value is empty; expected DIR"),
    (["--manifests=/x", "--state-dir="], "--state-dir: the value is empty; expected DIR"),
    (["--manifests=/x", "--listen="], "--listen: the value is empty; expected ADDRESS:PORT"),
    (["--manifests=/x", "--admin-address="], "--admin-address: the value is empty"),
    (["--manifests=/x", "--manifests=/y"], "--manifests: given twice; expected once"),
    (["token", "a", "b", "--pod="], "--pod: the value is empty; expected NAME"),
    (["--manifests=/x", "--leaf-ttl=1s"], "leaf-ttl"),
    (["--manifests=/x", "--leaf-ttl=24"], "24"),
    (["--manifests=/x", "--log-level=loud"], "loud"),
    (["--manifests=/x", "--log-format=xml"], "xml"),
]


@pytest.mark.parametrize("words, named", USAGE_ERRORS, ids=lambda value: " ".join(value)
                         if isinstance(value, list) else "")
def test_wrong_options_exit_2_with_one_line(words, named):
    done = run(*words)
    assert done.returncode == 2 and done.stdout == "", done
    assert len(done.stderr.splitlines()) == 1 and named in done.stderr, done.stderr


def test_names_that_kubernetes_would_not_take(tmp_path):
    for names in (("Shop", "web"), ("shop", "we b"), ("", "web"), ("shop/x", "web")):
        done = run("token", *names, f"--state-dir={tmp_path}")
        assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [["--help"], ["token", "--help"], ["anchors", "--help"],
                                   ["check", "--help"]])
def test_help(words):
    done = run(*words)
    assert done.returncode == 0 and done.stdout.startswith("Usage: outrigger-controller")
    assert done.stderr == ""


def test_help_as_markdown_and_version():
    assert "| `--listen`" in run("--help=markdown").stdout.replace("`--listen ", "`--listen` ")
    assert run("--version").stdout.startswith("outrigger-controller ")


def test_what_cannot_start_says_why(tmp_path):
    (tmp_path / "manifests").mkdir()
    common = [f"--state-dir={tmp_path}/state", "--listen=127.0.0.1:0", "--admin-port=0",
              "--admin-address=127.0.0.1"]
    none = run(f"--manifests={tmp_path}/none", *common)
    assert none.returncode == 1 and "none" in none.stderr
    unbound = run(f"--manifests={tmp_path}/manifests", *common[:1], "--listen=192.0.2.1:1",
                  "--admin-port=0")
    assert unbound.returncode == 1 and "192.0.2.1" in unbound.stderr
    os.chmod(tmp_path / "state" / "root.key", 0o644)
    readable = run(f"--manifests={tmp_path}/manifests", *common)
    assert readable.returncode == 1 and "root.key" in readable.stderr
