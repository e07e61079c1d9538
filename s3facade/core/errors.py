"""Every error of the package, in one tree.

    FacadeError                         public sentence + private context
    ├── RequestError                    the client asked for something that cannot be
    │   ├── NoSuchBucket  NoSuchKey  BadRange  BadArgument  BadRequest  KeyTooLong
    │   ├── NoSuchVersion  NoSuchPart  NotConfigured
    │   ├── Unmodified  ConditionFailed  ReadOnly  MethodNotAllowed  NotSupported
    │   └── AuthError
    │       ├── AccessDenied  UnknownKey  BadSignature  BadToken  ClockSkew
    │       └── BadAuthorization  BadQueryAuthorization  OriginDenied
    ├── SourceError                     the original file cannot be read
    │   ├── SourceUnavailable  SourceChanged            passing: try again
    │   ├── SourceNotFound  SourceDenied  BadSource
    │   └── Unsupported
    │       └── NoImage                             of a format for data of all kinds: nobody has to know
    ├── LoadError                       the server cannot do it now
    │   └── Overloaded  BeingMade  TooCostly  TimedOut
    └── ConfigError                     exists only before serving

Named by whose fault it is. Status codes live in one table, `s3facade.s3.codes`; nothing here knows HTTP.
"""

from __future__ import annotations


class FacadeError(Exception):
    """Base of all errors; ``str(error)`` is the sentence a client may see.

    Args:
        public: One clear sentence: what is wrong and what to do. It may name keys and buckets, never paths.
        private: What only the operator may see (paths, offsets, the library's own message); logged, not sent.
    """

    def __init__(self, public: str, *, private: str = "", **fields: str) -> None:
        super().__init__(public)
        self.public = public
        self.private = private
        self.fields = fields
        """Extra elements of the S3 error document, e.g. ``Key`` or ``ArgumentName``."""

    def at(self, place: str) -> None:
        """Add where it happened, a file for instance, unless the private part says so already."""
        if place not in self.private:
            self.private = f"{place}: {self.private}" if self.private else place

    def explain(self) -> str:
        """The whole story for a log line or a terminal."""
        return f"{self.public} ({self.private})" if self.private else self.public


class RequestError(FacadeError):
    """The request cannot be answered as asked, whatever the server does."""


class NoSuchBucket(RequestError):
    """No bucket of that name is configured."""


class NoSuchKey(RequestError):
    """The key is outside the key space: it does not exist, decided without touching a pixel."""


class BadRange(RequestError):
    """The first byte asked for lies behind the end of the object."""


class BadArgument(RequestError):
    """A query parameter or header has a value that S3 does not know."""


class BadRequest(RequestError):
    """The request is not well formed: a bad percent escape, an unreadable header."""


class KeyTooLong(RequestError):
    """A key of more than 1,024 bytes."""


class NoSuchVersion(RequestError):
    """A version of an object other than the only one that there is."""


class NoSuchPart(RequestError):
    """A part other than the first; every object is one part."""


class NotConfigured(RequestError):
    """A part of a bucket's or object's configuration that S3 knows and that is not set here.

    Args:
        public: One clear sentence.
        what: The query parameter that asks for it.
    """

    def __init__(self, public: str, *, what: str) -> None:
        super().__init__(public)
        self.what = what


class Unmodified(RequestError):
    """A condition says that the client has this version already."""


class ConditionFailed(RequestError):
    """If-Match or If-Unmodified-Since does not hold."""


class ReadOnly(RequestError):
    """A write was tried; nothing here is ever written."""


class MethodNotAllowed(RequestError):
    """The resource exists, but not for this method."""


class NotSupported(RequestError):
    """A sub-resource or feature of S3 that this server does not have."""


class AuthError(RequestError):
    """Who asks is unknown, or may not."""


class AccessDenied(AuthError):
    """Known or anonymous, but not allowed."""


class UnknownKey(AuthError):
    """The access key is not configured."""


class BadSignature(AuthError):
    """The signature does not match the request."""


class BadToken(AuthError):
    """The session token is not the one that belongs to the access key."""


class OriginDenied(AuthError):
    """A page of this origin may not read the bucket."""


class ClockSkew(AuthError):
    """The request's date is more than 15 minutes away."""


class BadAuthorization(AuthError):
    """The Authorization header cannot be read."""


class BadQueryAuthorization(AuthError):
    """The query parameters of a presigned request are incomplete or out of bounds."""


class SourceError(FacadeError):
    """The original data behind a key cannot be had. Never told as 404 or 403."""


class SourceUnavailable(SourceError):
    """Gone or unreachable for now."""


class SourceChanged(SourceError):
    """The source is not the one that was described; the next try sees the new one."""


class SourceNotFound(SourceError):
    """A file that the data refers to does not exist."""


class SourceDenied(SourceError):
    """The operating system or the store refuses to read it."""


class BadSource(SourceError):
    """The data contradict themselves: truncated, out of bounds, undecodable."""


class Unsupported(SourceError):
    """Well formed, but a kind of data this version cannot show truly."""


class NoImage(Unsupported):
    """Well formed, and none of an image, in a format for data of all kinds: nothing is wrong with it.

    Where a whole folder is shown, it is left out without a word.
    """


class LoadError(FacadeError):
    """The server protects itself."""


class Overloaded(LoadError):
    """The queue is full."""


class BeingMade(LoadError):
    """Somebody makes the document right now: it is worth waiting for."""


class TooCostly(LoadError):
    """One segment alone would need more memory than the budget."""


class TimedOut(LoadError):
    """The deadline passed."""


class ConfigError(FacadeError):
    """The configuration cannot be used; names the file and the key."""
