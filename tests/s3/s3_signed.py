"""Requests signed by botocore, to be changed and sent as they are."""

import datetime as dt
from dataclasses import dataclass, replace

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TEMPORARY, TOKEN = "ASIDEXAMPLE", "AQoD/+=="
HOST, REGION = "files.test:9000", "eu-central-1"
HEADER, QUERY, OLD = S3SigV4Auth, S3SigV4QueryAuth, HmacV1QueryAuth


@dataclass(frozen=True)
class Request:
    """What goes over the wire."""

    method: str
    target: str
    headers: tuple

    def __getitem__(self, name):
        return next(value for n, value in self.headers if n.lower() == name.lower())

    def put(self, name, value):
        """``name`` in place of what there was; None takes it away."""
        kept = tuple((n, v) for n, v in self.headers if n.lower() != name.lower())
        return replace(self, headers=kept if value is None else (*kept, (name, value)))

    def add(self, name, value):
        return replace(self, headers=(*self.headers, (name, value)))

    def swap(self, name, old, new):
        assert old in self[name], (name, old, self[name])
        return self.put(name, self[name].replace(old, new, 1))

    def spell(self, old, new):
        assert old in self.target, (old, self.target)
        return replace(self, target=self.target.replace(old, new, 1))

    def raw(self):
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{n}: {v}" for n, v in self.headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def sign(signer, key=KEY, secret=SECRET, token=None, late=0, **options):
    """A request signed ``late`` seconds ago, as a client of botocore sends it."""
    extra = {"Range": "bytes=0-9", "x-amz-checksum-mode": "ENABLED"} if signer is HEADER else {}
    made = AWSRequest("GET", f"http://{HOST}/lab/a%20b%2Bc.tif", headers={"Host": HOST, **extra})
    now = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=late)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: now)
        scope = () if signer is OLD else ("s3", REGION)
        signer(Credentials(key, secret, token), *scope, **options).add_auth(made)
    sent = {n: str(v) for n, v in made.headers.items()} if signer is HEADER else {"Host": HOST}
    return Request("GET", made.url.partition(HOST)[2], tuple(sent.items()))
