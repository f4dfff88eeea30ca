"""From what the user names to the distributions of an image."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from sematic.oci.errors import RequirementsError, SettingsError
from sematic.oci.project_image import Build
from sematic.oci.requirements import resolution
from tests.oci.requirements.conftest import Make
from tests.oci.wheels.made import NATIVE, make_wheel, sha256
from tests.peers.index import Index
from tests.projects import write_tree


def distributions(built: Build) -> list[str]:
    groups = [group for plan in built.plans for group in plan.groups]
    return sorted(group.name for group in groups if group.kind == "distribution")


def test_requirements_and_what_they_require_are_in_the_image(
    packages: Index, project: Path, make: Make
) -> None:
    make_wheel(packages.folder, "one", requires=["two>=1"])
    make_wheel(packages.folder, "two", "1.5")
    (project / "requirements.txt").write_text("one\n")
    built = make("requirements.txt")
    assert distributions(built) == ["one 1.0", "two 1.5"]
    assert built.environment == "requirements.txt"


def test_the_wheel_is_that_of_the_target(packages: Index, project: Path, make: Make) -> None:
    for machine in ("x86_64", "aarch64"):
        tag = f"cp311-cp311-manylinux_2_17_{machine}"
        make_wheel(packages.folder, "native", files={f"native/{machine}": ""}, tag=tag)
    make_wheel(packages.folder, "native", "0.9")
    (project / "requirements.txt").write_text(
        "native\nonly-arm; platform_machine == 'aarch64'\nonly-mac; sys_platform == 'darwin'\n"
    )
    make_wheel(packages.folder, "only-arm")
    amd64 = make("requirements.txt", platform="linux/amd64")
    assert distributions(amd64) == ["native 1.0"]
    arm64 = make("requirements.txt", platform="linux/arm64")
    assert distributions(arm64) == ["native 1.0", "only-arm 1.0"]
    paths = {entry.path for _, layer in arm64.layers() for entry in layer.entries}
    assert "sematic/venv/lib/python3.11/site-packages/native/aarch64" in paths


def test_files_that_requirements_refer_to_count(packages: Index, project: Path, make: Make) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(packages.folder, "one", version)
        make_wheel(packages.folder, "two", version)
    write_tree(
        project,
        {
            "requirements.txt": "-r more/base.txt\n-c limits.txt\none[extra]  # a comment\n",
            "more/base.txt": "two\n",
            "limits.txt": "one<2\ntwo<2\n",
        },
    )
    assert distributions(make("requirements.txt")) == ["one 1.0", "two 1.0"]
    (project / "limits.txt").write_text("one<2\n")
    assert distributions(make("requirements.txt")) == ["one 1.0", "two 2.0"]


def test_a_pyproject_gives_dependencies_extras_and_groups(
    packages: Index, project: Path, make: Make
) -> None:
    for name in ("one", "two", "three"):
        make_wheel(packages.folder, name)
    (project / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\ndependencies = ["one"]\n'
        '[project.optional-dependencies]\nfast = ["two"]\n'
        '[dependency-groups]\njobs = ["three"]\n'
    )
    assert distributions(make("pyproject.toml")) == ["one 1.0"]
    built = make("pyproject.toml", extras=("fast",), groups=("jobs",))
    assert distributions(built) == ["one 1.0", "three 1.0", "two 1.0"]


def test_the_project_itself_is_in_the_image_as_its_sources(
    packages: Index, project: Path, make: Make
) -> None:
    make_wheel(packages.folder, "one")
    write_tree(
        project,
        {
            "requirements.txt": "-e .\n",
            "pyproject.toml": '[project]\nname = "app"\nversion = "1"\ndependencies = ["one"]\n',
        },
    )
    assert distributions(make("requirements.txt")) == ["one 1.0"]


def test_a_resolution_is_remembered_for_a_day(
    packages: Index, project: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(packages.folder, "one")
    (project / "requirements.txt").write_text("one\n")
    make("requirements.txt")
    make_wheel(packages.folder, "one", "2.0")
    asked = len(packages.asked)
    assert distributions(make("requirements.txt")) == ["one 1.0"]
    assert len(packages.asked) == asked
    assert distributions(make("requirements.txt", upgrade=True)) == ["one 2.0"]
    make_wheel(packages.folder, "one", "3.0")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + resolution.REMEMBERED + 1)
    assert distributions(make("requirements.txt")) == ["one 3.0"]


def test_an_unresolvable_requirement_gives_the_resolvers_explanation(
    packages: Index, project: Path, make: Make
) -> None:
    make_wheel(packages.folder, "one", requires=["two<1"])
    make_wheel(packages.folder, "two", "1.5")
    (project / "requirements.txt").write_text("one\ntwo>=1\n")
    with pytest.raises(RequirementsError) as caught:
        make("requirements.txt")
    text = str(caught.value)
    assert text.startswith(
        "cannot resolve requirements.txt for Python 3.11 on linux/amd64 (glibc 2.28)"
    )
    assert re.search(r"one.* depends? on two<1", text)
    assert "your requirements are unsatisfiable" in text


def test_wheels_for_other_platforms_are_named(packages: Index, project: Path, make: Make) -> None:
    make_wheel(packages.folder, "native", tag="cp311-cp311-win_amd64")
    make_wheel(packages.folder, "native", tag="cp311-cp311-macosx_11_0_arm64")
    (project / "requirements.txt").write_text("native\n")
    with pytest.raises(RequirementsError) as caught:
        make("requirements.txt")
    assert "manylinux_2_28_x86_64" in str(caught.value)
    assert "`macosx_11_0_arm64`, `win_amd64`" in str(caught.value)


def test_a_file_without_the_given_hash_is_refused(
    packages: Index, project: Path, make: Make
) -> None:
    wheel = make_wheel(packages.folder, "one")
    (project / "requirements.txt").write_text(f"one==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    with pytest.raises(
        RequirementsError, match=f"no file of one 1.0 has a hash.*\n.*{sha256(wheel)}"
    ):
        make("requirements.txt")
    (project / "requirements.txt").write_text(f"one==1.0 \\\n    --hash=sha256:{sha256(wheel)}\n")
    assert distributions(make("requirements.txt")) == ["one 1.0"]


def test_hashes_are_given_for_all_or_for_none(packages: Index, project: Path, make: Make) -> None:
    wheel = make_wheel(packages.folder, "one", requires=["two"])
    make_wheel(packages.folder, "two")
    (project / "requirements.txt").write_text(f"one==1.0 --hash=sha256:{sha256(wheel)}\n")
    with pytest.raises(RequirementsError, match=r"two 1\.0 is required without a hash"):
        make("requirements.txt")


def test_a_yanked_version_is_taken_only_if_pinned_and_that_is_said(
    packages: Index, project: Path, make: Make
) -> None:
    make_wheel(packages.folder, "one")
    newest = make_wheel(packages.folder, "one", "2.0")
    packages.yanked[newest.name] = "it is broken"
    (project / "requirements.txt").write_text("one\n")
    assert distributions(make("requirements.txt")) == ["one 1.0"]
    (project / "requirements.txt").write_text("one==2.0\n")
    built = make("requirements.txt")
    assert distributions(built) == ["one 2.0"]
    assert any("one==2.0` is yanked" in note and "it is broken" in note for note in built.notes)


def test_a_lock_file_is_not_named_together_with_other_files(project: Path, make: Make) -> None:
    write_tree(project, {"pylock.toml": "", "requirements.txt": ""})
    with pytest.raises(SettingsError, match=r"pylock\.toml says all that is required"):
        make("pylock.toml", "requirements.txt")


def test_a_file_that_is_not_there_is_named(project: Path, make: Make) -> None:
    with pytest.raises(RequirementsError, match=r"requirements file .*nothing\.txt does not exist"):
        make("nothing.txt")


def test_native_code_for_another_machine_is_found_whatever_its_tag_says(
    packages: Index, project: Path, make: Make
) -> None:
    make_wheel(
        packages.folder,
        "wrong",
        files={"wrong/x.so": NATIVE},
        tag="cp311-abi3-manylinux_2_17_aarch64",
    )
    (project / "requirements.txt").write_text("wrong\n")
    with pytest.raises(
        Exception, match=r"wrong 1\.0 cannot run on linux/arm64.*x\.so.* is for amd64"
    ):
        make("requirements.txt", platform="linux/arm64")
