"""What a step asks of the place where it runs, and how often it is tried."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, unique
from pathlib import PurePosixPath
from typing import Any, TypeVar

E = TypeVar("E", bound=Enum)

_QUANTITY = re.compile(r"[+]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?")
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_DOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
_VARIABLE = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]*")
_SECRET_KEY = re.compile(r"[A-Za-z0-9_.-]{1,253}")
_VOLUME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_HOST_PATHS = (
    "",
    "DirectoryOrCreate",
    "Directory",
    "FileOrCreate",
    "File",
    "Socket",
    "CharDevice",
    "BlockDevice",
)


@dataclass(frozen=True)
class RetrySettings:
    """Run a func again if it raises one of these, so many times.

    :param exceptions: exception classes; their subclasses count as well.
    :param retries: how many more times, at least 1.
    :raises TypeError: something that is no exception class.
    :raises ValueError: none of them, or no retries.
    """

    exceptions: tuple[type[BaseException], ...]
    retries: int

    def __post_init__(self) -> None:
        if isinstance(self.exceptions, type) or not isinstance(self.exceptions, (tuple, list, set)):
            raise TypeError(
                f"exceptions of a retry are a tuple of classes, not {self.exceptions!r}"
            )
        for one in self.exceptions:
            if not (isinstance(one, type) and issubclass(one, BaseException)):
                raise TypeError(f"exceptions of a retry are exception classes, not {one!r}")
        if not self.exceptions:
            raise ValueError("a retry needs at least one exception class")
        if not isinstance(self.retries, int) or isinstance(self.retries, bool):
            raise TypeError(f"retries is a number, not {self.retries!r}")
        if self.retries < 1:
            raise ValueError(f"retries is 1 or more, not {self.retries}")
        object.__setattr__(self, "exceptions", tuple(self.exceptions))

    def names(self) -> tuple[str, ...]:
        """The exceptions as ``module.qualname``, for failures whose exception cannot be loaded."""
        return tuple(f"{one.__module__}.{one.__qualname__}" for one in self.exceptions)


@dataclass(frozen=True)
class KubernetesSecretMount:
    """Keys of the secret ``sematic-func-secrets`` that a step gets to see.

    :param environment_secrets: key of the secret -> environment variable.
    :param file_secrets: key of the secret -> path below ``file_secret_root_path``.
    :param file_secret_root_path: a folder of its own; what the image has there is hidden.
    """

    environment_secrets: Mapping[str, str] = field(default_factory=dict)
    file_secrets: Mapping[str, str] = field(default_factory=dict)
    file_secret_root_path: str = "/secrets"

    def __post_init__(self) -> None:
        for keys in ("environment_secrets", "file_secrets"):
            for key in _texts(self, keys):
                _match(_SECRET_KEY, key, f"a key of {keys}")
        for variable in self.environment_secrets.values():
            _match(_VARIABLE, variable, "an environment variable")
        for path in self.file_secrets.values():
            if not path or path.startswith("/") or ".." in PurePosixPath(path).parts:
                raise ValueError(f"file_secrets are relative paths without '..', not {path!r}")
        _absolute(self.file_secret_root_path, "file_secret_root_path")


@unique
class KubernetesTolerationOperator(str, Enum):
    """How a toleration is compared with a taint: its value too, or its key only."""

    Equal = "Equal"
    Exists = "Exists"


@unique
class KubernetesTolerationEffect(str, Enum):
    """What a taint does to pods that do not tolerate it."""

    NoSchedule = "NoSchedule"
    PreferNoSchedule = "PreferNoSchedule"
    NoExecute = "NoExecute"


@dataclass(frozen=True)
class KubernetesToleration:
    """A taint of nodes on which the step may run (Kubernetes, "Taints and Tolerations").

    :param key: of the taint; None for all (with ``Exists``).
    :param operator: a :class:`KubernetesTolerationOperator`; its text will do.
    :param effect: a :class:`KubernetesTolerationEffect`, None for all; its text will do.
    :param value: of the taint, for ``Equal``.
    :param toleration_seconds: how long it may stay, for ``NoExecute`` only.
    """

    key: str | None = None
    operator: str = KubernetesTolerationOperator.Equal
    effect: str | None = None
    value: str | None = None
    toleration_seconds: int | None = None

    def __post_init__(self) -> None:
        operator = _one_of(KubernetesTolerationOperator, self.operator, "operator")
        object.__setattr__(self, "operator", operator)
        if self.effect is not None:
            effect = _one_of(KubernetesTolerationEffect, self.effect, "effect")
            object.__setattr__(self, "effect", effect)
        if operator is KubernetesTolerationOperator.Exists and self.value is not None:
            raise ValueError("a toleration with operator Exists has no value")
        if self.key is None and operator is KubernetesTolerationOperator.Equal:
            raise ValueError("a toleration without key needs operator Exists: it matches all keys")
        if self.toleration_seconds is not None:
            if not isinstance(self.toleration_seconds, int):
                raise TypeError(f"toleration_seconds is a number, not {self.toleration_seconds!r}")
            if self.effect is not KubernetesTolerationEffect.NoExecute:
                raise ValueError("toleration_seconds means nothing without effect NoExecute")


@dataclass(frozen=True)
class KubernetesCapabilities:
    """Capabilities that a step's container gets or loses (``NET_ADMIN``)."""

    add: Sequence[str] = ()
    drop: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("add", "drop"):
            _list(self, name, str)


