"""What `make` makes anew, and what it leaves."""
import os
import subprocess

import pytest
from mesh.programs import REPOSITORY

LISTS = {"common": "COMMON_SRC", "init": "INIT_SRC", "controller": "CONTROLLER_SRC", "proxy": "PROXY_SRC"}


@pytest.fixture(name="tree")
def small_tree(tmp_path):
    """The Makefile, and three sources that need nothing else."""
    (tmp_path / "common").mkdir()
    for name in ("one", "two", "three"):
        (tmp_path / f"common/{name}.c").write_text(f"int {name}(void);\nint {name}(void) {{ return 1; }}\n")
    (tmp_path / "Makefile").symlink_to(os.path.join(REPOSITORY, "Makefile"))
    return tmp_path


def make(tree, part, *names):
    """Makes the archive of a part from these sources, and tells what is in it."""
    archive = tree / f"build/lib{part}.a"
    environment = {"PATH": os.environ["PATH"]}  # no word of the `make` that runs the tests
    words = [f"{LISTS[part]}={' '.join(f'common/{name}.c' for name in names)}", "PROTO_SRC=", "PROTO_GEN="]
    subprocess.run(["make", *words, f"build/lib{part}.a"], cwd=tree, env=environment, timeout=60,
                   capture_output=True, check=True)
    members = subprocess.check_output(["ar", "t", archive], text=True).split()
    return members, archive.stat().st_mtime_ns


@pytest.mark.parametrize("part", LISTS)
def test_an_archive_follows_its_list(tree, part):
    members, made = make(tree, part, "one", "two", "three")
    assert members == ["one.o", "two.o", "three.o"]
    assert make(tree, part, "one", "two", "three") == (members, made), "made anew without need"
    assert make(tree, part, "one", "three")[0] == ["one.o", "three.o"]
    assert make(tree, part, "one", "two", "three")[0] == members, "though every object is older"
