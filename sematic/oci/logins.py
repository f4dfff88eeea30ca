"""The commands ``login`` and ``logout``. All they say goes to stderr, and no secret with it."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator

from sematic.oci.commands import say
from sematic.oci.errors import Denied, SettingsError
from sematic.oci.progress import shown
from sematic.oci.reference import check_registry
from sematic.oci.registry.credentials import Credential, Credentials
from sematic.oci.registry.credentials.files import key_place
from sematic.oci.registry.credentials.store import Store
from sematic.oci.registry.login import log_in
from sematic.oci.registry.transport import Transport

_MOST = 1 << 20  # bytes of a password


def login(options: Namespace) -> int:
    """Have the registry check a user name and a password, and keep them."""
    place = _place(options.host)
    store = Store(place)
    store.check()
    credential = _ask(place, options.username or "", options.password_stdin)
    with shown(options.quiet) as show:
        transport = Transport(listener=show)
        try:
            done = log_in(place, credential, transport)
        finally:
            transport.close()
    kept_in = store.keep(done.credential)
    if not options.quiet:
        say(f"logged in to {place} as {credential.username!r}; kept in {kept_in}")
        if not done.is_checked:
            say(f"note: {place} takes anyone, so the password was not checked")
        if not store.helper:
            say("note: it lies there unencrypted, since no credential helper (credsStore) is named")
    return 0


def logout(options: Namespace) -> int:
    """Forget what is kept for a registry where logins go, and say what else there is for it."""
    place = _place(options.host)
    places = Store(place).forget()
    if not options.quiet:
        if places:
            say(f"logged out of {place}; removed from {' and '.join(places)}")
        else:
            say(f"not logged in to {place}")
        for note in _remaining(place):
            say(f"note: {note}")
    return 0


def _place(text: str) -> str:
    """``HOST`` or ``HOST/NAMESPACE`` in one form, however it was written."""
    return check_registry(key_place(text.rstrip("/")))


def _ask(place: str, username: str, from_stdin: bool) -> Credential:
    """:raises SettingsError: something is lacking, or there is nobody to ask."""
    if from_stdin and not username:
        raise SettingsError("--password-stdin: whose password is it? Say so with --username.")
    if not from_stdin and not os.isatty(0):
        raise SettingsError(
            f"the password for {place} is asked for on a terminal only, which this is not: "
            "pipe it in, with --username NAME --password-stdin"
        )
    try:
        username = username or _prompt("Username: ")
        password = _read_password() if from_stdin else _prompt_password()
    except KeyboardInterrupt:
        say("")  # ends the line of the question
        raise
    except UnicodeError:
        raise SettingsError(f"the password for {place} is not text in UTF-8") from None
    if not username or not password:
        raise SettingsError(f"the {'password' if username else 'user name'} for {place} is empty")
    if ":" in username:
        raise SettingsError(f"{username!r} is no user name: it has a colon (RFC 7617)")
    return Credential(username, password, source="stdin" if from_stdin else "the prompt")


def _read_password() -> str:
    """All of stdin, without the end of its last line."""
    with open(0, "rb", closefd=False) as file:
        text = file.read(_MOST).decode()
    return text.removesuffix("\n").removesuffix("\r")


def _prompt(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _prompt_password() -> str:
    from getpass import getpass

    try:
        return getpass()
    except EOFError:
        return ""


def _remaining(place: str) -> Iterator[str]:
    """Where a push to a place would still find credentials."""
    try:
        for found in Credentials(place.partition("/")[0]).candidates(place):
            yield f"credentials for {place} still come from {found}"
    except Denied as error:
        yield str(error)
