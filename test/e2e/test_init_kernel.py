"""What outrigger-init leaves in the kernel, read back; and what it says when it can't."""
import contextlib
import os
import re

import pytest

from initlib import (HAS_USERS, MARK_ONLY, ONE_USER, Tools, World, attempt, deny_netfilter_netlink, listen,
                     output_of, own_options, run_all)
from mesh.netns import Namespace
from mesh.programs import program

# Every option once, and the shapes of sets that are easy to get wrong: one element, ranges that touch,
# the first and the last key, several families.
OPTION_SETS = {
    "defaults": [],
    "everything": ["--proxy-uid=1337,1338,5", "--proxy-gid=7,1337", "--proxy-mark=0x10", "--skip-uids=0,300",
                   "--skip-inbound-ports=22,80-90,91,65535", "--include-inbound-ports=8080",
                   "--skip-outbound-ports=1-9,65535", "--skip-interfaces=eth1,eth0.100",
                   "--skip-outbound-cidrs=10.1.0.0/16,10.2.0.0/16,255.0.0.0/8,fd00:1::/32,ffff::/16",
                   "--include-outbound-cidrs=10.0.0.0/8,::/0", "--inbound-port=5006", "--outbound-port=5001",
                   "--admin-port=5000"],
    "whole ranges": ["--skip-outbound-ports=1-65535", "--skip-outbound-cidrs=0.0.0.0/0,::/0"],
    "first and last keys": ["--skip-outbound-cidrs=0.0.0.0,255.255.255.255,::,ffff::/16", "--skip-uids=0"],
    "no user but a mark": ["--proxy-uid=", "--proxy-mark=4294967295"],
    "many": ["--skip-outbound-cidrs=" + ",".join(f"10.{i}.0.0/17" for i in range(256)),
             "--include-outbound-cidrs=" + ",".join(f"fd00:{i:x}::/33" for i in range(512)),
             "--skip-outbound-ports=" + ",".join(str(port) for port in range(2, 514, 2)),
             "--skip-uids=" + ",".join(str(uid) for uid in range(64))],
}


@pytest.fixture
def space():
    with contextlib.closing(Namespace("pod")) as made:
        yield made


@pytest.fixture
def twin():
    with contextlib.closing(Namespace("twin")) as made:
        yield made


@pytest.fixture(scope="module")
def nft():
    with contextlib.closing(Tools("nftables", "nftables")) as made:
        yield made


@pytest.fixture(scope="module", params=["nft", "legacy"])
def iptables(request):
    with contextlib.closing(Tools(f"iptables-{request.param}", "iptables", request.param)) as made:
        problem = made.why_not()
        if problem:
            pytest.skip(problem)
        yield made


def netlink_view(space):
    """The kernel's own form of the rules. Sets of ids and names are hashed with a random seed, so that
    their elements come in any order; those lines are sorted."""
    lines, view, elements = output_of(space, "nft", "--debug=netlink", "list", "ruleset").splitlines(), [], []
    for line in lines:
        if line.startswith("\telement"):
            elements.append(line)
            continue
        view += sorted(elements) + [line]
        elements = []
    return view


@pytest.mark.parametrize("options", OPTION_SETS.values(), ids=OPTION_SETS)
def test_dry_run_gives_the_same_ruleset(nft, space, twin, options):
    nft.run(space, *options)
    twin.run("nft", "-f", "-", input=nft.run(space, *options, "--dry-run").stdout)
    assert output_of(space, "nft", "list", "ruleset") == output_of(twin, "nft", "list", "ruleset")
    assert netlink_view(space) == netlink_view(twin)


