"""Launching a run: its image, its record, and then its driver, here or in a pod."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from sematic.config import Project
from sematic.container_image import container_image
from sematic.errors import RunCanceled
from sematic.future import Future
from sematic.oci.events import Listener
from sematic.resolvers.documents import Documents
from sematic.resolvers.pickling import call_main
from sematic.resolvers.pods import PodSpec, open_place
from sematic.resolvers.pods.place import Place
from sematic.resolvers.records import RunRecord
from sematic.resolvers.stores import open_store
from sematic.resolvers.telling import Telling


@dataclass(frozen=True, slots=True)
class Launch:
    """How runs of a project are launched.

    :param main: the module that the running script is for pods, "" if that does not matter.
    :param max_parallelism: steps in pods at a time; None for no limit.
    """

    project: Project
    main: str
    max_parallelism: int | None = None

    def detached(self, future: Future[Any]) -> str:
        """Have a pod drive the run; the run's id."""
        with Telling() as telling:
            place, run = self._begin(future, telling.image_events)
            pod = self._driver(run)
            run.driver = pod.name
            place.records.write(run)
            pods = place.pods(run)
            try:
                pods.submit(pod)
            except BaseException:
                place.records.remove(run.id)
                raise
            finally:
                pods.close()
            telling.launched(run)
        return run.id

    def attached(self, future: Future[Any]) -> Any:
        """Drive the run from here; its value."""
        from sematic.resolvers.driver import Drive, abandoning

        with Telling() as telling:
            place, run = self._begin(future, telling.image_events)
            run.driver = f"{socket.gethostname()}, process {os.getpid()}"
            place.records.write(run)
            telling.launched(run)
            drive = Drive(run, place, self.max_parallelism, telling.line, telling.changed)
            try:
                with abandoning(run, place):
                    handle = drive.resolve(future)
            except KeyboardInterrupt:
                place.stop(run.id)
                raise RunCanceled(f"run {run.id} was canceled by Ctrl-C", run_id=run.id) from None
        return Documents(open_store(run.store)).load(handle)

    def _begin(self, future: Future[Any], listener: Listener) -> tuple[Place, RunRecord]:
        """What must be there before anything is launched: an image, and the run in its store."""
        if self.main:
            call_main(self.main)
        image = container_image(self.project, listener)
        settings = self.project.settled(image)
        place = open_place(settings)
        if place.records.read(future.id) is not None:  # it has been resolved before
            future.id = uuid4().hex
        now = time.time()
        run = RunRecord(
            id=future.id,
            name=future.name,
            image=image,
            store=settings.store,
            pods=place.kind,
            created=now,
            updated=now,
            tags=future.tags,
        )
        facts = {"settings": asdict(settings)}
        Documents(open_store(run.store)).write_run(run.id, future, facts)
        return place, run

    def _driver(self, run: RunRecord) -> PodSpec:
        arguments = ["--run_id", run.id, "--resolve"]
        if self.max_parallelism is not None:
            arguments += ["--max-parallelism", str(self.max_parallelism)]
        return PodSpec(
            name=f"sematic-driver-{run.id}",
            run_id=run.id,
            step_id=run.id,
            image=run.image,
            arguments=tuple(arguments),
            kind="driver",
            env={"SEMATIC_STORE": run.store, "SEMATIC_RUN_ID": run.id},
        )
