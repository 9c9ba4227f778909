"""The processes in which tests run end with the one that deals the tests out."""

from __future__ import annotations

import os

import pytest

from db import tied


def pytest_configure(config: pytest.Config) -> None:
    """Have a worker of pytest-xdist, whatever its test is at, end with its controller."""
    if hasattr(config, "workerinput"):
        tied.end_with(os.getppid())
