"""What can go wrong with pipelines, as one tree.

    SematicError
    ├── ConfigurationError     a setting, or a func that pods cannot find
    ├── PipelineError          a step failed, and with it the run
    └── RunCanceled            somebody cancelled the run

What is wrong with a definition or a call is a ``TypeError`` or ``ValueError``, as in any Python.
:mod:`sematic.oci` has a tree of its own (``OCIError``). Every message says what was tried, on
what, why it failed and what to do, in one to three lines.
"""

from __future__ import annotations


class SematicError(Exception):
    """Anything about pipelines that is raised on purpose."""


class ConfigurationError(SematicError):
    """A setting that means nothing, or a func that cannot be found where pods run."""


class PipelineError(SematicError):
    """A step failed. What it raised is the ``__cause__``, where it can be loaded here.

    :param step: the name of the step.
    :param step_id: its id.
    :param function: its func, as ``module:qualname``.
    :param place: where it ran (``pod sematic-worker-...``), "" for this process.
    :param kind: what sort of failure it was (see ``resolvers.step.Failure``).
    :param traceback: the traceback there, as text, "" if there is none.
    """

    def __init__(
        self,
        message: str,
        *,
        step: str = "",
        step_id: str = "",
        function: str = "",
        place: str = "",
        kind: str = "",
        traceback: str = "",
    ) -> None:
        super().__init__(message)
        self.step = step
        self.step_id = step_id
        self.function = function
        self.place = place
        self.kind = kind
        self.traceback = traceback

    def __str__(self) -> str:
        message = super().__str__()
        cause = self.__cause__
        if not self.traceback or (cause is not None and cause.__traceback__ is not None):
            return message  # Python shows the cause's own
        return f"{message}\n\n{self.traceback.rstrip()}"


class RunCanceled(SematicError):
    """The run was cancelled before it had a result.

    :param run_id: the id of the run.
    """

    def __init__(self, message: str, *, run_id: str = "") -> None:
        super().__init__(message)
        self.run_id = run_id
