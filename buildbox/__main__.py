"""`python -m buildbox` and the `buildbox` command."""

from buildbox.cli.main import main

if __name__ == "__main__":
    main()
