"""Launches one pipeline or several, and prints what came of each as a line of JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import sematic
from sematic import (
    CloudResolver,
    Future,
    KubernetesHostPathMount,
    KubernetesResourceRequirements,
    KubernetesToleration,
    PipelineError,
    ResourceRequirements,
)
from tests.e2e.pipelines import steps


@sematic.func(inline=False)
def of_the_script(number: int) -> int:
    return 10 * number


@sematic.func
def everything(number: int) -> int:
    return steps.add(steps.nested(number), of_the_script(steps.add_here(number, 1)))


@sematic.func
def expands_to_a_failure() -> int:
    return steps.add(steps.raises(3), 1)


@sematic.func
def many(folder: str) -> int:
    return steps.most([steps.takes_a_while(folder, number) for number in range(4)])


@sematic.func
def waits_in_cluster(folder: str) -> int:
    """Waits in a pod that sees a folder of its node, and soon leaves a node that is lost."""
    mount = KubernetesHostPathMount(folder, "/marks", type="Directory")
    soon = [
        KubernetesToleration(f"node.kubernetes.io/{taint}", "Exists", "NoExecute", None, 1)
        for taint in ("unreachable", "not-ready")
    ]
    needs = asking(host_path_mounts=[mount], tolerations=soon)
    return steps.waits("/marks").set(resource_requirements=needs)


def asking(**needs: Any) -> ResourceRequirements:
    return ResourceRequirements(KubernetesResourceRequirements(**needs))


FOLDER = os.environ.get("MARKS", "")
LIMIT = os.environ.get("LIMIT")

PIPELINES: dict[str, Callable[[], Future[Any]]] = {
    "everything": lambda: everything(2),
    "same": cache(lambda: of_the_script(3)),
    "about_itself": lambda: steps.about_itself("hello"),
    "raises": expands_to_a_failure,
    "leaves": steps.leaves,
    "vanishes": steps.vanishes,
    "exits": steps.exits,
    "crashes": steps.crashes,
    "gives_a_lock": steps.gives_a_lock,
    "imports": lambda: steps.imports("pytest"),
    "never_ends": steps.never_ends,
    "sleeps": steps.sleeps,
    "large": lambda: steps.large(4 << 20),
    "fails_twice": lambda: steps.fails_twice(FOLDER),
    "remembered": lambda: steps.remembered(FOLDER, 5),
    "many": lambda: many(FOLDER),
    "hangs": lambda: steps.hangs_within(FOLDER),
    "waits": lambda: steps.waits(FOLDER),
    "waits_in_cluster": lambda: waits_in_cluster(FOLDER),
    "greedy": lambda: steps.greedy(256).set(
        resource_requirements=asking(requests={"memory": "64Mi"})
    ),
    "fits_nowhere": lambda: steps.greedy(1).set(
        resource_requirements=asking(requests={"memory": "1000Gi"})
    ),
}


def main(names: list[str]) -> None:
    detach = "--detach" in names
    resolver = CloudResolver(
        detach=detach,
        max_parallelism=int(LIMIT) if LIMIT else None,
        pods=os.environ.get("PODS"),
    )
    for name in names:
        if name != "--detach":
            print(json.dumps(outcome(PIPELINES[name](), resolver)), flush=True)


def outcome(future: Future[Any], resolver: CloudResolver) -> dict[str, Any]:
    try:
        return {"id": future.id, "value": future.resolve(resolver)}
    except PipelineError as error:
        return {
            "id": future.id,
            "kind": error.kind,
            "message": error.args[0],
            "text": str(error),
            "cause": repr(error.__cause__),
        }


if __name__ == "__main__":
    main(sys.argv[1:])
