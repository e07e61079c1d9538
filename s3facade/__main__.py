"""``python -m s3facade``."""

from s3facade.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
