"""Files as they are: a folder, or one file."""

from __future__ import annotations

import os

from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.folder import Folder
from s3facade.config.views.files import FilesView


def arrange(view: FilesView, desk: Desk) -> None:
    """Put them into the plan."""
    if view.root.is_file():
        desk.copy(view.path or view.root.name, view.root)
    else:
        desk.plan.folders[view.path] = Folder(os.path.realpath(view.root), str(view.root))
