"""Windows' job object: the processes that were put in it end with this one, whatever ends it."""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

assert sys.platform == "win32"  # noqa: S101  # tells mypy, too

from ctypes import wintypes  # noqa: E402

KILL_ON_JOB_CLOSE = 0x2000
EXTENDED_LIMITS = 9
TERMINATE, SET_QUOTA = 0x0001, 0x0100


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("process_time", ctypes.c_int64),
        ("job_time", ctypes.c_int64),
        ("flags", wintypes.DWORD),
        ("min_working_set", ctypes.c_size_t),
        ("max_working_set", ctypes.c_size_t),
        ("processes", wintypes.DWORD),
        ("affinity", ctypes.c_size_t),
        ("priority", wintypes.DWORD),
        ("scheduling", wintypes.DWORD),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("basic", _BasicLimits),
        ("io", ctypes.c_uint64 * 6),
        ("memory", ctypes.c_size_t * 4),
    )


def start(
    command: Sequence[str | os.PathLike[str]], handles: Sequence[int], options: dict[str, Any]
) -> subprocess.Popen[Any]:
    """Start a child that inherits these handles and ends with this process."""
    for handle in handles:
        os.set_handle_inheritable(handle, True)
    startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [*handles]}) if handles else None
    child: subprocess.Popen[Any] = subprocess.Popen(command, startupinfo=startup, **options)
    try:
        _keep(child)
    except OSError:
        child.kill()
        raise
    return child


def _keep(child: subprocess.Popen[Any]) -> None:
    kernel = _kernel()
    process = kernel.OpenProcess(TERMINATE | SET_QUOTA, False, child.pid)
    done = process and kernel.AssignProcessToJobObject(_job(), process)
    error = ctypes.get_last_error()
    if process:
        kernel.CloseHandle(process)
    if not done:
        raise ctypes.WinError(error)


@functools.cache
def _job() -> int:
    """Return the one job of this process; nobody inherits its handle, which closes with the process."""
    kernel = _kernel()
    job: int | None = kernel.CreateJobObjectW(None, None)
    limits = _ExtendedLimits()
    limits.basic.flags = KILL_ON_JOB_CLOSE
    size = ctypes.sizeof(limits)
    if not job or not kernel.SetInformationJobObject(job, EXTENDED_LIMITS, ctypes.byref(limits), size):
        raise ctypes.WinError(ctypes.get_last_error())
    return job


@functools.cache
def _kernel() -> ctypes.WinDLL:
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = kernel.OpenProcess.restype = wintypes.HANDLE
    kernel.SetInformationJobObject.argtypes = [
        wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD,
    ]  # fmt: skip
    kernel.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
    kernel.CloseHandle.argtypes = [wintypes.HANDLE]
    return kernel
