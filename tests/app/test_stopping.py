"""A server that is told to end in the moment in which it forks a worker."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, os, signal, sys
# On one core, with a new worker that gives way at once, the signal is there before the worker has run at all.
os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
libc = ctypes.CDLL(None)
give_way = ctypes.cast(libc.sched_yield, ctypes.c_void_p)
for _ in range(40):
    libc.__register_atfork(None, None, give_way, None)
forks = iter([False, True])
os.register_at_fork(after_in_parent=lambda: next(forks, False) and os.kill(os.getpid(), signal.SIG{name}))
from s3facade.cli.main import main
sys.exit(main(["serve", sys.argv[1], "--port", "0", "--workers", "3"]))
"""


@pytest.mark.parametrize("name", ["TERM", "INT"])
def test_no_worker_is_left(tmp_path, name):
    for _ in range(4):
        command = [sys.executable, "-c", PROGRAM.format(name=name), str(tmp_path)]
        ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr


AT_ONCE = """
import gc, os, signal, sys
# What comes right behind the line with the address: somebody has read it, and stops the server.
gc.freeze = lambda: os.kill(os.getpid(), signal.SIGTERM)
from s3facade.cli.main import main
sys.exit(main(["serve", sys.argv[1], "--port", "0", "--workers", "2"]))
"""


def test_stopped_as_soon_as_it_has_an_address(tmp_path):
    command = [sys.executable, "-c", AT_ONCE, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
