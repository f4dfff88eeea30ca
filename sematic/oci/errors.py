"""What can go wrong, as one tree.

    OCIError
    ├── SettingsError          a setting or option that means nothing
    ├── InvalidReference       text that names no registry, layout or archive
    ├── ProjectError           the project folder or its interpreter cannot be used
    ├── FileError              a file that cannot go into a layer
    │   └── FileChanged        a file that changed while it was being read
    ├── RequirementsError      requirements that cannot be met, or no wheels for them
    │   └── WheelError         a wheel that cannot be read, or goes with no other
    ├── BaseError              the base image cannot carry this environment
    ├── ManifestError          JSON that is not the manifest or config it should be
    ├── DigestError            bytes that do not have the digest they were announced with
    │   └── LayerChanged       a layer that did not come out as it did the last time
    ├── PlaceError             a layout or archive on disk that cannot be read or written
    └── RegistryError          a registry that refused, failed or could not be reached
        ├── NotFound           it has no such manifest, blob or repository
        ├── Denied             it wants other credentials, or more of them
        └── BlobsMissing       it refused a manifest because it lacks blobs

Every message says what was tried, on what, why it failed and what to do, in one to three lines.
Whatever has got into one can be printed: it is short, and nothing in it speaks to a terminal.
"""

from __future__ import annotations

from sematic.oci.untrusted import one_line

_LONGEST_LINE = 1500


class OCIError(Exception):
    """Anything that :mod:`sematic.oci` raises on purpose."""

    most_lines = 20

    def __init__(self, message: str = "") -> None:
        lines = message.split("\n", self.most_lines)[: self.most_lines]
        super().__init__("\n".join(one_line(line, _LONGEST_LINE) for line in lines))


class SettingsError(OCIError):
    """A setting or an option whose value means nothing."""


class InvalidReference(OCIError):
    """Text that names no registry repository, image layout or archive."""


class ProjectError(OCIError):
    """The project folder, or the interpreter that should go with it, cannot be used."""


class FileError(OCIError):
    """A file that cannot go into a layer: unreadable, or not a file at all."""


class FileChanged(FileError):
    """A file was not, when it was read, what it was when the layer was planned."""


class RequirementsError(OCIError):
    """Requirements that cannot be met, or whose wheels cannot be had.

    A resolver's explanation is given in full.
    """

    most_lines = 1000


class WheelError(RequirementsError):
    """A wheel that cannot be read, is not what it should be, or goes with no other."""


class BaseError(OCIError):
    """The base image is not there for this platform, or cannot run this environment."""


class ManifestError(OCIError):
    """A manifest, index or config that is not what its media type says."""


class DigestError(OCIError):
    """Bytes that do not have the digest or the size they were announced with."""


class LayerChanged(DigestError):
    """A layer did not come out as it did the last time, though its files look the same."""


class PlaceError(OCIError):
    """An image layout or an archive on disk that cannot be read or written."""


class RegistryError(OCIError):
    """A registry refused a request, failed, or could not be reached.

    :param message: what was tried, where, and what the registry said.
    :param status: the HTTP status, 0 where there was no answer.
    :param codes: the error codes of the answer's body (distribution spec, "Error Codes").
    """

    def __init__(self, message: str, *, status: int = 0, codes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.codes = codes


class NotFound(RegistryError):
    """The registry has no such manifest, blob or repository."""


class Denied(RegistryError):
    """The registry wants other credentials, or more rights than these give."""


class BlobsMissing(RegistryError):
    """The registry refused a manifest because blobs it names are not there."""
