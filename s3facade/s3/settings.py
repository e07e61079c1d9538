"""What can be set about the S3 front."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Options of one server; times in seconds."""

    region: str = "us-east-1"
    domains: tuple[str, ...] = ()
    """Hosts below which the first label names the bucket; everything else is path style."""
    max_connections: int = 2000
    keepalive: float = 75.0
    """How long an idle connection stays open."""
    head_timeout: float = 20.0
    """From the first byte of a request, or from connecting, to the end of its head."""
    send_timeout: float = 60.0
    """How long a client may take no byte at all."""
    access_log: bool = False
    targets: int = 8192
    """Resolved request targets kept per worker."""
