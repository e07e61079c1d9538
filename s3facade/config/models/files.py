"""Files as they are."""

from __future__ import annotations

from typing import Literal

from s3facade.config.document import Path_
from s3facade.config.models.base import Model, Resolving
from s3facade.config.template import compile_template
from s3facade.config.views.files import FilesView
from s3facade.core.errors import ConfigError


class FilesViewModel(Model):
    """Files as they are."""

    type: Literal["files"]
    """The layout."""
    root: str
    """A folder, or one file."""
    path: str = ""
    """Key prefix; empty: the root of the bucket."""

    def resolve(self, at: Path_, desk: Resolving) -> FilesView:
        """The view. Raises `ConfigError`."""
        if compile_template(self.path).names:
            desk.problem((*at, "path"), "a view of files has no captures; write a plain prefix")
        if desk.far(self.root):
            raise ConfigError("a view of files shows folders of this machine; clients can read the store itself")
        return FilesView(desk.absolute(self.root), self.path)
