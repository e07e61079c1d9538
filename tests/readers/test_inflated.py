"""Parts of compressed files, against what the whole unpacks to."""

import bz2
import gzip
import lzma
import threading
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers import inflated
from s3facade.readers.inflated import Inflated, Packing, compression, unpacked
from s3facade.stores.local import LocalFile

RNG = np.random.default_rng(0)
CONTENT = np.cumsum(RNG.integers(-3, 4, 6 << 20), dtype=np.int16).tobytes()


def members(data, size):
    """As bgzip and pigz write: members one behind the other, with an empty one at the end."""
    parts = [gzip.compress(data[i : i + size], 1) for i in range(0, len(data), size)]
    return b"".join([*parts, gzip.compress(b"")])


def raw(data):
    state = zlib.compressobj(1, zlib.DEFLATED, -15)
    return state.compress(data) + state.flush()


FORMS = {
    "gzip": lambda d: gzip.compress(d, 1),
    "members": lambda d: members(d, 65280),
    "large members": lambda d: members(d, 3 << 20),
    "padded": lambda d: gzip.compress(d, 1) + bytes(512),
    "zlib": lambda d: zlib.compress(d, 1),
    "deflate": raw,
    "bzip2": lambda d: bz2.compress(d[: 1 << 20]) + bz2.compress(d[1 << 20 :]),
    "xz": lambda d: lzma.compress(d, preset=0),
}


def form_of(kind):
    return kind if kind in ("zlib", "deflate", "bzip2", "xz") else "gzip"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    found = {}
    for kind, make in FORMS.items():
        data = CONTENT if kind not in ("bzip2", "xz") else CONTENT[: 2 << 20]
        (folder / kind).write_bytes(make(data))
        found[kind] = (LocalFile.open(folder / kind), data)
    return found


@pytest.mark.parametrize("kind", FORMS)
def test_any_part(packed, kind):
    file, data = packed[kind]
    assert compression(bytes(file.pread(0, 8))) == (form_of(kind) if kind not in ("zlib", "deflate") else None)
    view = Inflated(file, Packing(form_of(kind)))
    order = [int(v) for v in RNG.integers(0, len(data), 40)]
    for at in [0, len(data) - 5, *order, *range(0, len(data), 1 << 20)]:
        n = min(int(RNG.integers(1, 1 << 19)), len(data) - at)
        assert view.pread(at, n) == data[at : at + n]
    assert view.pread(0, len(data)) == data
    assert view.peek(100, len(data) - 10) == data[-10:]
    assert view.peek(100, len(data) + 10) == b""
    with pytest.raises(BadSource, match="cut short"):
        view.pread(len(data) - 4, 5)
    with view.stream() as stream:
        assert stream.read() == data


@pytest.mark.parametrize("kind", ["gzip", "members", "large members"])
def test_states_are_few_and_reads_do_not_start_over(packed, monkeypatch, kind):
    file, data = packed[kind]
    fresh = inflated._Streams()
    monkeypatch.setattr(inflated, "_STREAMS", fresh)
    view = Inflated(file, Packing("gzip"))
    assert view.peek(348) == data[:348]
    (stream,) = fresh._known.values()
    assert len(stream._points) == 1, "opening unpacks the header alone"
    view.pread(len(data) - 100, 100)
    assert len(data) // inflated.SPACING * 0.7 <= len(stream._points) <= len(data) // inflated.SPACING + 1
    monkeypatch.setattr(inflated, "MOST", 4)
    monkeypatch.setattr(inflated, "SPACING", 1 << 18)
    fresh._known.clear()
    view.pread(len(data) - 100, 100)
    (stream,) = fresh._known.values()
    assert len(stream._points) <= 5
    assert stream._spacing >= 1 << 20
    for at in range(0, len(data), 777_777):
        assert view.peek(1000, at) == data[at : at + 1000]
    monkeypatch.setattr(inflated, "ROOM", 1)
    view.peek(1)
    Inflated(file, Packing("gzip", 0, file.source.size)).peek(1)
    assert len(fresh._known) == 1


def test_random_reads_are_quick(packed):
    file, data = packed["gzip"]
    view = Inflated(file, Packing("gzip"))
    view.pread(len(data) - 1, 1)
    times = []
    for at in RNG.integers(0, len(data) - (1 << 20), 20):
        start = time.thread_time()
        view.pread(int(at), 1 << 20)
        times.append(time.thread_time() - start)
    assert sorted(times)[10] < 0.03


def test_many_threads(packed):
    file, data = packed["large members"]
    view = Inflated(file, Packing("gzip"))
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        places = [int(v) for v in rng.integers(0, len(data) - 5000, 30)]
        wrong.extend(at for at in places if view.pread(at, 5000) != data[at : at + 5000])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_part_of_a_file(tmp_path):
    body = zlib.compress(CONTENT[:100_000])
    (tmp_path / "a").write_bytes(b"header" + body + b"trailer")
    file = LocalFile.open(tmp_path / "a")
    view = Inflated(file, Packing("zlib", 6, len(body)))
    assert view.pread(5000, 90_000) == CONTENT[5000:95_000]
    assert view.room >= 100_000
    with pytest.raises(BadSource, match="behind its end"):
        Inflated(file, Packing("zlib", 6, 1 << 40)).pread(0, 1)
    with pytest.raises(Unsupported):
        view.path()


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_damaged(tmp_path, kind):
    good = FORMS[kind](CONTENT[:300_000])
    wrongs = {
        "cut": good[: len(good) // 2],
        "changed": good[: len(good) // 2] + bytes(64) + good[len(good) // 2 + 64 :],
        "trailing": good + b"something",
        "head": good[:4],
    }
    for name, data in wrongs.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(BadSource):
            # To the end: the checksum of gzip stands there.
            Inflated(LocalFile.open(path), Packing(form_of(kind))).pread(0, 1 << 24)


def test_bombs_are_not_unpacked(tmp_path, monkeypatch):
    (tmp_path / "a.bz2").write_bytes(bz2.compress(bytes(4 << 20)))
    monkeypatch.setattr(inflated, "ROOM", 1 << 20)
    with pytest.raises(Unsupported, match="unpacked whole"):
        Inflated(LocalFile.open(tmp_path / "a.bz2"), Packing("bzip2")).pread(0, 10)
    assert unpacked(gzip.compress(bytes(1 << 20))[:4096]) == bytes(4096)
    assert unpacked(b"\x1f\x8b\x08nonsense") == b""
    assert unpacked(b"plain") == b"plain"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 70_000), st.integers(0, 40_000)), max_size=12), st.integers(1, 3))
def test_reads_in_any_order(tmp_path_factory, reads, spread):
    data = CONTENT[:60_000] * spread
    path = tmp_path_factory.mktemp("any") / "a.gz"
    path.write_bytes(members(data, 25_000))
    view = Inflated(LocalFile.open(path), Packing("gzip"))
    for at, n in reads:
        assert view.peek(n, at) == data[at : at + n]
