"""Fetches an archive from its owner, resumes where a connection broke, and verifies it.

The size and the sha256 of an archive are those that tensorflow-datasets has registered; its files are read
as they lie in the installed package, which imports neither it nor TensorFlow.
"""

import http.client
import importlib.util
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from data_prep.errors import DataError
from data_prep.files import sha256

SECONDS_TO_ANSWER = 8.0
_TRIES = 4
_BLOCK = 1 << 20
_T = TypeVar("_T")
Open = Callable[[urllib.request.Request, float], Any]


def registered(url: str) -> tuple[int, str] | None:
    """Size and sha256 of what lies at a URL, as registered by tensorflow-datasets; None where it has none."""
    package = importlib.util.find_spec("tensorflow_datasets")
    for folder in package.submodule_search_locations or () if package else ():
        for file in sorted(Path(folder, "url_checksums").glob("*.txt")):
            for line in file.read_text(encoding="utf-8").splitlines():
                fields = line.split("\t") if "\t" in line else line.split()
                if fields and fields[0] == url and len(fields) >= 3:
                    return int(fields[1]), fields[2]
    return None


def _open_url(request: urllib.request.Request, timeout: float) -> Any:
    return urllib.request.urlopen(request, timeout=timeout)


def fetch(
    url: str,
    folder: Path,
    *,
    checksum: tuple[int, str] | None = None,
    open_url: Open = _open_url,
) -> Path:
    """The file at a URL, in `folder`, complete and verified.

    A connection that breaks is taken up again where it broke, by this call a few times, and by the next call.

    Args:
        url: of the file; its last part is the file's name.
        folder: is made if it does not exist.
        checksum: size in bytes and sha256; None looks up what is registered.
        open_url: opens a request within so many seconds.

    Raises:
        DataError: no checksum is known, there is no answer within ten seconds, the connection keeps
            breaking, or the file is not the one that was registered.
    """
    checksum = checksum or registered(url)
    if checksum is None:
        raise DataError("no checksum is known for it, so it is not fetched")
    size, expected = checksum
    target = folder / url.rsplit("/", 1)[-1]
    part = target.with_name(target.name + ".part")
    response = _begin(url, part, open_url)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in reversed(range(_TRIES)):
            if _receive(response, part, size) or part.stat().st_size >= size:
                break
            if not left:
                raise DataError(
                    f"the connection broke at {part.stat().st_size:,} of {size:,} bytes; the same command "
                    f"goes on there"
                )
            response = _begin(url, part, open_url)
    except OSError as error:
        raise DataError(f"{part} cannot be written: {error.strerror or error}") from error
    found = sha256(part)
    if part.stat().st_size != size or found != expected:
        told = (
            f"{part.stat().st_size:,} bytes with sha256 {found[:12]}..., not {size:,} with {expected[:12]}..."
        )
        part.unlink()
        raise DataError(f"what came from {url} has {told}; it was deleted")
    os.replace(part, target)
    return target


def _begin(url: str, part: Path, open_url: Open) -> Any:
    """The answer to a request for what is missing of `part`."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        return _within(SECONDS_TO_ANSWER, lambda: open_url(request, SECONDS_TO_ANSWER))
    except urllib.error.HTTPError as error:
        if error.code == 416:  # there is nothing beyond what is here
            return error
        raise DataError(f"its owner answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DataError(
            f"its owner cannot be reached: {getattr(reason, 'strerror', None) or reason}"
        ) from error


def _within(seconds: float, work: Callable[[], _T]) -> _T:
    """The result of `work`; looking up a host's name knows no limit of its own."""
    results: list[_T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {seconds:.0f} seconds")
    return results[0]


def _receive(response: Any, part: Path, size: int) -> bool:
    """Writes the answer behind what is there, or anew where the server cannot resume; whether all came."""
    if getattr(response, "status", None) == 416:
        return True
    mode = "ab" if response.status == 206 else "wb"
    with response, part.open(mode) as file:
        bar = tqdm(
            total=size, initial=file.tell(), unit="B", unit_scale=True, desc=f"Fetching {part.stem}", delay=1
        )
        with bar:
            while True:
                try:
                    block = response.read(_BLOCK)
                except http.client.IncompleteRead as error:
                    file.write(error.partial)
                    return False
                except (http.client.HTTPException, OSError):
                    return False
                if not block:
                    return file.tell() >= size
                file.write(block)
                bar.update(len(block))
