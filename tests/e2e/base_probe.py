"""Run in a container of a base: what it finds there, as JSON."""

import ctypes
import ctypes.util
import datetime
import json
import locale
import os
import pathlib
import platform
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import zoneinfo

libraries = ["libstdc++.so.6", "libgomp.so.1", "libssl.so.3"]
for name in libraries:
    ctypes.CDLL(name)
note = pathlib.Path.home() / "note"
note.write_text("mine")
summer = datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
script = (
    "echo sh; bash -c 'echo bash'; awk 'BEGIN { print \"awk\" }'; tar --version >&2 && echo tar"
)
shell = subprocess.run(
    ["sh", "-c", f"{script}; which awk"], check=True, capture_output=True, text=True
)
verify = ["openssl", "verify", "/etc/ssl/certs/ISRG_Root_X1.pem"]
print(
    json.dumps(
        {
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            "executable": sys.executable,
            "certificates": len(ssl.create_default_context().get_ca_certs()),
            "verified": subprocess.run(verify, capture_output=True).returncode == 0,
            "release": platform.freedesktop_os_release()["VERSION_CODENAME"],
            "locale": locale.setlocale(locale.LC_ALL, ""),
            "temporary": tempfile.gettempdir(),
            "libraries": libraries,
            "found": ctypes.util.find_library("c"),
            "sqlite": sqlite3.connect(":memory:").execute("select 42").fetchone()[0],
            "zone": summer.tzname(),
            "local": time.tzname[0],
            "home": os.environ["HOME"],
            "written": note.read_text(),
            "user": os.getuid(),
            "encoding": locale.getpreferredencoding().lower(),
            "shell": shell.stdout.split(),
        }
    )
)
