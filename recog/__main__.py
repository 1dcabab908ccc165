"""`python -m recog COMMAND`: the `recog` command from a checkout; sets up what is missing first.

The only file of this package that knows the pipelines: it is a door, not a room.
"""

import sys

from pipelines.environment import rerun_if_needed


def main() -> int:
    """Runs the command here, or in the environment it had to set up."""
    code = rerun_if_needed(sys.argv[1:])
    if code is not None:
        return code
    from pipelines.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
