"""The programs under test: where they are, and a copy of them that any user can run."""
import atexit
import os
import shutil
import tempfile

REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
APPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps")
BUILD = os.path.join(REPOSITORY, os.environ.get("OUTRIGGER_BUILD", "build"))
PYTHON = "/usr/bin/python3"

# Sanitized programs are slower and keep freed memory on purpose.
IS_SANITIZED = "asan" in os.path.basename(BUILD) or "tsan" in os.path.basename(BUILD)

_copies = None


def copies():
    """A folder that every user may read, with the programs and apps; removed when Python ends.

    The checkout may lie where the proxy's own user cannot look, /root for instance.
    """
    global _copies
    if _copies is None:
        _copies = tempfile.mkdtemp(prefix="outrigger-programs-")
        os.chmod(_copies, 0o755)
        atexit.register(shutil.rmtree, _copies, ignore_errors=True)
        shutil.copytree(APPS, os.path.join(_copies, "apps"),
                        ignore=shutil.ignore_patterns("__pycache__"))
    return _copies


def program(name):
    """The path of a runnable copy of an Outrigger program, e.g. "outrigger-proxy"."""
    source, copy = os.path.join(BUILD, name), os.path.join(copies(), name)
    if not os.path.exists(copy):
        if not os.path.exists(source):
            raise FileNotFoundError(f"{source} is not built; run make first")
        shutil.copyfile(source, copy)
        os.chmod(copy, 0o755)
    return copy


def app(name):
    return os.path.join(copies(), "apps", name)


def users():
    """(proxy's uid, applications' uid), or (None, None) where there is one user only (unshare -Urn):
    the redirect then knows the proxy by the mark of its sockets."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        mapped = sum(int(line.split()[2]) for line in file)
    return (1337, 1000) if os.geteuid() == 0 and mapped > 1337 else (None, None)


PROXY_MARK = 1337  # the mark, where it is needed
