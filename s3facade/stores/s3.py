"""Objects of S3-compatible storage, by aiobotocore."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from s3facade.core.errors import SourceDenied, Unsupported
from s3facade.stores.transport import SECOND, Address, Page, Passing, Stat, changed, insecure, placed, refused, whole

_CONNECT = 5.0
"""Seconds."""


class S3:
    """A `Transport` over S3. Without a key it uses what the AWS tools would: environment, files, the machine's role."""

    lists = True

    def __init__(self, address: Address) -> None:
        self._address = address
        bucket, _, prefix = address.url.removeprefix("s3://").partition("/")
        self._bucket, self._prefix = bucket, prefix
        self._client: Any | None = None
        self._stack = AsyncExitStack()

    async def head(self, key: str) -> Stat:
        """By HeadObject."""
        try:
            async with self._asked(key) as client:
                answer = await client.head_object(Bucket=self._bucket, Key=self._prefix + key)
                return _stat(answer["ContentLength"], answer)
        except SourceDenied:
            # Such an answer has no body that says why.
            async with self._asked(key) as client:
                await client.get_object(Bucket=self._bucket, Key=self._prefix + key, Range="bytes=0-0")
            raise

    async def get(self, key: str, start: int, stop: int, stat: Stat) -> bytes:
        """By GetObject, with If-Match as far as there are tags."""
        told = self._told(key)
        async with self._asked(key) as client:
            span = f"bytes={start}-{stop - 1}"
            answer = await client.get_object(Bucket=self._bucket, Key=self._prefix + key, Range=span, **_pinned(stat))
            async with answer["Body"] as body:
                now = _stat(stat.size, answer)
                if now.tag != stat.tag or (not stat.tag and now.modified != stat.modified):
                    raise changed(told)
                size = answer["ContentLength"]
                if "ContentRange" in answer:
                    placed(answer["ContentRange"], start, stop, stat, told)
                    expected = stop - start
                else:
                    whole(size, told)
                    expected = stat.size
                if size != expected:
                    raise Passing(f"{told}: {size} instead of {expected} bytes")
                data: bytes = await body.read()
        if len(data) != expected:
            raise Passing(f"{told}: {len(data)} of {expected} bytes")
        return data if "ContentRange" in answer else data[start:stop]

    async def page(self, folder: str, following: str | None) -> Page:
        """By ListObjectsV2, up to 1,000 names at once."""
        above = self._prefix + folder
        more = {} if following is None else {"ContinuationToken": following}
        async with self._asked(folder) as client:
            answer = await client.list_objects_v2(Bucket=self._bucket, Prefix=above, Delimiter="/", **more)
            found = [
                (item["Key"].removeprefix(above), _stat(item["Size"], item)) for item in answer.get("Contents", ())
            ]
            folders = [item["Prefix"].removeprefix(above).rstrip("/") for item in answer.get("CommonPrefixes", ())]
            return Page(found, folders, answer.get("NextContinuationToken") if answer.get("IsTruncated") else None)

    async def close(self) -> None:
        """End the connections."""
        self._client = None
        await self._stack.aclose()

    def _told(self, key: str) -> str:
        return f"{self._address.endpoint or 'AWS'} s3://{self._bucket}/{self._prefix}{key}"

    @asynccontextmanager
    async def _asked(self, key: str) -> AsyncIterator[Any]:
        """The client; its errors are translated."""
        import aiohttp
        from botocore import exceptions
        from botocore.parsers import ResponseParserError

        try:
            yield await self._begun()
        except exceptions.ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            code = error.response.get("Error", {}).get("Code", "")
            if code in ("RequestTimeout", "SlowDown", "Throttling", "RequestLimitExceeded"):
                raise Passing(f"{self._told(key)}: {code}") from error
            # Without the error that it comes from: botocore's own messages may hold what was asked for.
            raise refused(status, code, self._told(key)) from None
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
            raise refused(403, type(error).__name__, self._told(key)) from None
        except exceptions.SSLError as error:
            raise insecure(self._told(key), str(error.kwargs.get("error", ""))) from error
        except exceptions.HTTPClientError as error:
            inner = error.kwargs.get("error")
            if isinstance(inner, SourceDenied):
                raise refused(302, "", self._told(key)) from None
            raise Passing(f"{self._told(key)}: {type(error).__name__}") from error
        except (ResponseParserError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise Passing(f"{self._told(key)}: an answer that makes no sense: {type(error).__name__}") from error
        except (exceptions.BotoCoreError, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Passing(f"{self._told(key)}: {type(error).__name__}") from error

    async def _begun(self) -> Any:
        if self._client is not None:
            return self._client
        try:
            from aiobotocore.config import AioConfig
            from aiobotocore.session import get_session
        except ModuleNotFoundError as error:
            raise Unsupported(
                "Files in S3 storage need a library that the server lacks; pip install 's3facade[remote]'."
            ) from error
        from botocore import UNSIGNED

        address = self._address
        config = AioConfig(
            connect_timeout=_CONNECT,
            read_timeout=max(address.timeout / 3, 1.0),
            max_pool_connections=address.connections,
            # Tries again are counted in one place, with one deadline: `s3facade.stores.store`.
            retries={"total_max_attempts": 1, "mode": "standard"},
            signature_version=UNSIGNED if address.anonymous else None,
            s3={"addressing_style": "path" if address.endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            http_session_cls=_straight(),
        )
        client = await self._stack.enter_async_context(
            get_session().create_client(
                "s3",
                region_name=address.region or ("us-east-1" if address.endpoint or address.anonymous else None),
                endpoint_url=address.endpoint,
                aws_access_key_id=address.key,
                aws_secret_access_key=address.secret,
                aws_session_token=address.token,
                config=config,
            )
        )
        # Another request may have begun one meanwhile; both are closed in the end.
        self._client = client
        return client


def _straight() -> Any:
    """The library's session, but for redirects: it would follow them to anywhere, and an S3 server has no need of any.

    What leads to the endpoint of another region is told in a header, and followed by the library above this.
    """
    import aiohttp
    from aiobotocore.httpsession import AIOHTTPSession

    async def stop(*_: object) -> None:
        raise SourceDenied("The store sends the server to another place, which it does not follow.")

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(stop)
    trace.freeze()

    class Straight(AIOHTTPSession):  # type: ignore[misc]
        async def _get_session(self, proxy_url: str) -> Any:
            session = await super()._get_session(proxy_url)
            if trace not in session.trace_configs:
                session.trace_configs.append(trace)
            return session

    return Straight


def _tag(answer: Any) -> str:
    # Some servers quote tags in one kind of answer and not in another; proxies that compress make them weak; a few
    # servers have none.
    tag = str(answer.get("ETag", ""))
    if tag.startswith("W/"):
        return tag
    return f'"{bare}"' if (bare := tag.strip('"')) else ""


def _pinned(stat: Stat) -> dict[str, Any]:
    """Conditions under which the range is wanted. A weak tag cannot be one; it is compared in the answer alone."""
    if not stat.tag:
        return {"IfUnmodifiedSince": datetime.fromtimestamp(stat.modified // SECOND, UTC)}
    return {} if stat.tag.startswith("W/") else {"IfMatch": stat.tag}


def _stat(size: int, answer: Any) -> Stat:
    # Listings tell milliseconds, headers do not.
    return Stat(size, int(answer["LastModified"].timestamp()) * SECOND, _tag(answer))
