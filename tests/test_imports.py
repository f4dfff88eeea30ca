"""``import sematic``: what it offers, and what it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sematic
import sematic.oci

ROOT = Path(__file__).parents[1]
HEAVY = ("dataclasses", "inspect", "urllib3", "requests", "kubernetes", "fsspec", "rich", "numpy")


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after some code, more than it has anyway."""
    program = f"import sys; before = set(sys.modules); {code}; print(*(set(sys.modules) - before))"
    run = subprocess.run(
        [sys.executable, "-S", "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return set(run.stdout.split())


def test_importing_sematic_loads_nothing_but_itself() -> None:
    loaded = loaded_by("import sematic")
    assert {name for name in loaded if name.startswith("sematic")} == {"sematic"}
    assert loaded.isdisjoint(HEAVY)


def test_defining_and_running_a_pipeline_loads_nothing_heavy() -> None:
    code = "import sematic; sematic.func(eval('lambda: None'))().resolve(sematic.SilentResolver())"
    loaded = loaded_by(code)
    assert "sematic.resolvers.loop" in loaded
    assert loaded.isdisjoint(set(HEAVY) - {"dataclasses", "inspect"})
    assert not any(name.startswith("sematic.oci") for name in loaded)


@pytest.mark.parametrize(
    "name",
    [
        "Future",
        "KubernetesResourceRequirements",
        "KubernetesSecretMount",
        "KubernetesToleration",
        "LocalResolver",
        "PipelineError",
        "Resolver",
        "ResourceRequirements",
        "RetrySettings",
        "SilentResolver",
        "func",
        "__version__",
    ],
)
def test_users_find_the_names_they_know(name: str) -> None:
    assert name in dir(sematic)
    assert getattr(sematic, name) is getattr(sematic, name)


def test_every_name_that_is_offered_is_there() -> None:
    for name in dir(sematic):
        assert getattr(sematic, name) is not None


def test_other_names_are_told_not_to_be_there() -> None:
    with pytest.raises(AttributeError, match="module 'sematic' has no attribute 'Flow'"):
        _ = sematic.Flow


def test_no_module_has_the_name_of_what_is_offered_beside_it() -> None:
    """Once it were imported, it would be found in the other's place."""
    for package in (sematic, sematic.oci):
        modules = {path.stem for path in Path(str(package.__file__)).parent.iterdir()}
        assert modules.isdisjoint(dir(package)), package.__name__
