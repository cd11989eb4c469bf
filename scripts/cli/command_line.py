"""How every command runs: what a user can mend is told in one sentence, not in a traceback."""

import sys
from collections.abc import Callable

from absl import app, flags, logging

from cli import dataset_flags
from data_prep.errors import DataError


def run(main: Callable[[list[str]], None], *errors: type[Exception], takes_arguments: bool = False) -> None:
    """Parses the flags, calls `main` and exits: 0 after success, 1 after an error, 130 when interrupted.

    Args:
        main: takes what the flags leave of the command line: its own name, then the arguments.
        *errors: those that the user can mend, beside `DataError` and those of files and disks.
        takes_arguments: whether the command line may have words that are not flags.
    """

    def guarded(argv: list[str]) -> None:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)
        try:
            if len(argv) > 1 and not takes_arguments:
                raise flags.Error(f"unexpected argument {argv[1]!r}: every flag begins with --")
            main(argv)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            sys.exit(f"Error: {where}{error.strerror or error}")
        except (DataError, flags.Error, *errors) as error:
            sys.exit(f"Error: {dataset_flags.in_flags(str(error))}")
        except KeyboardInterrupt:
            print("\nInterrupted.", file=sys.stderr)
            sys.exit(130)

    app.run(guarded)
