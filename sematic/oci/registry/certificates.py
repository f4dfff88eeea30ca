"""Whose certificates are trusted, and which one is shown to a host.

SSL_CERT_FILE, else REQUESTS_CA_BUNDLE, else the system says whom to trust. A folder ``HOST[:PORT]``
of docker's or podman's ``certs.d`` adds to that for one host: ``*.crt`` are authorities,
``NAME.cert`` with ``NAME.key`` is what is shown (containers-certs.d(5)).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sematic.oci.errors import SettingsError

if TYPE_CHECKING:
    import ssl


def certificates_folder(host: str, environ: Mapping[str, str]) -> Path | None:
    """The folder with certificates for one host (with its port), None if there is none."""
    host = host.rpartition("@")[2].lower()
    if not host.strip("."):
        return None
    home = Path(environ.get("HOME") or Path.home())
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    for parent in (user, Path("/etc")):
        for program in ("containers", "docker"):
            folder = parent / program / "certs.d" / host
            if folder.is_dir():
                return folder
    return None


def tls_context(environ: Mapping[str, str], folder: Path | None = None) -> ssl.SSLContext:
    """What TLS connections are made with.

    :param folder: certificates for the host (:func:`certificates_folder`).
    :raises SettingsError: a variable or the folder names no certificates.
    """
    context = _trusting(environ)
    for path in sorted(folder.iterdir()) if folder else ():
        try:
            if path.suffix == ".crt":
                context.load_verify_locations(cafile=path)
            elif path.suffix == ".cert":
                context.load_cert_chain(path, path.with_suffix(".key"))
        except OSError as error:  # ssl.SSLError is one
            raise SettingsError(
                f"{path}: this certificate, or its key, cannot be used: {error}"
            ) from None
    return context


def authorities(environ: Mapping[str, str]) -> tuple[str, str]:
    """The variable that names certificates to trust, and the file or folder that it names.

    Both are "" where that is left to the system.
    """
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        if path := environ.get(variable):
            return variable, path
    return "", ""


def _trusting(environ: Mapping[str, str]) -> ssl.SSLContext:
    import ssl

    variable, path = authorities(environ)
    try:
        if path and Path(path).is_dir():
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path or None)
    except OSError as error:
        raise SettingsError(
            f"{variable}={path}: no certificates can be read there: {error}"
        ) from None
