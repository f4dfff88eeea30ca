"""Pipelines of Python functions, run here or on pods.

    import sematic

    @sematic.func
    def double(number: int) -> int:
        return 2 * number

    @sematic.func
    def pipeline(number: int) -> int:
        return double(double(number))

    pipeline(3).resolve()       # 12

Names are looked up when they are first used, so that importing this costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing and importlib take longer to import than it takes to say so
if TYPE_CHECKING:
    from typing import Any

    from sematic.container_image import has_container_image as has_container_image
    from sematic.errors import ConfigurationError as ConfigurationError
    from sematic.errors import PipelineError as PipelineError
    from sematic.errors import RunCanceled as RunCanceled
    from sematic.errors import SematicError as SematicError
    from sematic.function import func as func
    from sematic.future import Future as Future
    from sematic.resolvers.cloud_resolver import CloudResolver as CloudResolver
    from sematic.resolvers.local_resolver import LocalResolver as LocalResolver
    from sematic.resolvers.resolver import Resolver as Resolver
    from sematic.resolvers.silent_resolver import SilentResolver as SilentResolver
    from sematic.resources import KubernetesCapabilities as KubernetesCapabilities
    from sematic.resources import KubernetesHostPathMount as KubernetesHostPathMount
    from sematic.resources import KubernetesResourceRequirements as KubernetesResourceRequirements
    from sematic.resources import KubernetesSecretMount as KubernetesSecretMount
    from sematic.resources import KubernetesSecurityContext as KubernetesSecurityContext
    from sematic.resources import KubernetesToleration as KubernetesToleration
    from sematic.resources import KubernetesTolerationEffect as KubernetesTolerationEffect
    from sematic.resources import KubernetesTolerationOperator as KubernetesTolerationOperator
    from sematic.resources import ResourceRequirements as ResourceRequirements
    from sematic.resources import RetrySettings as RetrySettings
    from sematic.runs import find_run as find_run
    from sematic.runs import list_runs as list_runs

__version__ = "0.1.0"

_WHERE = {
    "container_image": ("has_container_image",),
    "errors": ("ConfigurationError", "PipelineError", "RunCanceled", "SematicError"),
    "function": ("func",),
    "future": ("Future",),
    "resolvers.cloud_resolver": ("CloudResolver",),
    "resolvers.local_resolver": ("LocalResolver",),
    "resolvers.resolver": ("Resolver",),
    "resolvers.silent_resolver": ("SilentResolver",),
    "resources": (
        "KubernetesCapabilities",
        "KubernetesHostPathMount",
        "KubernetesResourceRequirements",
        "KubernetesSecretMount",
        "KubernetesSecurityContext",
        "KubernetesToleration",
        "KubernetesTolerationEffect",
        "KubernetesTolerationOperator",
        "ResourceRequirements",
        "RetrySettings",
    ),
    "runs": ("find_run", "list_runs"),
}
_MODULES = {name: module for module, names in _WHERE.items() for name in names}


def __dir__() -> list[str]:
    return sorted([*_MODULES, "__version__"])


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"sematic.{module}"), name)
