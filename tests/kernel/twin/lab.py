"""Network namespaces that belong to one process, and how to do things inside them.

Every namespace bears the process's number.  They go with lab_clean(), which guard() also calls at the end of the process,
however it comes: by itself, by an error, by SIGINT, SIGTERM or SIGHUP.  Namespaces of a process that was killed outright
(SIGKILL) are removed by the next one that calls guard()."""

import atexit
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys

NAMES = "svk"
PREFIX = "%s%d-" % (NAMES, os.getpid())
NETNS = "/var/run/netns"
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
HOME = os.open("/proc/self/ns/net", os.O_RDONLY)


def sh(*words, stdin=None, check=True):
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError("%s: %s" % (" ".join(words), done.stderr.strip()))
    return done.stdout


def enter(fd):
    if LIBC.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """A network namespace; what the calling thread does within `with namespace:` happens inside it."""

    made = 0

    def __init__(self, label):
        Namespace.made += 1
        # Processes that this one forked have numbers of their own.
        self.label, self.name = label, "%s%d-%d" % (PREFIX, os.getpid(), Namespace.made)
        sh("ip", "netns", "add", self.name)
        self.fd = os.open(os.path.join(NETNS, self.name), os.O_RDONLY)
        self.run("ip", "link", "set", "lo", "up")

    def __enter__(self):
        enter(self.fd)
        return self

    def __exit__(self, *_):
        enter(HOME)

    def run(self, *words, stdin=None, check=True):
        with self:
            return sh(*words, stdin=stdin, check=check)

    def ip(self, *lines):
        """Several `ip` commands, one process."""
        if lines:
            self.run_batch(lines)

    def run_batch(self, lines):
        self.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def sysctl(self, **values):
        """net.A.B=1 written as A__B=1: dots do not stand in Python's names."""
        with self:
            for key, value in values.items():
                name = key.replace("__", ".").replace("bridge_nf", "bridge-nf").replace("_call_", "-call-")
                self.set_sysctl("net." + name, value)

    @staticmethod
    def set_sysctl(key, value):
        with open("/proc/sys/" + key.replace(".", "/"), "w", encoding="ascii") as file:
            file.write("%s\n" % value)

    @staticmethod
    def get_sysctl(key):
        path = "/proc/sys/" + key.replace(".", "/")
        return int(open(path, encoding="ascii").read().split()[0]) if os.path.exists(path) else None

    def socket(self, *arguments):
        import socket  # pylint: disable=import-outside-toplevel
        with self:
            return socket.socket(*arguments)

    def delete(self):
        os.close(self.fd)
        sh("ip", "netns", "del", self.name)


def wire(a, dev_a, b, dev_b):
    a.ip("link add dev %s type veth peer name %s netns %s" % (dev_a, dev_b, b.name), "link set dev %s up" % dev_a)
    b.ip("link set dev %s up" % dev_b)


def delete(names):
    for name in names:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def clean(owner):
    if os.getpid() == owner and os.path.isdir(NETNS):
        delete([name for name in os.listdir(NETNS) if name.startswith(PREFIX)])


def clean_after_the_dead():
    for name in os.listdir(NETNS) if os.path.isdir(NETNS) else []:
        owner = re.match(NAMES + r"(\d+)-", name)
        if owner and not os.path.exists("/proc/" + owner.group(1)):
            delete([name])


def guard(what, *tools):
    """Says why not and returns False where the tests of a live kernel cannot run."""
    missing = [t for t in ("ip",) + tools if not shutil.which(t)]
    if os.geteuid() != 0 or missing:
        print("SKIP %s: needs %s" % (what, ", ".join(missing) or "root"))
        print("0 passed, 0 failed, 1 skipped")
        return False
    clean_after_the_dead()
    atexit.register(clean, os.getpid())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: sys.exit(128 + n))
    return True
