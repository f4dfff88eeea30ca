"""Certificates for servers on loopback, made by openssl."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LOCALHOST = ("IP:127.0.0.1", "DNS:localhost")


@dataclass(frozen=True)
class Tls:
    """Files in PEM. `authority` is what clients must trust."""

    certificate: Path
    key: Path
    authority: Path


def self_signed(folder: Path) -> Tls:
    """A certificate for 127.0.0.1 and localhost that is its own authority."""
    made = Tls(folder / "tls.crt", folder / "tls.key", folder / "tls.crt")
    _make(made, *_subject(_LOCALHOST))
    return made


def privately_signed(folder: Path, names: Sequence[str] = _LOCALHOST) -> Tls:
    """A certificate for 127.0.0.1 and localhost, or other names, signed by a private authority."""
    authority = Tls(folder / "ca.crt", folder / "ca.key", folder / "ca.crt")
    _make(authority, "-subj", "/CN=Private CA", "-addext", "keyUsage=critical,keyCertSign")
    made = Tls(folder / "server.crt", folder / "server.key", authority.certificate)
    _make(
        made,
        *(*_subject(names), "-addext", "basicConstraints=critical,CA:FALSE"),
        *("-CA", str(authority.certificate), "-CAkey", str(authority.key)),
    )
    return made


def _subject(names: Sequence[str]) -> Sequence[str]:
    return "-subj", "/CN=localhost", "-addext", f"subjectAltName={','.join(names)}"


def _make(to: Tls, *options: str) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *(*options, "-out", str(to.certificate), "-keyout", str(to.key)),
        ],
        check=True,
        capture_output=True,
    )
