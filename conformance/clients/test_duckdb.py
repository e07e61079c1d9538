"""DuckDB's extension httpfs, from the package that carries it."""

from __future__ import annotations

from pathlib import Path

import pytest

duckdb = pytest.importorskip("duckdb")
extension = pytest.importorskip("duckdb_extension_httpfs")

from conformance.contract import lacks  # noqa: E402 - after the check that there is a client
from conformance.signed import REFUSAL, object_url, plain  # noqa: E402

CLIENT, VERSION = "DuckDB (httpfs)", duckdb.__version__


def connect(facade, key="", secret=""):
    (library,) = Path(extension.__file__).parent.rglob("httpfs.duckdb_extension")
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    connection.load_extension(str(library))
    who = f", KEY_ID '{key}', SECRET '{secret}'" if key else ""
    host = facade.url.removeprefix("http://")
    connection.execute(
        f"CREATE SECRET s (TYPE s3, PROVIDER config, ENDPOINT '{host}', URL_STYLE 'path', USE_SSL false,"
        f" REGION 'us-east-1'{who})"
    )
    return connection


@pytest.fixture(scope="module")
def anonymous(facade):
    with connect(facade) as connection:
        yield connection


@pytest.fixture(scope="module")
def signed(private):
    with connect(private.facade, private.key, private.secret) as connection:
        yield connection


def blob(connection, url):
    return connection.execute("SELECT content FROM read_blob(?)", [url]).fetchone()[0]


class TestDuckDb:
    def test_list_thousands(self, anonymous, tree):
        found = [f for (f,) in anonymous.execute("SELECT file FROM glob('s3://files/many/*.txt')").fetchall()]
        assert sorted(found) == sorted(f"s3://files/{k}" for k in tree if k.startswith("many/"))

    def test_list_recursive(self, anonymous, tree):
        found = [f for (f,) in anonymous.execute("SELECT file FROM glob('s3://files/**')").fetchall()]
        assert sorted(found) == sorted(f"s3://files/{k}" for k in tree)

    def test_list_with_delimiter(self, anonymous, tree):
        found = [f for (f,) in anonymous.execute("SELECT file FROM glob('s3://files/*')").fetchall()]
        assert sorted(found) == sorted(f"s3://files/{k}" for k in tree if "/" not in k)

    def test_head(self, anonymous, tree):
        """Without the column of contents, it asks for the size alone."""
        size = anonymous.execute("SELECT size FROM read_blob('s3://files/pyramid.ome.tif')").fetchone()[0]
        assert size == tree["pyramid.ome.tif"]

    test_not_modified = test_precondition_failed = lacks("DuckDB offers no conditional requests")

    def test_get(self, anonymous, folder_bytes):
        for key, data in folder_bytes.items():
            assert blob(anonymous, f"s3://files/{key}") == data, key

    def test_metadata_documents(self, anonymous, facade, samples):
        names = anonymous.execute(
            "SELECT attributes.ome.multiscales[1].axes[1].name FROM read_json('s3://images/stack.ome.zarr/zarr.json')"
        ).fetchall()
        assert names == [("z",)]

    def test_missing_key(self, anonymous):
        with pytest.raises(duckdb.Error, match=r"404|No files found"):
            blob(anonymous, "s3://files/absent.tif")

    def test_signed_get(self, signed, folder_bytes):
        for key, data in folder_bytes.items():
            assert blob(signed, f"s3://vault/{key}") == data, key

    def test_copy_of_an_image(self, signed, facade):
        found = signed.execute(
            "SELECT filename, content FROM read_blob('s3://vault-images/two.ome.zarr/**')"
        ).fetchall()
        assert len(found) > 5
        for name, data in found:
            assert plain(object_url(facade, "images", name.removeprefix("s3://vault-images/"))) == data, name

    test_presigned_get = lacks("DuckDB makes no presigned URLs")

    def test_link(self, private, anonymous, folder_bytes):
        assert blob(anonymous, private.link("vault", "slide.svs")) == folder_bytes["slide.svs"]

    def test_wrong_secret(self, private):
        wrong = connect(private.facade, private.key, "wrong-secret")
        with wrong as connection, pytest.raises(duckdb.Error, match=REFUSAL):
            blob(connection, "s3://vault/many/7.txt")

    def test_denied_bucket(self, signed):
        with pytest.raises(duckdb.Error, match=REFUSAL):
            blob(signed, "s3://closed/many/7.txt")
