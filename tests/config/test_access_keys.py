"""Who may read, as it is written in a configuration."""

import os

import pytest

from s3facade import remotes
from s3facade.auth.configured import authenticator, credential, links
from s3facade.config.load import load
from s3facade.config.settings import Grant
from s3facade.core.errors import ConfigError
from s3facade.stores import files

TEXT = """\
sources: {demo: {synthetic: {shape: {y: 8, x: 8}}}}
buckets:
  lab: &view
    access: key-only
    cache_control: max-age=60
    cors: ["https://a.example.org", "https://*.b.example"]
    views: [{type: ome-zarr, from: demo, path: x}]
  open: {views: [{type: ome-zarr, from: demo, path: x}], cors: off}
access:
  - {key: A, secret_file: a.secret, buckets: [lab, "open/sub-01/*", "lab/x*"], max_requests: 4, rate: 600/min}
  - {key: B, secret: "${B}", session_token: token, buckets: ["*"]}
links: {secret_file: links.secret, revoked: [abcd1234]}
"""


@pytest.fixture
def config(tmp_path):
    for name in ("a.secret", "links.secret"):
        (tmp_path / name).write_text(f"the-{name}\n")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "c.yaml").write_text(TEXT)
    return tmp_path / "c.yaml"


def test_all_of_it(config):
    settings = load(config, {"B": "b-secret-b"})
    a, b = settings.access
    assert (a.secret, a.max_requests, a.rate, a.token) == ("the-a.secret", 4, 10.0, None)
    assert a.grants == (Grant("lab"), Grant("open", "sub-01/"), Grant("lab", "x"))
    assert credential(a).grants == {"lab": ("", "x"), "open": ("sub-01/",)}
    assert (b.secret, b.token, credential(b).grants) == ("b-secret-b", "token", None)
    lab, open_ = settings.buckets
    assert (lab.access, lab.cache_control) == ("key-only", "max-age=60")
    assert (lab.cors, open_.cors) == (("https://a.example.org", "https://*.b.example"), ())
    assert links(settings).secret == "the-links.secret"
    assert "abcd1234" in links(settings).revoked
    assert "secret" not in repr(settings.access).replace("secret_file", "")
    assert authenticator(settings, lambda _: None)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_secrets_that_others_may_read_are_refused(config, mode):
    (config.parent / "a.secret").chmod(mode)
    with pytest.raises(ConfigError, match=r"c\.yaml:10: access\[0\]\.secret_file: .*chmod 600"):
        load(config, {"B": "b-secret-b"})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("a.secret", "none.secret", "cannot be read"),
        ("secret_file: a.secret, ", "", "one of `secret` and `secret_file`"),
        ("secret_file: links.secret", "secret: a-secret-b, secret_file: links.secret", "one of `secret`"),
        ('"open/sub-01/*"', '"open/sub-01"', "one star at the end"),
        ('"open/sub-01/*"', '"open/*/a*"', "one star at the end"),
        ('"open/sub-01/*"', '"*/a*"', "one star at the end"),
        ('"open/sub-01/*"', '"none/a*"', "no bucket called 'none'"),
        ("600/min", "600", "write it as in '100/s'"),
        ("max_requests: 4", "max_requests: 0", "greater than or equal to 1"),
        ("max-age=60", '"a\\nb"', "on one line"),
        ("cors: off", "cors: example.org", "origins as in"),
        ("cors: off", 'cors: ["https://*.*.org"]', "origins as in"),
        ("key-only", "secret", "'key-only'"),
    ],
)
def test_mistakes(config, old, new, said):
    assert old in TEXT
    config.write_text(TEXT.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load(config, {"B": "b-secret-b"})
    assert said in str(caught.value)
    assert "b-secret-b" not in str(caught.value)


def test_a_short_secret_in_a_file(config):
    (config.parent / "a.secret").write_text("short")
    with pytest.raises(ConfigError, match="at least 8"):
        load(config, {"B": "b-secret-b"})


def test_credentials_of_stores_are_read_again(config, monkeypatch):
    monkeypatch.setitem(os.environ, "B", "b-secret-b")
    stores = "stores: {lab: {url: 's3://lab', endpoint: 'http://127.0.0.1:1', key: k, secret: old-secret}}\n"
    config.write_text(stores + TEXT)
    before = load(config)
    remotes.register(before)
    try:
        config.write_text(stores.replace("old-secret", "new-secret") + TEXT)
        after = load(config)
        remotes.renew(after)
        assert [s.secret for s in after.stores] == ["new-secret"]
        assert files.store("lab:/x").address.secret == "new-secret"
    finally:
        files.register({})


def test_folders_as_buckets(tmp_path):
    (tmp_path / "shelf").mkdir()
    path = tmp_path / "c.yaml"
    path.write_text('buckets_from: shelf\naccess: [{key: A, secret: secret-a, buckets: [any, "any2/x*"]}]\n')
    assert load(path).shelf.root == tmp_path / "shelf"
    path.write_text(
        "buckets_from: {root: shelf, names: {A b: a-b}, access: private, cors: off}\nlinks: {secret: 12345678}\n"
    )
    shelf = load(path).shelf
    assert (shelf.names, shelf.access, shelf.cors) == ({"A b": "a-b"}, "private", ())
    for text, said in (
        ("buckets_from: none", "is not a folder"),
        ("buckets_from: {root: shelf, names: {a: A_B}}", "3 to 63"),
        ("sources: {}", "shows nothing"),
        ("buckets_from: {root: shelf, nam: {}}", "did you mean `names`"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=said):
            load(path)