@dataclass(frozen=True)
class KubernetesSecurityContext:
    """The security context of a step's container, over the one that every pod gets."""

    allow_privilege_escalation: bool = False
    privileged: bool = False
    capabilities: KubernetesCapabilities = field(default_factory=KubernetesCapabilities)

    def __post_init__(self) -> None:
        _instance(self, "allow_privilege_escalation", bool)
        _instance(self, "privileged", bool)
        _instance(self, "capabilities", KubernetesCapabilities)


@dataclass(frozen=True)
class KubernetesHostPathMount:
    """A file or folder of the node that a step gets to see.

    :param name: of the volume; made of ``pod_mount_path`` if empty.
    :param type: what must be there (Kubernetes, "hostPath"); "" for no check.
    """

    node_path: str
    pod_mount_path: str
    name: str = ""
    type: str = ""

    def __post_init__(self) -> None:
        _absolute(self.node_path, "node_path")
        _absolute(self.pod_mount_path, "pod_mount_path")
        if self.type not in _HOST_PATHS:
            raise ValueError(f"type of a host path is one of {_HOST_PATHS}, not {self.type!r}")
        name = self.name or re.sub(r"[^a-z0-9]+", "-", self.pod_mount_path.lower()).strip("-")[:63]
        name = name.strip("-") or "root"
        object.__setattr__(self, "name", _match(_VOLUME, name, "the name of a host path mount"))


@dataclass(frozen=True)
class KubernetesResourceRequirements:
    """What a step's pod asks of Kubernetes.

    :param node_selector: labels that its node must have.
    :param requests: resource -> quantity (``{"cpu": "500m", "memory": "2Gi"}``), used as
        requests and as limits.
    :param mount_expanded_shared_memory: a ``/dev/shm`` in memory without docker's limit of 64 MB.
    :raises TypeError: a value of another type.
    :raises ValueError: a value that the cluster would not take.
    """

    node_selector: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, str] = field(default_factory=dict)
    secret_mounts: KubernetesSecretMount = field(default_factory=KubernetesSecretMount)
    tolerations: Sequence[KubernetesToleration] = ()
    mount_expanded_shared_memory: bool = False
    security_context: KubernetesSecurityContext | None = None
    host_path_mounts: Sequence[KubernetesHostPathMount] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("node_selector", "labels"):
            for key, value in _texts(self, name).items():
                _key(key, f"a key of {name}")
                if value:
                    _match(_LABEL, value, f"{name}[{key!r}]")
        for key, value in _texts(self, "requests").items():
            _key(key, "a resource")
            _match(_QUANTITY, value, f"requests[{key!r}]", "a quantity such as '500m' or '2Gi'")
        for key in _texts(self, "annotations"):
            _key(key, "a key of annotations")
        _instance(self, "secret_mounts", KubernetesSecretMount)
        _instance(self, "mount_expanded_shared_memory", bool)
        if self.security_context is not None:
            _instance(self, "security_context", KubernetesSecurityContext)
        _list(self, "tolerations", KubernetesToleration)
        _list(self, "host_path_mounts", KubernetesHostPathMount)


@dataclass(frozen=True)
class ResourceRequirements:
    """What a step that has a pod of its own asks for."""

    kubernetes: KubernetesResourceRequirements = field(
        default_factory=KubernetesResourceRequirements
    )

    def __post_init__(self) -> None:
        _instance(self, "kubernetes", KubernetesResourceRequirements)


def _instance(owner: object, name: str, kind: type) -> None:
    value = getattr(owner, name)
    if not isinstance(value, kind):
        raise TypeError(f"{name} is a {kind.__name__}, not {value!r}")


def _list(owner: object, name: str, kind: type) -> None:
    value = getattr(owner, name)
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, kind) for one in value):
        raise TypeError(f"{name} is a list of {kind.__name__}, not {value!r}")
    object.__setattr__(owner, name, tuple(value))


def _texts(owner: object, name: str) -> Mapping[str, str]:
    value = getattr(owner, name)
    if not isinstance(value, Mapping) or not all(
        isinstance(part, str) for pair in value.items() for part in pair
    ):
        raise TypeError(f"{name} is a dict of text to text, not {value!r}")
    object.__setattr__(owner, name, dict(value))
    return value


def _match(pattern: re.Pattern[str], text: str, what: str, wanted: str = "") -> str:
    if not pattern.fullmatch(text):
        rule = wanted or f"text like {pattern.pattern}"
        raise ValueError(f"{what} is {text!r}, and Kubernetes takes {rule} there")
    return text


def _key(text: str, what: str) -> None:
    """A key of labels, annotations or resources: ``name`` or ``domain/name``."""
    domain, slash, name = text.rpartition("/")
    if slash:
        _match(_DOMAIN, domain, f"the domain of {what}")
    _match(_LABEL, name, what)


def _absolute(path: Any, what: str) -> None:
    if not isinstance(path, str) or not path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise ValueError(f"{what} is an absolute path without '..', not {path!r}")


def _one_of(kind: type[E], value: str, what: str) -> E:
    try:
        return kind(value)
    except ValueError:
        names = ", ".join(str(one.value) for one in kind)
        raise ValueError(f"{what} of a toleration is one of {names}, not {value!r}") from None
