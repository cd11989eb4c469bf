"""URLs of databases, and how they are told without what must stay secret."""

import re
from pathlib import Path
from urllib.parse import urlsplit

SCHEMES = ("postgresql", "postgres", "sqlite", "duckdb")
_URL = re.compile(rf"(?:{'|'.join(SCHEMES)})://\S*")
_SECRET_PARAMETER = re.compile(
    r"([?&](?:password|sslpassword|passfile|sslkey|token)=)[^&\s'\"]*", re.IGNORECASE
)
# Up to the last @ before the path: a password may have one that is not written as %40.
_USER_INFO = re.compile(rf"((?:{'|'.join(SCHEMES)})://)([^/?#\s:@]*)(?::[^/?#\s]*)?@")


def is_url(text: str) -> bool:
    """Whether a text is the URL of a database."""
    return text.partition("://")[0] in SCHEMES and "://" in text


def name_of(url: str) -> str:
    """A name for the dataset: the database's."""
    stem = Path(urlsplit(url).path).name.split(".")[0]
    return re.sub(r"[^\w-]+", "-", stem).strip("-") or urlsplit(url).scheme


def without_secrets(text: str) -> str:
    """A text with the passwords left out of all URLs of databases in it; a URL keeps its user's name.

    Examples:
        >>> without_secrets("--dataset=postgresql://ada:secret@host/shop")
        '--dataset=postgresql://ada@host/shop'
    """

    def cleaned(match: re.Match[str]) -> str:
        url = _USER_INFO.sub(lambda found: f"{found[1]}{found[2]}@", match[0])
        return _SECRET_PARAMETER.sub(r"\1***", url)

    return _URL.sub(cleaned, text)


def secrets_of(url: str) -> list[str]:
    """The passwords in a URL, as they are written and as they are meant, longest first."""
    from urllib.parse import parse_qsl, unquote

    found = [parameter for name, parameter in parse_qsl(urlsplit(url).query) if "password" in name.lower()]
    match = re.match(rf"(?:{'|'.join(SCHEMES)})://[^/?#\s:@]*:([^/?#\s]*)@", url)
    if match:
        found += [match[1], unquote(match[1])]
    return sorted({secret for secret in found if secret}, key=len, reverse=True)
