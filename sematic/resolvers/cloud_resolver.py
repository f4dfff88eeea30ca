"""Runs on pods: of a cluster, or of this machine where nothing else is configured."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from sematic.config import find_project
from sematic.errors import ConfigurationError
from sematic.future import Future
from sematic.resolvers.launch_script import script_module
from sematic.resolvers.resolver import Resolver

if TYPE_CHECKING:
    pass

ON_WORKER = "ON_SEMATIC_WORKER"


class CloudResolver(Resolver):
    """Runs the steps of a pipeline in pods, from an image that is given or made on the way.

    :param detach: have the driver run in a pod as well, and return the run's id at once; else
        drive the run from here, show what its pods write, and return its value.
    :param max_parallelism: steps in pods at a time; None for no limit.
    :param pods: ``kubernetes``, ``podman`` or ``local``; as configured, if None.
    :param store: the URL of the store of inputs and outcomes; as configured, if None.
    """

    def __init__(
        self,
        detach: bool = True,
        max_parallelism: int | None = None,
        *,
        pods: str | None = None,
        store: str | None = None,
    ) -> None:
        if max_parallelism is not None and max_parallelism < 1:
            raise ValueError(f"max_parallelism is 1 or more, not {max_parallelism}")
        self._detach = detach
        self._limit = max_parallelism
        self._arguments = {"pods": pods, "store": store}

    def resolve(self, future: Future[Any]) -> Any:
        """The run's id if detached, else its value.

        :raises ConfigurationError: the configuration, or the script, cannot be run in pods.
        :raises OCIError: the image cannot be built or pushed.
        :raises PodsError: the place where pods run cannot be reached, or refuses.
        :raises PipelineError: a step failed (not if detached).
        :raises RunCanceled: somebody canceled the run, or Ctrl-C did (not if detached).
        """
        if os.environ.get(ON_WORKER):
            raise ConfigurationError(
                "this pod was about to launch a run of its own while it imported a module.\n"
                'Put what launches runs below `if __name__ == "__main__":`.'
            )
        project = find_project(arguments=self._arguments)
        main = script_module(future, project.roots(), sys._getframe(1))
        from sematic.resolvers.launch import Launch

        launch = Launch(project, main, self._limit)
        return launch.detached(future) if self._detach else launch.attached(future)
