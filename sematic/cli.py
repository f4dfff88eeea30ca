"""The command ``sematic``: follow and steer runs. Results go to stdout, all else to stderr."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sematic.config import PLACES, Project, find_project, project_folder
from sematic.errors import PipelineError, SematicError
from sematic.oci.commands import leave, perform, say
from sematic.oci.errors import OCIError
from sematic.resolvers.pods import PodsError, open_place
from sematic.resolvers.records import RecordsError, RunRecord
from sematic.resolvers.stores import StoreError
from sematic.runs import Run, find_place, find_run, list_runs
from sematic.runs.live import changed_lines, show_live
from sematic.runs.report import (
    end_text,
    head_text,
    run_json,
    runs_json,
    runs_text,
    tree_text,
)

_CODES = {"RESOLVED": 0, "CANCELED": 3}  # of `wait`; 1 for all else
_ERRORS = (SematicError, OCIError, PodsError, RecordsError, StoreError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    return perform(lambda: command(options), "sematic", _ERRORS, debug=options.debug, text=_told)


def _told(error: Exception) -> str:
    """What is said of an error: a failed run's traceback is ``run show``'s to tell."""
    return str(error.args[0] if isinstance(error, PipelineError) else error)


# Runs


def _list(options: argparse.Namespace) -> int:
    runs = list_runs(find_place(_folder(), **_where(options)))
    records = [run.record for run in runs]
    if options.json:
        print(json.dumps(runs_json(records), indent=2))
    elif records:
        print("\n".join(runs_text(records, time.time())))
    else:
        say("no runs here yet")
    return 0


def _show(options: argparse.Namespace) -> int:
    run = _run(options)
    if not options.follow:
        record = run.record
        print(json.dumps(run_json(record), indent=2) if options.json else _text(record))
        return 0
    with _followed(run):
        if options.json:
            for record in run.changes():
                print(json.dumps(run_json(record)), flush=True)
            return 0
        if sys.stdout.isatty():
            show_live(run.changes())
        else:
            print(head_text(run.record, time.time()), flush=True)
            for line in changed_lines(run.changes()):
                print(line, flush=True)
    print(_end(run.record))
    return 0


def _text(record: RunRecord) -> str:
    now = time.time()
    lines = [head_text(record, now), *tree_text(record, now)]
    return "\n".join([*lines, _end(record)] if record.is_ended else lines)


def _end(record: RunRecord) -> str:
    """How a run ended, with the traceback if there is one."""
    return "\n".join(filter(None, (end_text(record), record.traceback.rstrip())))


def _logs(options: argparse.Namespace) -> int:
    run = _run(options)
    is_one, is_empty = bool(options.step), True
    with _followed(run) if options.follow else nullcontext():
        for line in run.logs(options.step, follow=options.follow):
            is_empty = False
            print(line.text if is_one else f"{line.step} | {line.text}", flush=options.follow)
    if is_empty:
        say(_why_empty(run.record, options.step))
    return 0


def _why_empty(record: RunRecord, step: str) -> str:
    named = [each for each in record.steps.values() if step == each.name]
    if not any(each.pod == "the driver" for each in named):
        return "nothing was written"
    if record.has_driver_pod:
        return f"{step} runs within the driver: `sematic run logs {record.id[:8]} driver`"
    return f"{step} runs within the driver, {record.driver}: what it writes is seen there"


def _wait(options: argparse.Namespace) -> int:
    run = _run(options)
    with _followed(run):
        record = run.wait()
    print(end_text(record))
    return _CODES.get(record.state, 1)


def _cancel(options: argparse.Namespace) -> int:
    run = _run(options)
    if run.record.is_ended:
        say(f"run {run.id} has ended already")
        print(end_text(run.record))
        return 0 if run.record.state == "CANCELED" else 1
    print(end_text(run.cancel()))
    return 0


def _result(options: argparse.Namespace) -> int:
    run = _run(options)
    if options.pickle:
        with run.open_result() as source, open(options.pickle, "wb") as file:
            shutil.copyfileobj(source, file)
        return 0
    sys.path[:0] = map(str, _project(options).roots())
    try:
        value = run.result()
    except (ImportError, AttributeError) as error:
        raise SematicError(
            f"the result of run {run.id} cannot be loaded here: {error}.\n"
            "Run this where the run was launched, or keep it as it is: --pickle FILE."
        ) from error
    print(repr(value))
    return 0


# The cluster


def _check(options: argparse.Namespace) -> int:
    from sematic.container_image import container_image
    from sematic.oci.progress import shown
    from sematic.resolvers.pods.kubernetes.check import ClusterCheck, Finding, try_pod
    from sematic.resolvers.pods.kubernetes.client import HASTY, Api
    from sematic.resolvers.pods.kubernetes.login import find_login

    project = find_project(_folder(), {**_where(options), "pods": "kubernetes"})
    settings, image = project.whereabouts(), project.expected_image()
    api = Api(find_login(settings.context), settings.namespace, HASTY)
    check = ClusterCheck(api, settings, image)
    findings: list[Finding] = []

    def told(finding: Finding) -> None:
        findings.append(finding)
        if not options.json:
            text = finding.told.replace("\n", "\n" + " " * 25)
            out = sys.stderr if options.manifest else sys.stdout
            print(f"{finding.verdict:<8} {finding.what:<15} {text}", file=out, flush=True)

    for finding in check.findings():
        told(finding)
    if options.pod is not None and all(finding.verdict != "bad" for finding in findings):
        with shown(quiet=False) as show:
            image = options.pod or container_image(project, show)
        told(try_pod(open_place(settings), settings, image))
    manifest = check.manifest() if check.is_refused or options.manifest else ""
    if options.json:
        values = [asdict(finding) for finding in findings]
        print(json.dumps({"findings": values, "manifest": manifest}, indent=2))
    elif manifest:
        if not options.manifest:
            print("\nThis allows it (`kubectl apply -f -`, by somebody who may):\n")
        print(manifest, end="")
    return 1 if any(finding.verdict == "bad" for finding in findings) else 0


# What they share


def _run(options: argparse.Namespace) -> Run:
    return find_run(options.id, find_place(_folder(), **_where(options)))


def _project(options: argparse.Namespace) -> Project:
    return find_project(_folder(), _where(options))


def _folder() -> Path:
    return project_folder(Path.cwd())


def _where(options: argparse.Namespace) -> dict[str, str | None]:
    pods = getattr(options, "pods", None)
    return {"pods": pods, "namespace": options.namespace, "context": options.context}


@contextmanager
def _followed(run: Run) -> Iterator[None]:
    """Ctrl-C ends what we do, not what we look at."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"sematic: run {run.id} goes on; `sematic run cancel {run.id[:8]}` ends it")
        raise


# Arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sematic", description="Follow and steer runs.")
    parser.add_argument("--version", action="version", version=_version())
    nouns = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    noun = nouns.add_parser("run", help="runs of pipelines on pods")
    verbs = noun.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add = _verb(verbs, "list", _list, "all runs, newest first")
    _add_json(add)
    add = _verb(verbs, "show", _show, "the steps of a run")
    _add_id(add)
    _add_follow(add, "go on until it has ended")
    _add_json(add)
    add = _verb(verbs, "logs", _logs, "what its steps have written")
    _add_id(add)
    step = "its name, the beginning of its id, or `driver` (default: all of them)"
    add.add_argument("step", metavar="STEP", nargs="?", default="", help=step)
    _add_follow(add, "what they write from now on, too")
    add = _verb(
        verbs, "wait", _wait, "wait for the end; exit code 0 resolved, 1 failed, 3 canceled"
    )
    _add_id(add)
    add = _verb(verbs, "cancel", _cancel, "end all its pods")
    _add_id(add)
    add = _verb(verbs, "result", _result, "print its value")
    _add_id(add)
    add.add_argument("--pickle", metavar="FILE", help="write the value's pickle instead")

    noun = nouns.add_parser("cluster", help="the Kubernetes cluster that runs are in")
    verbs = noun.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add = _verb(verbs, "check", _check, "say whether pipelines can run there", places=False)
    words = "run a pod of this image, or of the project's, which is made now"
    add.add_argument("--pod", metavar="IMAGE", nargs="?", const="", help=words)
    words = "print what allows all that is needed, for `kubectl apply -f -`"
    add.add_argument("--manifest", action="store_true", help=words)
    _add_json(add)
    return parser


def _verb(
    verbs: Any,
    name: str,
    command: Callable[[argparse.Namespace], int],
    words: str,
    *,
    places: bool = True,
) -> argparse.ArgumentParser:
    add: argparse.ArgumentParser = verbs.add_parser(name, help=words, description=words)
    if places:
        add.add_argument("--pods", choices=PLACES, help="where they are (default: as configured)")
    add.add_argument("--namespace", metavar="NAME", help="of the cluster (default: the context's)")
    add.add_argument("--context", metavar="NAME", help="of the kubeconfig (default: its own)")
    add.add_argument("--debug", action="store_true", help="every request; tracebacks of errors")
    add.set_defaults(command=command)
    return add


def _add_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="of the run, or the beginning of it")


def _add_follow(parser: argparse.ArgumentParser, words: str) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help=words)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="JSON on stdout")


def _version() -> str:
    from sematic import __version__

    return f"sematic {__version__}"


def run() -> None:
    """Run the command and exit."""
    leave(main())


if __name__ == "__main__":
    run()
