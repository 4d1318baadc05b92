"""The door of `python -m merjax.sweep`, which is `merjax sweep`."""

from merjax.cli.sweep import main

if __name__ == "__main__":
    main(prog="python -m merjax.sweep")