GOLDEN = """table inet outrigger {
	set proxy_uids {
		type uid
		flags constant
		elements = { 1337 }
	}

	set loopback4 {
		type ipv4_addr
		flags constant,interval
		elements = { 127.0.0.0/8 }
	}

	set loopback6 {
		type ipv6_addr
		flags constant,interval
		elements = { ::1 }
	}

	set skip_inbound_ports {
		type inet_service
		flags constant,interval
		elements = { 22, 80-90, 15000 }
	}

	chain output {
		type nat hook output priority -100; policy accept;
		meta skuid @proxy_uids return
		ip daddr @loopback4 return
		ip6 daddr @loopback6 return
		meta l4proto tcp redirect to :15001
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr @loopback4 return
		ip6 daddr @loopback6 return
		tcp dport @skip_inbound_ports return
		meta l4proto tcp redirect to :15006
	}
}
"""


def test_golden_nftables(nft, space):
    nft.run(space, "--skip-inbound-ports=80-90,22")
    # Written by newer nft with a name for the priority and a blank in the flags.
    listed = output_of(space, "nft", "list", "ruleset").replace("constant, interval", "constant,interval")
    assert listed == GOLDEN


GOLDEN_IPTABLES = """-A PREROUTING -p tcp -j OUTRIGGER_PREROUTING
-A OUTPUT -p tcp -j OUTRIGGER_OUTPUT
-A OUTRIGGER_OUTPUT -m mark --mark 0x10 -j RETURN
-A OUTRIGGER_OUTPUT -o eth1 -j RETURN
-A OUTRIGGER_OUTPUT -d 127.0.0.0/8 -j RETURN
-A OUTRIGGER_OUTPUT -p tcp -m tcp --dport 1:9 -j RETURN
-A OUTRIGGER_OUTPUT -p tcp -j REDIRECT --to-ports 15001
-A OUTRIGGER_PREROUTING -i eth1 -j RETURN
-A OUTRIGGER_PREROUTING -d 127.0.0.0/8 -j RETURN
-A OUTRIGGER_PREROUTING -p tcp -m tcp --dport 15000 -j RETURN
-A OUTRIGGER_PREROUTING -p tcp -j REDIRECT --to-ports 15006
"""


def rules_of(tools, space, base="iptables"):
    return [line for line in tools.save(space, base) if line.startswith("-A")]


def test_golden_iptables(iptables, space):
    iptables.run(space, "--proxy-uid=", "--proxy-mark=0x10", "--skip-interfaces=eth1", "--skip-outbound-ports=1-9")
    assert rules_of(iptables, space) == GOLDEN_IPTABLES.splitlines()
    assert rules_of(iptables, space, "ip6tables") == GOLDEN_IPTABLES.replace("127.0.0.0/8", "::1/128").splitlines()


@pytest.mark.parametrize("options", OPTION_SETS.values(), ids=OPTION_SETS)
def test_iptables_dry_run_gives_the_same_rules(iptables, space, twin, options):
    if not HAS_USERS and "--proxy-uid=" not in options:
        pytest.skip(ONE_USER)
    iptables.run(space, *options)
    text = iptables.run(space, *options, "--dry-run").stdout
    _, text4, text6 = re.split(r"^# ip6?tables-restore --noflush\n", text, flags=re.M)
    for base, part in (("iptables", text4), ("ip6tables", text6)):
        twin.run(os.path.join(iptables.folder, f"{base}-restore"), "--noflush", input=part)
        assert rules_of(iptables, space, base) == rules_of(iptables, twin, base)


def test_dry_run_of_delete(nft, iptables, space):
    nft.run(space, *own_options())
    space.run("nft", "-f", "-", input=nft.run(space, "--delete", "--dry-run").stdout)
    assert "outrigger" not in output_of(space, "nft", "list", "ruleset")
    iptables.run(space, *own_options())
    text = iptables.run(space, "--delete", "--dry-run").stdout
    for base, part in zip(("iptables", "ip6tables"), re.split(r"^# .*\n", text, flags=re.M)[1:]):
        space.run(os.path.join(iptables.folder, f"{base}-restore"), "--noflush", input=part)
        assert not rules_of(iptables, space, base)


def test_dry_run_leaves_the_kernel_alone(nft, space):
    nft.run(space, "--dry-run")
    assert output_of(space, "nft", "list", "ruleset") == ""


