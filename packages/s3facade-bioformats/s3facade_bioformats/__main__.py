"""``s3facade-bioformats``: answers on standard output what standard input asks, until that ends."""

from __future__ import annotations

import os
import sys

from s3facade_bioformats import java, pipe
from s3facade_bioformats.images import Images


def main() -> int:
    """Answer, or with ``--check`` say whether Bio-Formats is there; 1 if it is not."""
    if sys.argv[1:] == ["--check"]:
        try:
            java.start()
            print(f"Bio-Formats {java.version()}, Java {java.runtime()}")
        except java.Missing as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever Java prints must not get between the answers.
    os.dup2(2, 1)
    pipe.serve(sys.stdin.buffer, answers, Images())
    return 0


if __name__ == "__main__":
    sys.exit(main())
