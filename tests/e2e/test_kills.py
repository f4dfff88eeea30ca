"""Pushes that are killed: two hundred times, at every moment of their lives."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tests.e2e.caches import assert_sound
from tests.e2e.command import end, start
from tests.e2e.places import LayoutPlace, Place, RegistryPlace
from tests.peers.registry import Registry

# Every run has moments of its own; with this variable, those of another run.
SEED = os.environ.get("SEMATIC_TEST_SEED") or str(time.time_ns())
FOLDERS = 8
SIZE = 512 << 10
SECONDS = 300
AT_ONCE = 3
"""Sites: a push waits for its registry part of the time."""

# What a push says with --debug (or without, the layers) tells how far it has come.
STEPS = {
    "asked": re.compile("(GET|HEAD) "),
    "mounted": re.compile(r"POST .*[?&]mount="),
    "opened": re.compile("POST .*/blobs/uploads/: "),
    "sent": re.compile(r"PUT .*[?&]digest=|new "),
    "tagged": re.compile("PUT .*/manifests/[^:]*: "),
}


class Site:
    """Projects that are pushed from one machine, and killed there.

    :param tags: of the projects, one each.
    :param place: where they go in each round. Another place means another machine too, which
        remembers nothing.
    :param steps: those that a push may be killed after.
    """

    def __init__(
        self,
        folder: Path,
        tags: Sequence[str],
        place: Callable[[int], Place],
        *,
        base: str = "none",
        steps: Sequence[str],
    ) -> None:
        self._folder = folder
        self._tags = tags
        self._place_of = place
        self._place = place(0)
        self._base = base
        self._steps = steps
        self._chance = random.Random(f"{SEED} {folder.name}")
        self._seconds: list[float] = []
        self.hits: list[str] = []
        """The last step of each push that was running when it was killed."""

    def strike(self, kills: int) -> None:
        """Edit, push, kill, and push again, until so many pushes have been hit."""
        self._edit()
        self._push()
        for number in range(2 * kills):
            if len(self.hits) >= kills:
                break
            self._move(number)
            self._edit()
            self._round(number)
        assert len(self.hits) >= kills, f"{self._place.name}: {len(self.hits)} of {kills}"
        self._place_of(number).check()

    def _move(self, number: int) -> None:
        place = self._place_of(number)
        if place.name != self._place.name:
            self._place = place
            shutil.rmtree(self._folder / "cache")

    def _edit(self) -> None:
        """Other bytes everywhere, half of them the same in all projects."""
        for number in range(FOLDERS):
            data = self._chance.randbytes(SIZE)
            for tag in self._tags:
                path = self._folder / tag / f"part{number}" / "data.bin"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                data = self._chance.randbytes(SIZE) if number % 2 else data

    def _round(self, number: int) -> None:
        old = self._digests()
        running = self._start()
        # Of two pushes, the second is killed as well in every other round, and else undisturbed.
        for tag in self._tags[: 1 + number % 2]:
            step = self._kill(running.pop(tag))
            self.hits += [step] if step else []
        for process in running.values():
            ended = end(process, SECONDS)
            assert ended.code == 0, ended.err
        left = self._digests()
        self._check()
        self._place.age()
        new = self._push()
        for tag in self._tags:
            assert left[tag] in (old[tag], new[tag])
            assert old[tag] != new[tag]

    def _kill(self, process: subprocess.Popen[str]) -> str:
        """Kill a push at a moment of its life; its last step, "" if it had ended before.

        Half of the moments are uniform over a push; the others follow a step, so that there are
        some in what takes no time as well.
        """
        assert process.stderr is not None
        said: list[str] = []
        delay = self._chance.uniform(0, statistics.median(self._seconds[-9:]))
        if self._chance.random() < 0.5:
            delay = self._chance.uniform(0, 0.01)
            step = self._chance.choice(self._steps)
            for line in process.stderr:
                said.append(line)
                if STEPS[step].match(line):
                    break
        with suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        process.kill()
        said += process.stderr
        with process:
            if process.wait(SECONDS) != -signal.SIGKILL:
                assert process.returncode == 0, "".join(said)
                return ""
        done = [step for step in STEPS if any(map(STEPS[step].match, said))]
        return done[-1] if done else "began"

    def _push(self) -> dict[str, str]:
        """Push to the end: all is there and right, nothing is left over; what the tags are now."""
        began = time.monotonic()
        ended = {tag: end(process, SECONDS) for tag, process in self._start().items()}
        self._seconds.append(time.monotonic() - began)
        pushed = {tag: run.reference.rpartition("@")[2] for tag, run in ended.items()}
        self._check()
        assert not self._place.leftovers()
        assert pushed == self._digests()
        for tag, digest in pushed.items():
            assert self._place.files(digest, "sematic/src") == _files(self._folder / tag)
        return pushed

    def _start(self) -> dict[str, subprocess.Popen[str]]:
        (self._folder / "tmp").mkdir(exist_ok=True)
        variables = {
            "SEMATIC_CACHE_DIR": str(self._folder / "cache"),
            "SEMATIC_DATA_DIR": str(self._folder / "data"),
            "TMPDIR": str(self._folder / "tmp"),
        }
        options = ("--no-environment", "--debug", "--base", self._base)
        return {
            tag: start(
                *("push", self._folder / tag, *options, "--to", f"{self._place.name}:{tag}"),
                **variables,
            )
            for tag in self._tags
        }

    def _digests(self) -> dict[str, str]:
        return {tag: self._place.digest(tag) for tag in self._tags}

    def _check(self) -> None:
        self._place.check()
        assert_sound(self._folder / "cache")
        assert not list((self._folder / "tmp").iterdir())
        assert not (self._folder / "data").exists()


def _files(project: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(project)): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file()
    }


def test_two_hundred_kills_do_no_harm(
    docker_registry: Registry, base_in_registry: str, tmp_path: Path
) -> None:
    """Of docker-registry: crane's takes a manifest that breaks off for a whole one."""
    print(f"SEMATIC_TEST_SEED={SEED}")
    sent = ("opened", "sent", "tagged")
    one = RegistryPlace(docker_registry, "kills/one")
    shared = RegistryPlace(docker_registry, "kills/shared")
    layout = LayoutPlace(tmp_path / "images")

    def fresh(number: int) -> Place:
        return RegistryPlace(docker_registry, f"kills/fresh/{number}")

    def site(name: str, place: Callable[[int], Place], steps: Sequence[str], base: str) -> Site:
        tags = ["a", "b"] if name == "shared" else ["a"]
        return Site(tmp_path / name, tags, place, base=base, steps=steps)

    sites = {
        site("fresh", fresh, ("asked", "mounted", *sent), base_in_registry): 50,
        site("one", lambda _: one, sent, base_in_registry): 80,
        site("shared", lambda _: shared, sent, "none"): 40,
        site("layout", lambda _: layout, ("sent",), "none"): 30,
    }
    with ThreadPoolExecutor(AT_ONCE) as executor:
        list(executor.map(Site.strike, sites, sites.values()))
    hits = Counter(step for site in sites for step in site.hits)
    print(f"{sum(hits.values())} pushes were hit: {dict(hits)}")
    assert sum(hits.values()) >= 200
    assert set(hits) == {"began", *STEPS}
