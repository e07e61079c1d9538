"""Compressed chunks against other people's decoders; the same bytes whenever and in whatever thread."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numcodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from zarr.registry import get_codec_class

from s3facade.codecs.compress import LEVELS, Compressed, compressed
from s3facade.core.errors import Unsupported
from s3facade.core.identity import digest

OTHERS = {"zstd": numcodecs.Zstd().decode, "gzip": gzip.decompress, "blosc": numcodecs.Blosc().decode}
DTYPES = ["|b1", "|u1", "<u2", ">u2", "<i4", "<f4", ">f8", "<c8", "<c16"]
blocks = npst.arrays(st.sampled_from(DTYPES), npst.array_shapes(max_dims=4, max_side=9))


@pytest.mark.parametrize("name", LEVELS)
@settings(max_examples=60)
@given(blocks, st.data())
def test_others_decode_it(name: str, block: np.ndarray[Any, Any], data: st.DataObject) -> None:
    codec = compressed(name, data.draw(st.none() | st.integers(1, LEVELS[name])))
    encoded = codec.encode(block)
    assert bytes(OTHERS[name](encoded)) == block.astype(block.dtype.newbyteorder("<")).tobytes()
    assert codec.nbytes(block.shape, block.dtype) is None
    # A view of something larger, in another order, is the same block.
    assert codec.encode(np.repeat(block, 2, axis=0)[::2]) == encoded
    assert codec.encode(np.asfortranarray(block)) == encoded


@pytest.mark.parametrize("name", LEVELS)
def test_the_same_bytes_at_any_time_and_in_any_thread(name: str) -> None:
    block = np.random.default_rng(1).poisson(30, (512, 512)).astype(np.uint16)
    codec = compressed(name)
    with ThreadPoolExecutor(4) as threads:
        found = {bytes(data) for data in threads.map(codec.encode, [block] * 16)}
    assert len(found) == 1
    assert len(found.pop()) < block.nbytes


def test_gzip_holds_no_time_and_no_name() -> None:
    assert bytes(compressed("gzip").encode(np.zeros(9, np.uint8)))[3:8] == bytes(5)


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float64"])
def test_zarr_knows_its_document(name: str, dtype: str) -> None:
    document = compressed(name, 5).document(np.dtype(dtype))
    assert get_codec_class(name).from_dict(document).to_dict() == document


def test_another_library_is_another_identity() -> None:
    codec = compressed("zstd")
    assert "imagecodecs" in codec.library
    assert digest(codec) == digest(compressed("zstd", 1))
    assert len({digest(codec), digest(compressed("zstd", 2)), digest(Compressed("zstd", 1, "another"))}) == 3


@pytest.mark.parametrize(("name", "level"), [("lzma", None), ("raw", None), ("zstd", 0), ("zstd", 23), ("gzip", 10)])
def test_what_there_is_not(name: str, level: int | None) -> None:
    with pytest.raises(Unsupported, match="codec: "):
        compressed(name, level)
