"""What an image needs besides the user's files: a virtual environment, an entrypoint, a home.

/sematic/src            the project
/sematic/editable       source trees of editable installs that lie outside the project
/sematic/venv           a virtual environment on top of the base's interpreter
/sematic/bin/worker     the entrypoint
/sematic/home           the home directory, writable under any user id
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sematic.oci.files import FileEntry, FileGroup
from sematic.oci.values import frozen

SOURCE = "sematic/src"
EDITABLE = "sematic/editable"
VENV = "sematic/venv"
WORKER = "sematic/bin/worker"
HOME = "sematic/home"

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# A Python script and no shell script: a base need not have a shell. Everything but the worker
# is handed to an interpreter of its own, so that -m, -c and options mean what they always do.
_WORKER_SCRIPT = f"""\
#!/{VENV}/bin/python3
import os
import sys

arguments = sys.argv[1:]
python = "/{VENV}/bin/python3"
if arguments and arguments[0].startswith("--"):
    command = [python, "-m", "sematic.resolvers.worker", *arguments]
elif not arguments or arguments[0].startswith("-") or arguments[0].endswith(".py"):
    command = [python, *arguments]
else:
    command = arguments
try:
    os.execvp(command[0], command)
except OSError as error:
    sys.exit(f"{{command[0]}}: {{error.strerror}}")
"""


@frozen
class ImagePython:
    """The interpreter that the image's virtual environment stands on.

    :param version: major and minor, as ``3.11``.
    :param path: where the interpreter lies in the base.
    :param abiflags: ``t`` for a free-threaded build, else empty.
    """

    version: str
    path: str = "/usr/bin/python3"
    abiflags: str = ""

    @property
    def library(self) -> str:
        return f"{VENV}/lib/python{self.version}{self.abiflags}"

    @property
    def site_packages(self) -> str:
        return f"{self.library}/site-packages"


def runtime_group(python: ImagePython, source_paths: Sequence[str]) -> FileGroup:
    """The virtual environment, the entrypoint and the home directory.

    :param source_paths: absolute folders in the image that go on ``sys.path``.
    """
    configuration = (
        f"home = {python.path.rpartition('/')[0]}\n"
        "include-system-site-packages = true\n"
        f"version = {python.version}\n"
    )
    folders = ("sematic/bin", SOURCE, f"{VENV}/bin", python.site_packages)
    entries = [FileEntry.folder(path) for path in folders]
    entries += [
        FileEntry.folder(HOME, 0o1777),
        FileEntry.from_bytes(f"{VENV}/pyvenv.cfg", configuration.encode()),
        FileEntry.link(f"{VENV}/bin/python3", python.path),
        FileEntry.link(f"{VENV}/bin/python", "python3"),
        FileEntry.link(f"{VENV}/bin/python{python.version}", "python3"),
        FileEntry.from_bytes(WORKER, _WORKER_SCRIPT.encode(), 0o755),
        FileEntry.from_bytes(
            f"{python.site_packages}/sematic_source.pth",
            "".join(f"{path}\n" for path in source_paths).encode(),
        ),
    ]
    return FileGroup.of("runtime", "runtime", "runtime", entries)


def runtime_environment(base: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that go with it, on top of the base's."""
    return {
        "PATH": f"/{VENV}/bin:{base.get('PATH') or DEFAULT_PATH}",
        "VIRTUAL_ENV": f"/{VENV}",
        "HOME": f"/{HOME}",
    }