def test_running_again_replaces(nft, space):
    nft.run(space, "--skip-outbound-ports=22", "--proxy-mark=1")
    nft.run(space, "--skip-inbound-ports=80-90,22")
    assert output_of(space, "nft", "list", "ruleset").replace("constant, interval", "constant,interval") == GOLDEN


def test_running_again_replaces_iptables(iptables, space):
    for options in (["--skip-outbound-ports=22"], ["--skip-outbound-ports=23"]):
        iptables.run(space, *MARK_ONLY, *options)
    for base in ("iptables", "ip6tables"):
        rules = rules_of(iptables, space, base)
        assert "-A OUTRIGGER_OUTPUT -p tcp -m tcp --dport 23 -j RETURN" in rules
        assert len(rules) == len(set(rules)) and not [rule for rule in rules if "22" in rule]


def test_many_at_once(nft, space):
    nft.run(space, *own_options())
    alone = output_of(space, "nft", "list", "ruleset")
    command = [program("outrigger-init"), "--backend=nftables", *own_options()]
    assert run_all(space, [command] * 12) == [(0, "")] * 12
    assert output_of(space, "nft", "list", "ruleset") == alone


def test_many_at_once_iptables(iptables, space):
    command = [program("outrigger-init"), "--backend=iptables", *MARK_ONLY]
    environment = {**os.environ, "PATH": iptables.folder}
    assert run_all(space, [command] * 6, environment) == [(0, "")] * 6
    for base in ("iptables", "ip6tables"):
        rules = rules_of(iptables, space, base)
        assert len(rules) == len(set(rules)) == 8


def test_delete_takes_ours_and_nothing_else(nft, space):
    space.run("nft", "add table inet other; add chain inet other output { type nat hook output priority 0; }; "
                     "add rule inet other output tcp dport 1 accept")
    before = output_of(space, "nft", "list", "ruleset")
    for _ in range(2):
        nft.run(space, *own_options())
        nft.run(space, "--delete")
        nft.run(space, "--delete")  # nothing there is no error
        assert output_of(space, "nft", "list", "ruleset") == before


def test_delete_takes_ours_and_nothing_else_of_iptables(iptables, space):
    restore = os.path.join(iptables.folder, "iptables-restore")
    space.run(restore, input="*nat\n:OTHER - [0:0]\n-A OUTPUT -p tcp -m tcp --dport 1 -j OTHER\nCOMMIT\n")
    before = iptables.save(space)
    iptables.run(space, *MARK_ONLY)
    assert iptables.save(space) != before
    for _ in range(2):
        iptables.run(space, "--delete")
        assert iptables.save(space) == before


def test_one_backend_replaces_the_other(nft, iptables, space):
    """Left behind, the rules of the first would redirect what the second was told to skip."""
    both = {"PATH": iptables.folder}
    nft.run(space, *MARK_ONLY, env=both)
    iptables.run(space, *MARK_ONLY)
    assert "table inet outrigger" not in output_of(space, "nft", "list", "tables")
    nft.run(space, *MARK_ONLY, env=both)
    assert not rules_of(iptables, space) and not rules_of(iptables, space, "ip6tables")
    assert "table inet outrigger" in output_of(space, "nft", "list", "tables")


def test_auto_takes_nftables_and_says_why(space):
    done = space.run(program("outrigger-init"), *own_options())
    assert 'backend=nftables reason="the kernel accepts the rules"' in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_auto_takes_iptables_where_the_kernel_has_no_nf_tables(iptables, space):
    if iptables.kind == "nft":
        pytest.skip("iptables-nft is no iptables without nf_tables")
    done = space.run(program("outrigger-init"), *MARK_ONLY, env={**os.environ, "PATH": iptables.folder},
                     preexec_fn=deny_netfilter_netlink)
    assert 'backend=iptables reason="nf_tables: netlink: Protocol not supported"' in done.stdout
    assert len(rules_of(iptables, space)) == 8


# ---- without IPv6 ----


def switch_ipv6_off(space):
    space.write_sysctl("net/ipv6/conf/all/disable_ipv6", "1")


