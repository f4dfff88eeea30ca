"""A credential helper as docker's are, which keeps everything in one folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_SCRIPT = """\
#!/bin/sh
# What follows the verb would be seen by everybody on the machine.
echo "$*" >> {folder}/calls
read -r told
case $1 in
store)
    server=${{told#*ServerURL\\": \\"}}
    server=${{server%%\\"*}}
    printf '%s' "$told" > "{folder}/$(echo "$server" | tr / _)" ;;
get) cat "{folder}/$(echo "$told" | tr / _)" 2>/dev/null ||
    {{ echo "credentials not found in native keychain"; exit 1; }} ;;
erase) rm "{folder}/$(echo "$told" | tr / _)" ;;
esac
"""


class Keeper:
    """`docker-credential-keeper`, in a folder that must be on PATH."""

    name = "keeper"
    command = "docker-credential-keeper"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        program = folder / self.command
        program.write_text(_SCRIPT.format(folder=folder))
        program.chmod(0o755)

    def kept(self, server: str) -> Any:
        """What it was told to keep for a server, None if there is nothing."""
        path = self._folder / server.replace("/", "_")
        return json.loads(path.read_text()) if path.exists() else None

    def calls(self) -> list[str]:
        """The arguments of each call."""
        return (self._folder / "calls").read_text().splitlines()
