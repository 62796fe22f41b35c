"""Tests that leave something behind, and some that do not; run by tests/test_detectors.py."""

import ctypes
import subprocess
import sys

import pytest

SHARED = object()
KEPT: list[object] = []


def test_keeps_an_object() -> None:
    KEPT.append(object())


def test_keeps_a_class() -> None:
    KEPT.append(type("Kept", (), {}))


def test_keeps_a_reference() -> None:
    """No memory is lost by it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(SHARED))


@pytest.fixture
def untidy():
    yield
    KEPT.append(object())


def test_has_a_fixture_that_keeps_an_object(untidy) -> None:
    pass


def test_fills_a_cache() -> None:
    KEPT[:4] = [object(), object(), object(), object()]


def test_makes_a_cycle() -> None:
    cycle: list[object] = []
    cycle.append(cycle)


@pytest.mark.leaks_elsewhere("an example")
def test_is_exempt() -> None:
    KEPT.append(object())


def test_starts_a_process() -> None:
    KEPT.append(subprocess.run([sys.executable, "-c", ""], check=True))
