"""No process outlives its parent, whatever either of them is at when the parent is ended, killed or hung."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from db import lifetime, tied
from db.waiting import wait_until
from infra.devstack.postgres import runtime_root
from infra.devstack.state import runs
from tests.fix_api import make_window, run_api, run_cluster
from tests.fix_photos import draw_jpeg
from tests.fix_tools import QUICKLY
from tests.ports import find_free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform == "win32", reason="only POSIX has SIGSTOP and SIGKILL"),
]
REPOSITORY = Path(__file__).parents[3]
DEADLINE_S = 60

SLEEPING = "import time; time.sleep(600)"
BUSY = "pow(7, 10**9)"
"""One call of C code that hears no signal handler and lets no other thread run, for hours."""
DEAF = f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); {BUSY}"

PARENT = """
import sys, threading, time
from db import lifetime
child = lambda: print(lifetime.start([sys.executable, "-c", sys.argv[1]]).pid, flush=True)
"""
BY_THE_MAIN_THREAD = PARENT + "child(); time.sleep(600)"
BY_A_THREAD_THAT_ENDS = (
    PARENT + "one = threading.Thread(target=child); one.start(); one.join(); time.sleep(600)"
)
GRANDPARENT = """
import subprocess, sys, time
from db import lifetime
lifetime.start([sys.executable, "-c", sys.argv[1], sys.argv[2]]); time.sleep(600)
"""


def kill(parent: psutil.Process) -> None:
    parent.kill()


def hang_and_kill(parent: psutil.Process) -> None:
    parent.suspend()
    parent.kill()


def end(parent: psutil.Process) -> None:
    parent.terminate()


ENDS = (kill, hang_and_kill, end)


@contextmanager
def run_parent(code: str, *arguments: str) -> Iterator[tuple[psutil.Process, psutil.Process]]:
    """Run a parent for a block; give it and the process whose id it prints."""
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield psutil.Process(process.pid), psutil.Process(int(process.stdout.readline()))
        finally:
            process.kill()


def is_at_work(process: psutil.Process) -> bool:
    return sum(process.cpu_times()[:2]) > 0.2


def is_program(process: psutil.Process) -> bool:
    """Tell whether it is a module's process; before it is tied it does not look like that."""
    with contextlib.suppress(psutil.Error):
        return process.cmdline()[1:2] == ["-m"]
    return False


def assert_gone(processes: list[psutil.Process]) -> None:
    try:
        assert wait_until(lambda: not any(map(runs, processes)), DEADLINE_S), processes
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("code", [BY_THE_MAIN_THREAD, BY_A_THREAD_THAT_ENDS], ids=["main", "thread"])
def test_a_child_that_is_stopped_ends_with_its_parent(
    code: str, end: Callable[[psutil.Process], None]
) -> None:
    with run_parent(code, SLEEPING) as (parent, child):
        child.suspend()
        assert runs(child), "it ends with the process, not with the thread"
        end(parent)
        assert_gone([child])


@pytest.mark.parametrize("end", ENDS)
def test_a_child_that_is_busy_and_hears_nothing_ends_with_its_parent(
    end: Callable[[psutil.Process], None],
) -> None:
    with run_parent(BY_THE_MAIN_THREAD, DEAF) as (parent, child):
        assert wait_until(lambda: is_at_work(child), DEADLINE_S)
        end(parent)
        assert_gone([child])


def test_a_stopped_grandchild_ends_with_a_grandparent_that_is_killed() -> None:
    with run_parent(GRANDPARENT, BY_THE_MAIN_THREAD, SLEEPING) as (grandparent, grandchild):
        [parent] = grandparent.children()
        for one in (grandchild, parent):
            one.suspend()
        grandparent.kill()
        assert_gone([parent, grandchild])


def test_a_child_lives_on_when_the_thread_that_asked_for_it_ends() -> None:
    made: list[lifetime.Child] = []
    asking = threading.Thread(target=lambda: made.append(lifetime.start([sys.executable, "-c", SLEEPING])))
    asking.start()
    asking.join()
    with made[0] as child:
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(0.5)
        finally:
            child.kill()


