"""From the configuration to the door keeper."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from s3facade.auth.authenticator import Authenticator
from s3facade.auth.keys import Credential
from s3facade.auth.links import Links
from s3facade.config.settings import CredentialConfig, Settings


def authenticator(settings: Settings, bucket_of: Callable[[str], str | None]) -> Authenticator:
    """The door keeper of a worker; ``bucket_of`` gives the bucket that a Host names."""
    return Authenticator(map(credential, settings.access), bucket_of=bucket_of, links=links(settings))


def renew(door: Authenticator, settings: Settings) -> None:
    """Know the credentials and links of ``settings`` from now on."""
    door.replace(map(credential, settings.access), links(settings))


def links(settings: Settings) -> Links | None:
    """How links are signed, if there are any."""
    c = settings.links
    return None if c is None else Links(c.secret, frozenset(c.revoked))


def credential(c: CredentialConfig) -> Credential:
    """One access key with what it opens."""
    grants: dict[str, tuple[str, ...]] = {}
    for grant in c.grants:
        grants[grant.bucket] = (*grants.get(grant.bucket, ()), grant.prefix)
    opened: Mapping[str, tuple[str, ...]] | None = None if "*" in grants else grants
    return Credential(c.key, c.secret, opened, c.token, c.max_requests, c.rate)
