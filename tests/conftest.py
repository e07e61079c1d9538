"""Settings of every test: no deadlines, since the machine may be shared; nothing left behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("s3facade", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", parent=settings.get_profile("s3facade"), max_examples=2000)
settings.load_profile(os.environ.get("S3FACADE_HYPOTHESIS", "s3facade"))


@pytest.fixture(autouse=True, scope="session")
def _caches_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests find out about files is nobody else's business."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("CACHE_DIRECTORY", raising=False)
        yield


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """A test that starts threads of the engine also ends them."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith(("cpu", "io")):
            thread.join(5)
            assert not thread.is_alive(), f"{thread.name} is left behind"
