"""Files wherever they are: the one place that tells a path of this machine from one inside a store.

Paths of this machine are absolute; ``name:/folder/file`` is a file of the store of that name. Both come from the
configuration and from what is found by walking, never from a request.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from s3facade.core.errors import SourceError, SourceNotFound, SourceUnavailable
from s3facade.core.image import Source
from s3facade.core.operators import Buffer
from s3facade.core.protocols import SourceFile
from s3facade.stores import local
from s3facade.stores.blocks import Blocks
from s3facade.stores.http import Http
from s3facade.stores.local import LocalFile
from s3facade.stores.loop import Loop
from s3facade.stores.remote import RemoteFile
from s3facade.stores.s3 import S3
from s3facade.stores.spool import Spool
from s3facade.stores.store import RemoteStore
from s3facade.stores.transport import Address, Transport

HEAD = 4096
"""Bytes of a file that a reader may judge it by."""


@dataclass(slots=True)
class _Remote:
    """The process's own: connections and kept blocks are shared by all files."""

    stores: dict[str, RemoteStore]
    loop: Loop
    blocks: Blocks
    spool: Spool | None = None


_REMOTE = _Remote({}, Loop(), Blocks())


def register(addresses: Mapping[str, Address], *, memory: int = 32 << 20, spool: Spool | None = None) -> None:
    """Make stores known by name, instead of those that were; no I/O.

    Args:
        addresses: By name.
        memory: Bytes of blocks that are kept.
        spool: Where whole files are put.
    """
    rest()
    _REMOTE.blocks, _REMOTE.spool = Blocks(memory), spool
    _REMOTE.stores = {
        name: RemoteStore(name, a, _transport(a), _REMOTE.loop, _REMOTE.blocks) for name, a in addresses.items()
    }


def renew(addresses: Mapping[str, Address]) -> None:
    """Know new stores, and use other credentials for those that are known; their other settings stay. Never waits."""
    for name, new in addresses.items():
        home = _REMOTE.stores.get(name)
        if home is None:
            fresh = RemoteStore(name, new, _transport(new), _REMOTE.loop, _REMOTE.blocks)
            _REMOTE.stores = {**_REMOTE.stores, name: fresh}
            continue
        address = replace(home.address, key=new.key, secret=new.secret, token=new.token, anonymous=new.anonymous)
        if address != home.address and (new.url, new.endpoint) == (address.url, address.endpoint):
            home.renew(address, _transport(address))


def known() -> bool:
    """Whether there are any stores."""
    return bool(_REMOTE.stores)


def _transport(address: Address) -> Transport:
    return S3(address) if address.url.startswith("s3://") else Http(address)


def rest() -> None:
    """End connections and their thread, before this process forks or ends; they begin again when they are needed."""
    stores = list(_REMOTE.stores.values())

    async def closed() -> None:
        for store in stores:
            await store.close()

    _REMOTE.loop.close(closed)


def is_remote(path: str) -> bool:
    """Whether a path leads into a store."""
    return bool(path) and not path.startswith("/")


def store(path: str) -> RemoteStore:
    """The store that a path leads into. Raises `SourceUnavailable` if it is not configured any more."""
    found = _REMOTE.stores.get(path.partition(":")[0])
    if found is None:
        raise SourceUnavailable("The store of the source file is not configured.", private=path)
    return found


def doubt() -> None:
    """Have all folders of stores listed again when they are asked for: something in them is known to have changed."""
    for each in _REMOTE.stores.values():
        each.doubt()


def describe(path: str) -> Source:
    """The file as it is now; one of a store, as it was not longer ago than its store says. Blocking.

    Raises:
        SourceUnavailable: It is not there, or cannot be reached.
        SourceDenied: It may not be read.
    """
    if not is_remote(path):
        return local.describe(path)
    try:
        return store(path).describe(path.partition(":/")[2])
    except SourceNotFound as error:
        raise SourceUnavailable(error.public, private=error.private) from None


def unchanged(source: Source) -> bool:
    """Whether the path still leads to what was described, as far as is known. Never waits for a network."""
    if not is_remote(source.path):
        return local.unchanged(source)
    try:
        return store(source.path).unchanged(source)
    except SourceError:
        return False


def still(source: Source) -> bool:
    """The same; may wait for a network."""
    if not is_remote(source.path):
        return local.unchanged(source)
    try:
        if source.etag.startswith("folder:"):
            return store(source.path).folder_source(source.path.partition(":/")[2]) == source
        return describe(source.path) == source
    except SourceError:
        return False


def there(path: str) -> bool:
    """Whether a path leads to anything; True where that cannot be told. May wait for a network."""
    if not is_remote(path):
        return os.path.lexists(path)
    try:
        found, key = store(path), path.partition(":/")[2]
        if not key or key.endswith("/"):
            found.folder_source(key)
        else:
            found.describe(key)
    except SourceNotFound:
        return False
    except SourceError:
        return True
    return True


def file(source: Source, asked: dict[str, Source | None] | None = None) -> SourceFile:
    """What a reader sees of a file. Raises `SourceUnavailable` if its store is not configured any more.

    Args:
        source: What it was when it was described.
        asked: Where it is noted which other files were asked for, by path; None for those that there were not.
    """
    if not is_remote(source.path):
        return LocalFile(source, asked)
    return RemoteFile(store(source.path), source, _REMOTE.spool, asked)


def on_disk(source: Source) -> Source:
    """The file on this machine: itself, or its whole copy. Blocking. Raises `SourceError`."""
    return local.describe(file(source).path()) if is_remote(source.path) else source


def head(source: Source) -> bytes:
    """The beginning of a file, by which readers judge it. Blocking. Raises `SourceError`."""
    return bytes(file(source).pread(0, min(source.size, HEAD)))


def ahead(paths: Sequence[str]) -> None:
    """Have the beginnings of files of one store here before they are asked for one by one, as far as that goes."""
    if paths:
        home = store(paths[0])
        home.heads([path.partition(":/")[2] for path in paths], HEAD)


def read_many(wanted: Sequence[tuple[SourceFile, int, int]]) -> list[Buffer] | None:
    """File, offset and length of each: their bytes, over all stores at once; None if any is on this machine.

    Raises:
        SourceError: As `SourceFile.pread`.
    """
    files = [f for f, _, _ in wanted if isinstance(f, RemoteFile)]
    if len(files) < len(wanted) or not files:
        return None
    found: list[Buffer] = [b""] * len(wanted)
    for home in dict.fromkeys(f.store for f in files):
        mine = [i for i, f in enumerate(files) if f.store is home and wanted[i][2]]
        data = home.blocking([files[i].piece(wanted[i][1], wanted[i][2]) for i in mine])
        for i, part in zip(mine, data, strict=True):
            found[i] = part
    return found


def accessible(path: str) -> None:
    """Raise `SourceError` unless the file can be read now. Blocking."""
    if is_remote(path):
        describe(path)
    else:
        LocalFile.open(path).stream().close()
