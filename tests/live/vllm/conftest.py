"""The tests here need a real vLLM that `make test-vllm` has started; without one they are not collected."""

import pytest

from tests.live.vllm.real import Real, from_environment

_REAL = from_environment()
collect_ignore_glob = [] if _REAL else ["test_*.py"]


@pytest.fixture(scope="session")
def real() -> Real:
    assert _REAL is not None
    return _REAL
