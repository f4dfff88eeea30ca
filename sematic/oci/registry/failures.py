"""What a registry's failures and refusals mean, in words that say what to do."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from sematic.oci.errors import BlobsMissing, Denied, NotFound, RegistryError
from sematic.oci.registry.answer import Answer, is_passing
from sematic.oci.untrusted import one_line, parse_json

_LONGEST = 400  # characters of what a registry says
_MOST_ERRORS = 5


class NoAnswer(RegistryError):
    """A host that was not reached, or from which no complete answer came.

    :param why: for people, after the host's name, as ``refused the connection``.
    :param is_passing: whether another try may help.
    :param is_broken: whether there was a connection, on which the host spoke no HTTP.
    """

    def __init__(
        self, message: str, why: str, *, is_passing: bool = True, is_broken: bool = False
    ) -> None:
        super().__init__(message)
        self.why = why
        self.is_passing = is_passing
        self.is_broken = is_broken


def no_answer(host: str, error: Exception, seconds: float) -> NoAnswer:
    """What an exception of a connection means.

    :param seconds: how long the host was given.
    """
    from socket import gaierror

    from sematic.oci.registry.connections import CannotAsk
    from sematic.oci.registry.dialing import NotReached, ProxyFailed
    from sematic.oci.registry.exchange import HeadTooLarge

    if isinstance(error, ProxyFailed):
        why = f"was not reached through the proxy: {_reason(error)}"
        return NoAnswer(f"{host} {why}\nCheck HTTPS_PROXY, HTTP_PROXY and NO_PROXY.", why)
    if type(error).__module__ == "ssl":
        return _no_tls(host, error)
    if isinstance(error, gaierror):
        why = f"has no address: {_reason(error)}"
        passing = "emporar" in why
        return NoAnswer(f"{host} {why}\nCheck the name.", why, is_passing=passing)
    if isinstance(error, NotReached):
        why = f"was not reached: {_reason(error)}"
        return NoAnswer(f"{host} {why}\nIs it running there, and is the port right?", why)
    if isinstance(error, TimeoutError):
        why = f"did not answer within {seconds:.0f} s"
        return NoAnswer(f"{host} {why}", why)
    if isinstance(error, HeadTooLarge):
        why = f"sent a head that is too large: {_reason(error)}"
        return NoAnswer(f"{host} {why}", why, is_passing=False)
    if isinstance(error, CannotAsk):
        why = f"cannot be asked: {_reason(error)}"
        return NoAnswer(f"{host} {why}", why, is_passing=False)
    why = f"broke the connection off: {_reason(error)}"
    return NoAnswer(f"{host} {why}", why, is_broken=True)


def _no_tls(host: str, error: Exception) -> NoAnswer:
    text = _reason(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        advice = (
            "If its certificate is of a private authority, set SSL_CERT_FILE to that one's, or put "
            f"it into ~/.config/containers/certs.d/{host}."
        )
        why = f"is not trusted: {text}"
        return NoAnswer(f"{host} {why}\n{advice}", why, is_passing=False)
    if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text:
        advice = "If it is to be spoken to in plain http, name it in SEMATIC_INSECURE_REGISTRIES."
        why = f"does not speak TLS: {text}"
        return NoAnswer(f"{host} {why}\n{advice}", why, is_passing=False)
    if "CERTIFICATE" in text and "ALERT" in text:
        advice = (
            "If it wants to be shown one, put NAME.cert and NAME.key into "
            f"~/.config/containers/certs.d/{host}."
        )
        why = f"does not take the certificate of this machine: {text}"
        return NoAnswer(f"{host} {why}\n{advice}", why, is_passing=False)
    why = f"broke TLS off: {text}"
    return NoAnswer(f"{host} {why}", why)


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return one_line(str(error) or type(error).__name__)


SESSION_LOST = {"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"}


def is_lost(error: RegistryError) -> bool:
    """Whether nobody can know from the error what became of what was sent."""
    passing = error.is_passing if isinstance(error, NoAnswer) else is_passing(error.status)
    return passing or not SESSION_LOST.isdisjoint(error.codes)


_NO_CREDENTIALS = (
    "Log in with `sematic-oci login {host}` (docker's, podman's, skopeo's and crane's logins "
    "count too), or set SEMATIC_REGISTRY_USERNAME and SEMATIC_REGISTRY_PASSWORD."
)
_ADVICE_BY_CODE = {
    "NAME_UNKNOWN": "This registry does not create repositories by itself: create {repository}.",
    "NAME_INVALID": "This registry does not take this repository name.",
    "TAG_INVALID": "The tag may be immutable there: use another.",
    "TOOMANYREQUESTS": "Try again later; logged-in users often have a higher limit.",
    "MANIFEST_INVALID": "It may not take this format: try --format docker.",
}
_ADVICE_BY_STATUS = {
    404: "Check the name; some registries also say this to users without access.",
    405: "It may be read-only.",
    413: "The registry, or a proxy before it, limits the size of uploads: raise that.",
    429: _ADVICE_BY_CODE["TOOMANYREQUESTS"],
    507: "Free space in the registry.",
}
# Go writes an error of the operating system as {"Op": "write", "Path": "/x", "Err": 28}.
_ERRNOS = {28: "no space left on device", 122: "disk quota exceeded"}


def missing_credentials(host: str) -> str:
    """What to do where a registry wants credentials and there are none."""
    return _NO_CREDENTIALS.format(host=host)


def what_it_said(answer: Answer, secrets: Collection[str] = ()) -> str:
    """Codes and messages of an answer's errors in one line, "" if there are none.

    :param secrets: are not shown, though the answer may repeat them.
    """
    said = "; ".join(": ".join(filter(None, error)) for error in _errors(answer))
    return one_line(" ".join(_without(secrets, said).split()), _LONGEST)


def refusal(
    answer: Answer,
    what: str,
    host: str,
    repository: str,
    denied: str,
    secrets: Collection[str] = (),
) -> RegistryError:
    """The error that an answer is.

    :param what: what was tried, as ``pushing the manifest sha256:...``.
    :param denied: what to do where it is a matter of credentials.
    :param secrets: see :func:`what_it_said`.
    """
    codes = tuple(one_line(code).upper() for code, _ in _errors(answer) if code)
    said = what_it_said(answer, secrets) or _redirect(answer)
    message = f"{host} refused {what} ({repository}): {answer.status}{said and ' ' + said}"
    if advice := _advice(answer.status, codes, said, denied, repository):
        message += f"\n{advice}"
    return _kind(answer.status, codes)(message, status=answer.status, codes=codes)


def _redirect(answer: Answer) -> str:
    """Where an answer that was not followed leads to: what is sent goes to no other place."""
    location = answer.headers.get("location", "")
    if not 300 <= answer.status < 400 or not location:
        return ""
    try:
        scheme, host, *_ = urlsplit(urljoin(answer.url, location))
    except ValueError:
        return ""
    return one_line(f"see {scheme}://{host.rpartition('@')[2]}")


def _kind(status: int, codes: tuple[str, ...]) -> type[RegistryError]:
    if "MANIFEST_BLOB_UNKNOWN" in codes:
        return BlobsMissing
    if status in (401, 403):
        return Denied
    return NotFound if status == 404 else RegistryError


def _advice(status: int, codes: tuple[str, ...], said: str, denied: str, repository: str) -> str:
    if status in (401, 403):
        return denied
    if "no space" in said.lower() or "quota" in said.lower():
        return "Free space in the registry, or raise its quota."
    for code in codes:
        if code in _ADVICE_BY_CODE:
            return _ADVICE_BY_CODE[code].format(repository=repository)
    if status in _ADVICE_BY_STATUS:
        return _ADVICE_BY_STATUS[status]
    if 300 <= status < 400:
        return "What is sent does not follow redirects: name the registry that it should go to."
    return "The registry's own log says more." if status >= 500 else ""


def _errors(answer: Answer) -> list[tuple[str, str]]:
    """Code and message of each error of a body (distribution-spec, "Error Codes")."""
    try:
        document = parse_json(answer.data)
    except ValueError:
        return _plain_errors(answer)
    errors = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(errors, list):
        return [("", _text(document))] if document else []
    return [_error(error) for error in errors[:_MOST_ERRORS] if isinstance(error, dict)]


def _error(error: dict[str, Any]) -> tuple[str, str]:
    message = _text(error.get("message") or "")
    if lack := _lack_of_space(error.get("detail")):
        message += f" ({lack})"
    return str(error.get("code") or ""), message


def _lack_of_space(detail: Any) -> str:
    """What an error's detail says of a full disk, "" if nothing; docker-registry has two ways."""
    if "no space" in (text := _text(detail)).lower():
        return text
    inner = detail.get("Enclosed", detail) if isinstance(detail, dict) else None
    number = inner.get("Err") if isinstance(inner, dict) else None
    return _ERRNOS.get(number, "") if isinstance(number, int) else ""


def _plain_errors(answer: Answer) -> list[tuple[str, str]]:
    if "html" in answer.headers.get("content-type", "") or not answer.data.strip():
        return []
    return [("", _text(answer.data.decode(errors="replace")))]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("message") or value.get("details") or value.get("error") or value
    return str(value)


def _without(secrets: Collection[str], text: str) -> str:
    """Text without secrets, however they are written in it."""
    written = {form for secret in secrets for form in (secret, quote(secret), repr(secret)[1:-1])}
    for secret in sorted(written, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
