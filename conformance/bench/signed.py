"""What a signature costs the server: signed requests against the same ones without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conformance.bench.figures import Figure
from conformance.bench.load import Request, alternate, path
from conformance.bench.measure import configured, fetch

KEY, SECRET = "BENCHMARK", "benchmark-secret"


def sign(request: Request, url: str) -> Request:
    """``request`` with the headers that boto3 signs a read with."""
    made = AWSRequest(request.method, url + request.target, headers={"x-amz-checksum-mode": "ENABLED"})
    S3SigV4Auth(Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(made)
    headers = tuple((name, str(value)) for name, value in made.headers.items())
    return Request(request.target, request.method, request.span, headers)


def signed(scratch: Path, *, seconds: float, rounds: int) -> list[Figure]:
    """HEAD and GET of 256 KiB, both warm, with one worker; signatures are made before the load."""
    config: dict[str, Any] = {
        "sources": {"image": {"synthetic": {"shape": {"y": 2048, "x": 2048}, "dtype": "uint16"}}},
        "buckets": {
            "images": {
                "views": [
                    {
                        "type": "ome-zarr",
                        "from": "image",
                        "path": "image",
                        "chunks": {"y": 256, "x": 512},
                        "shards": False,
                    }
                ]
            }
        },
        "access": [{"key": KEY, "secret": SECRET, "buckets": ["images"]}],
        "limits": {"workers": 1},
    }
    keys = [f"image/0/c/{i // 4}/{i % 4}" for i in range(16)]
    with configured(scratch, "signed", config) as facade:
        for key in keys:
            fetch(facade.url, key)
        rates = {}
        for method in ("HEAD", "GET"):
            plain = [Request(path("images", key), method) for key in keys]
            asked = {"plain": plain, "signed": [sign(request, facade.url) for request in plain]}
            rates[method] = alternate(dict.fromkeys(asked, (facade.url, facade.pid)), asked, seconds, rounds)
    cost = [1e6 / rates["HEAD"][name].per_cpu_second for name in ("signed", "plain")]
    share = rates["GET"]["signed"].per_cpu_second / rates["GET"]["plain"].per_cpu_second
    return [
        Figure(
            "a signature, HEAD",
            cost[0] - cost[1],
            "us of CPU",
            25,
            at_least=False,
            detail=f"{cost[0]:.1f} against {cost[1]:.1f} us",
        ),
        Figure("GET 256 KiB signed / unsigned", share, "x", 0.85),
    ]