def test_ipv6_switched_off(nft, iptables):
    with contextlib.closing(World()) as world:
        switch_ipv6_off(world.pod)
        for tools in (nft, iptables):
            done = tools.run(world.pod, *own_options("--verify"))
            assert "verified=ipv4\n" in done.stdout
            assert attempt(world.pod, world.pod, world.outside, "10.8.0.1", 80) == "outbound"
            assert attempt(world.outside, world.pod, world.pod, "10.7.0.1", 80) == "inbound"


def test_ip6tables_missing(iptables, space):
    os.rename(f"{iptables.folder}/ip6tables-restore", f"{iptables.folder}/moved")
    try:
        done = iptables.run(space, *MARK_ONLY, check=False)
        assert done.returncode == 1
        assert done.stderr == ("outrigger-init: IPv6 is on and would not be redirected: "
                               "ip6tables-restore: not found on the PATH\n")
        assert not rules_of(iptables, space)  # neither family, not half of them
        switch_ipv6_off(space)
        assert "ipv6=no" in iptables.run(space, *MARK_ONLY).stdout
        assert rules_of(iptables, space)
    finally:
        os.rename(f"{iptables.folder}/moved", f"{iptables.folder}/ip6tables-restore")


# ---- what is said when it fails ----


@pytest.mark.parametrize("options, message", [
    (["--inbound-port=15001"], "--inbound-port and --outbound-port are both 15001; expected two ports"),
    (["--skip-inbound-ports=80", "--include-inbound-ports=80"],
     "--include-inbound-ports: 80-80 overlaps with 80-80 of --skip-inbound-ports; "
     "expected each port in one of them"),
    (["--inbond-port=1"], "unknown option --inbond-port; did you mean --inbound-port?"),
    (["--skip-uids=root"], '--skip-uids: "root" is not a number between 0 and 4294967294'),
], ids=["same port", "in and out", "typo", "no number"])
def test_wrong_arguments(nft, space, options, message):
    done = nft.run(space, *options, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"outrigger-init: {message}\n")


@pytest.mark.parametrize("backend", ["auto", "nftables", "iptables"])
def test_without_the_capability(space, backend):
    done = space.run("setpriv", "--bounding-set=-net_admin", program("outrigger-init"), f"--backend={backend}",
                     check=False)
    assert done.returncode == 1
    assert "CAP_NET_ADMIN" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""


def test_iptables_missing(space):
    with contextlib.closing(Tools("none", "iptables")) as tools:
        done = tools.run(space, *MARK_ONLY, check=False)
    assert (done.returncode, done.stderr) == (1, "outrigger-init: iptables-save: not found on the PATH\n")


