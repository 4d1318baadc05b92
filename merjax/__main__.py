"""The door of `python -m merjax WORD`, which is `merjax WORD`."""

from merjax.cli.main import main

if __name__ == "__main__":
    main()