def test_a_child_whose_parent_is_gone_before_it_asks_does_not_begin(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    other = os.getppid()
    command = [sys.executable, "-I", "-S", tied.__file__, str(other), "touch", str(begun)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not begun.exists()


def test_a_child_is_the_program_with_the_signals_and_files_that_it_would_have_had(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    with kept.open("w") as file:
        code = f"cat /proc/self/status; echo told >/dev/fd/{file.fileno()}"
        child = lifetime.start(["sh", "-c", code], handles=[file.fileno()], stdout=subprocess.PIPE)
        told, _ = child.communicate()
    plain = subprocess.run(["cat", "/proc/self/status"], stdout=subprocess.PIPE, check=True).stdout
    ignored = [line for line in plain.splitlines() if line.startswith(b"SigIgn")]
    assert [line for line in told.splitlines() if line.startswith(b"SigIgn")] == ignored
    assert kept.read_text() == "told\n"


def test_a_program_that_is_not_there_is_an_error_at_once() -> None:
    with pytest.raises(FileNotFoundError, match="no program nowhere"):
        lifetime.start(["nowhere"])


# ------------------------------------------------------------ Ponte's own, each where it is started

RENDERING = """
import sys, time
from pathlib import Path
from thumbnail_worker.photos.messages import PhotoLimits, Task
from thumbnail_worker.photos.pool import RenderPool
pool = RenderPool(1, PhotoLimits(Path(sys.argv[1]), 2**26, 89_478_485, 1536, 60))
pool.make(Task(1, "a.jpg", (640,)))
print(pool._renderers[0]._process.pid, flush=True)
time.sleep(600)
"""
SUPERVISING = """
import os, sys, time
from pathlib import Path
from infra.devstack.supervisor import ServiceSpec, Supervisor
supervisor = Supervisor()
log = Path(sys.argv[2])
supervisor.start(ServiceSpec("x", [sys.executable, "-c", sys.argv[1]], os.environ, log, lambda: True))
print(supervisor.processes()["x"].pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("end", ENDS)
def test_a_rendering_process_that_is_stopped(end: Callable[[psutil.Process], None], tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(draw_jpeg(1, (1000, 700)))
    with run_parent(RENDERING, str(tmp_path)) as (parent, child):
        child.suspend()
        end(parent)
        assert_gone([child])


@pytest.mark.parametrize("end", ENDS)
def test_a_service_of_the_dev_stack_that_is_busy(
    end: Callable[[psutil.Process], None], tmp_path: Path
) -> None:
    with run_parent(SUPERVISING, DEAF, str(tmp_path / "log")) as (parent, child):
        assert wait_until(lambda: is_at_work(child), DEADLINE_S)
        end(parent)
        assert_gone([child])


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    with run_cluster() as cluster:
        yield make_window(cluster, "vps", pedidos=1)


@pytest.mark.parametrize("end", ENDS)
def test_the_apis_processes_and_their_checkers_that_are_stopped(
    dsn: str, end: Callable[[psutil.Process], None]
) -> None:
    with run_api(dsn, processes="2") as api:
        parent = psutil.Process(api.process.pid)

        def find_family() -> list[psutil.Process]:
            return list(filter(is_program, parent.children(recursive=True)))

        assert wait_until(lambda: len(find_family()) == 4, DEADLINE_S), "two that answer, two that check"
        family = find_family()
        for one in family:
            one.suspend()
        end(parent)
        assert_gone(family)


SERVING = """
import os, sys, time
from pathlib import Path
from infra.devstack.clusters import Cluster, ClusterSpec
from infra.devstack.postgres import find_bindir, find_server_user, reachable_bindir
root = Path(sys.argv[1])
bindir = reachable_bindir(find_bindir(os.environ), root, find_server_user())
quick = {"fsync": "off"}
cluster = Cluster(ClusterSpec("x", root / "x", int(sys.argv[2]), bindir, root / "password", quick))
cluster.start()
print(cluster.postmaster().pid, flush=True)
time.sleep(600)
"""
AT_THE_END = SERVING.replace("time.sleep(600)", "").replace(
    "cluster.start()",
    "import atexit\natexit.register(lambda: print(cluster.stop(), 'stopped'))\ncluster.start()",
)


@pytest.mark.parametrize("end", ENDS)
def test_a_postgresql_server_is_stopped_in_good_order(
    end: Callable[[psutil.Process], None], tmp_path: Path
) -> None:
    root = runtime_root(tmp_path)
    try:
        with run_parent(SERVING, str(root), str(find_free_port())) as (parent, server):
            end(parent)
            assert_gone([server])
        assert "received fast shutdown request" in (root / "x.log").read_text()
    finally:
        shutil.rmtree(root)


def test_a_server_that_is_stopped_at_its_parents_very_end_is_no_error(tmp_path: Path) -> None:
    root = runtime_root(tmp_path)
    try:
        command = [sys.executable, "-c", AT_THE_END, str(root), str(find_free_port())]
        done = subprocess.run(
            lifetime.tie(command), cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("stopped\n")
    finally:
        shutil.rmtree(root)


def test_tests_in_several_processes_end_with_the_one_that_deals_them_out(tmp_path: Path) -> None:
    test = (
        f"import os\ndef test_x():\n    print(os.getpid(), file=open('pid', 'w'), flush=True)\n    {BUSY}\n"
    )
    (tmp_path / "test_x.py").write_text(test)
    plugins = ["-p", "tests.fix_lifetime", *QUICKLY, "-n", "1"]
    command = [sys.executable, "-m", "pytest", *plugins, "test_x.py"]
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with lifetime.start(command, cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL) as dealing:
        try:
            told = tmp_path / "pid"
            assert wait_until(lambda: told.exists() and told.read_text().endswith("\n"), 60)
            worker = psutil.Process(int(told.read_text()))
            assert worker.pid != dealing.pid
            worker.suspend()
        finally:
            dealing.kill()
    assert_gone([worker])