def test_verify_without_a_network(nft, space):
    done = nft.run(space, *own_options("--verify"), check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("outrigger-init: verify: no address or route to open a connection with")


@pytest.mark.parametrize("options", OPTION_SETS.values(), ids=OPTION_SETS)
def test_verify_reads_back_what_was_written(nft, iptables, space, options):
    if not HAS_USERS and "--proxy-uid=" not in options:
        pytest.skip(ONE_USER)
    for tools in (nft, iptables):
        done = tools.run(space, "--verify", *options, check=False)
        assert "verify: no address or route" in done.stderr, done.stderr  # which is asked for after that


TAMPER = """#!/bin/sh
case "$*" in *--test*) exec {real} "$@";; esac
sed '{edit}' | exec {real} "$@"
"""


@pytest.mark.parametrize("edit, message", [
    ("s/to-ports 15006/to-ports 15007/", 'chain OUTRIGGER_PREROUTING has "-A OUTRIGGER_PREROUTING -p tcp -j REDIRECT '
     '--to-ports 15007" where "-A OUTRIGGER_PREROUTING -p tcp -j REDIRECT --to-ports 15006" was written'),
    ("/to-ports 15006/d", 'chain OUTRIGGER_PREROUTING has "" where "-A OUTRIGGER_PREROUTING -p tcp -j REDIRECT '
     '--to-ports 15006" was written'),
    ("/^-A PREROUTING/d", "0 rules of PREROUTING lead to OUTRIGGER_PREROUTING; expected one"),
    ("/^-A OUTRIGGER_OUTPUT -d/p", 'chain OUTRIGGER_OUTPUT has "-A OUTRIGGER_OUTPUT -d {} -j RETURN" where '
     '"-A OUTRIGGER_OUTPUT -p tcp -j REDIRECT --to-ports 15001" was written'),
], ids=["another port", "a rule less", "no way to it", "a rule more"])
@pytest.mark.parametrize("base, family, loopback", [("iptables", "IPv4", "127.0.0.0/8"),
                                                    ("ip6tables", "IPv6", "::1/128")])
def test_verify_sees_what_iptables_did_not_do(iptables, space, edit, message, base, family, loopback):
    path = f"{iptables.folder}/{base}-restore"
    real = os.readlink(path)
    os.unlink(path)
    try:
        with open(path, "w", encoding="ascii") as script:
            script.write(TAMPER.format(real=real, edit=edit))
        os.chmod(path, 0o755)
        done = iptables.run(space, *MARK_ONLY, "--verify", check=False,
                            env={"PATH": f"{iptables.folder}:/usr/bin:/bin"})
    finally:
        os.unlink(path)
        os.symlink(real, path)
    assert (done.returncode, done.stderr) == (
        1, f"outrigger-init: verify: what was written does not read back: {family}: {message.format(loopback)}\n")


def test_verify_sees_another_redirect(nft):
    with contextlib.closing(World()) as world:
        world.pod.run("nft", "add table inet other; "
                      "add chain inet other output { type nat hook output priority -150; }; "
                      "add rule inet other output meta l4proto tcp redirect to :9")
        done = nft.run(world.pod, *own_options("--verify"), check=False)
    assert done.returncode == 1
    assert done.stderr == ("outrigger-init: verify: a connection to 192.0.2.1:80 did not come to port 15001 "
                           "but was refused elsewhere; expected it redirected\n")


def test_verify_with_the_port_in_use(nft):
    with contextlib.closing(World()) as world, listen(world.pod, 15001):
        done = nft.run(world.pod, *own_options("--verify"), check=False)
    assert done.returncode == 1
    assert done.stderr == ("outrigger-init: verify: cannot listen on 127.0.0.1:15001 in the proxy's place: "
                           "Address already in use\n")


def test_verify_finds_what_the_rules_redirect(nft):
    with contextlib.closing(World()) as world:
        for options in (["--include-outbound-cidrs=10.8.7.0/24,fd08:7::/64"], ["--skip-outbound-ports=1-60000"],
                        ["--skip-outbound-cidrs=192.0.2.0/24,198.51.100.0/24,2001:db8::/32"],
                        ["--skip-interfaces=eth0"]):
            assert "verified=ipv4,ipv6" in nft.run(world.pod, *own_options("--verify", *options)).stdout
        done = nft.run(world.pod, "--verify", "--skip-uids=0", check=False)
    assert done.stderr == ("outrigger-init: verify: the rules redirect nothing that uid 0 opens over IPv4; "
                           "expected a destination to try\n")


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_in_a_user_namespace_with_one_user(backend):
    """As `unshare -Urn`: no root outside, one user, known by its mark."""
    script = ("ip link set lo up && ip link add eth0 type veth peer name peer0 && ip link set eth0 up && "
              "ip link set peer0 up && ip addr add 10.7.0.1/24 dev eth0 && "
              f"{program('outrigger-init')} --backend={backend} --proxy-uid= --proxy-mark=1337 --verify")
    with contextlib.closing(Namespace("outer")) as outer:
        done = outer.run("unshare", "-Urn", "sh", "-c", script, check=False)
    if "unshare failed" in done.stderr:
        pytest.skip("no user namespaces here")
    assert (done.returncode, done.stderr) == (0, "")
    assert "verified=ipv4" in done.stdout
