"""How every command runs: its help, TensorFlow's start, and what a user can mend in one sentence."""

import contextlib
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping

from absl import app, flags, logging

from cli import dataset_flags
from data_prep.errors import DataError
from multvae_tf.errors import RunError, SettingError

_GROUPS: dict[str, list[str]] = {}
_HELP = ("--help", "-h", "-help", "--helpshort", "--helpfull")
_WIDTH = 100

# A flag's description and default as they are now, or None if it is not to be shown.
Describe = Callable[[str], tuple[str, str] | None]


@contextlib.contextmanager
def flag_group(name: str) -> Iterator[None]:
    """What is defined in the block is one group of `--help`."""
    before = set(flags.FLAGS)
    yield
    _GROUPS.setdefault(name, []).extend(flag for flag in flags.FLAGS if flag not in before)


def import_tensorflow(environment: Mapping[str, str] | None = None) -> None:
    """Imports TensorFlow without its start-up messages; TF_CPP_MIN_LOG_LEVEL, if it is set, shows them.

    Args:
        environment: of a run that is to go on to the bit: `RunSettings.environment`.
    """
    for name, variable in (("threads", "TF_NUM_INTRAOP_THREADS"), ("onednn", "TF_ENABLE_ONEDNN_OPTS")):
        if environment and environment.get(name, "default") != "default":
            os.environ[variable] = environment[name]
    import multvae_tf  # noqa: F401  (which sets TensorFlow up)

    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "3":
        with _native_stderr_closed():
            import tensorflow as tf

            tf.config.list_physical_devices()
            tf.get_logger().setLevel("ERROR")


@contextlib.contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """TensorFlow's C++ code writes to file descriptor 2 before its log level applies."""
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def run(
    main: Callable[[list[str]], None],
    *,
    takes_arguments: bool = False,
    describe: Describe | None = None,
) -> None:
    """Parses the flags, calls `main` and exits: 0 after success, 1 after an error, 128 + n after signal n.

    Args:
        main: takes what the flags leave of the command line: its own name, then the arguments.
        takes_arguments: whether the command line may have words that are not flags.
        describe: what `--help` says of flags whose default depends on other flags.
    """
    if any(word in _HELP for word in sys.argv[1:]):
        _print_help(main, describe)
        return

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
        except SettingError as error:
            sys.exit(f"Error: {'--' if error.field in flags.FLAGS else ''}{error}")
        except (DataError, RunError, flags.Error) as error:
            sys.exit(f"Error: {dataset_flags.in_flags(str(error))}")
        except _StoppedError as stopped:
            print(f"\nStopped by {stopped.signal.name}.", file=sys.stderr)
            sys.exit(128 + stopped.signal)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, _stop)
    app.run(guarded, flags_parser=_parsed)


class _StoppedError(BaseException):
    """Somebody wants the command to end; what it has written so far is whole, and can be continued."""

    def __init__(self, number: int):
        super().__init__(number)
        self.signal = signal.Signals(number)


def _stop(number: int, frame: object) -> None:
    raise _StoppedError(number)


def _parsed(words: list[str]) -> list[str]:
    try:
        return flags.FLAGS(words)
    except flags.Error as error:
        sys.exit(f"Error: {error}; --help explains the flags")


def _print_help(main: Callable[[list[str]], None], describe: Describe | None) -> None:
    """Prints the command's docstring and its flags by group, with the defaults that the other flags imply."""
    _parsed([word for word in sys.argv if word not in _HELP])
    print(f"{sys.modules[main.__module__].__doc__}".rstrip())
    for group, names in _GROUPS.items():
        print(f"\n{group.capitalize()}:")
        for name in names:
            flag = flags.FLAGS[name]
            own = (flag.help, "" if flag.default is None else str(flag.default_as_str).strip("'"))
            said = describe(name) if describe and group in ("model", "training") else own
            if said is None:
                continue
            text, default = said
            heading = f"  --{'[no]' if flag.boolean else ''}{name}"
            shown = f"{text} Default: {default}." if default and "Default:" not in text else text
            print(heading)
            print(textwrap.fill(shown, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6))
