"""Programs in Go that tests run; `make test` builds them where it can (test/build-go)."""
import os
import shutil

import pytest

from .programs import REPOSITORY, copies

TOOLS = os.path.join(REPOSITORY, "build", "tools")


def go_program(name):
    """The path of a copy that every user may run; skips the test, with the reason, where there is none."""
    source, copy = os.path.join(TOOLS, name), os.path.join(copies(), name)
    if not os.path.exists(source):
        reason = "make test builds it"
        if os.path.exists(source + ".missing"):
            with open(source + ".missing", encoding="utf-8") as file:
                reason = file.read().strip()
        pytest.skip(f"{name} is missing: {reason}")
    if not os.path.exists(copy):
        shutil.copyfile(source, copy)
        os.chmod(copy, 0o755)
    return copy
