from __future__ import annotations

import gzip
import io
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard

from sematic.oci.base import LAYERS_ANNOTATION
from sematic.oci.delivery import deliver
from sematic.oci.files import FileEntry
from sematic.oci.image import Image
from sematic.oci.layer import ExistingLayer, Layer
from sematic.oci.manifest import Platform, digest_of, layer_media_type
from sematic.oci.runtime import SOURCE, ImagePython, runtime_environment, runtime_group
from sematic.resolvers.pods import PodsError
from sematic.resolvers.pods.layers import unpack_layer
from sematic.resolvers.pods.unpacked import Unpacked, open_image
from tests.oci.images import layout, put

OWN = ImagePython(f"{sys.version_info[0]}.{sys.version_info[1]}", abiflags=sys.abiflags)
SITE = OWN.site_packages
WORKER = FileEntry.from_bytes(f"{SITE}/sematic/resolvers/worker.py", b"")
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


# Layers


def tar(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as made:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                made.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                made.addfile(info, io.BytesIO(member[1]))
    return file.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, 0o755
    return info


def link(name: str, target: str) -> tarfile.TarInfo:
    return special(name, tarfile.SYMTYPE, target)


def unpack(data: bytes, folder: Path, compression: str = "") -> Path:
    """The folder that a layer was unpacked into."""
    descriptor = put(folder / "images", layer_media_type(compression), COMPRESS[compression](data))
    out = folder / "out"
    out.mkdir()
    unpack_layer(ExistingLayer(descriptor, "", layout(folder / "images"), "the layer"), out)
    return out


@pytest.mark.parametrize("compression", COMPRESS)
def test_a_layer_becomes_a_folder(compression: str, tmp_path: Path) -> None:
    program = tarfile.TarInfo("sematic/bin/run")
    program.mode = 0o755
    odd = os.fsdecode(b"caf\xe9")
    members = (
        special("sematic", tarfile.DIRTYPE),
        ("sematic/a.txt", b"a" * 3_000_000),
        (f"sematic/{odd}/{'n' * 200}", b"odd"),
        special("./sematic/empty/", tarfile.DIRTYPE),
        link("sematic/deep/here", "../a.txt"),
        link("sematic/deep/there", "/sematic/a.txt"),
        program,
    )
    out = unpack(tar(*members), tmp_path, compression)
    assert (out / "sematic/a.txt").read_bytes() == b"a" * 3_000_000
    assert (out / "sematic" / odd / ("n" * 200)).read_bytes() == b"odd"
    assert (out / "sematic/empty").is_dir()
    assert os.readlink(out / "sematic/deep/here") == "../a.txt"
    assert (out / "sematic/deep/there").samefile(out / "sematic/a.txt")
    assert stat.S_IMODE((out / "sematic/a.txt").stat().st_mode) == 0o444
    assert stat.S_IMODE((out / "sematic/bin/run").stat().st_mode) == 0o555


@pytest.mark.parametrize(
    "members",
    [
        [("../out.txt", b"")],
        [("/out.txt", b"")],
        [("a/../../out.txt", b"")],
        [link("a", "../out.txt")],
        [link("a", "/etc/passwd")],
        [link("a", "/sematic/../etc/passwd")],
        [link("a", "b/../../out.txt")],
        [link("a", "."), ("a/b", b"")],
        [link("a", "b"), special("a", tarfile.DIRTYPE)],
        [("a", b""), ("a/b", b"")],
        [special("a", tarfile.LNKTYPE, "/etc/passwd")],
        [special("a", tarfile.CHRTYPE)],
        [special("a", tarfile.FIFOTYPE)],
        [("a", b"1"), ("a", b"2")],
    ],
    ids=lambda members: "-".join(getattr(m, "name", "") or m[0] for m in members),
)
def test_what_would_lead_out_of_a_layer_is_refused(
    members: list[tarfile.TarInfo | tuple[str, bytes]], tmp_path: Path
) -> None:
    with pytest.raises(PodsError, match="the layer"):
        unpack(tar(*members), tmp_path)
    assert not (tmp_path / "out.txt").exists()
    assert not [
        path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.stat().st_size > 1
    ]


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_layer_that_is_no_tar_is_one_error(compression: str, tmp_path: Path) -> None:
    descriptor = put(tmp_path / "images", layer_media_type(compression), b"nothing of the kind")
    layer = ExistingLayer(descriptor, "", layout(tmp_path / "images"), "the layer")
    with pytest.raises(PodsError, match="the layer cannot be unpacked"):
        unpack_layer(layer, tmp_path)


# Images


def image(folder: Path, *files: FileEntry, python: ImagePython = OWN, worker: bool = True) -> str:
    """An image with a layer of its own for each file; its reference."""
    runtime = runtime_group(python, [f"/{SOURCE}"])
    layers = [Layer("runtime", runtime.entries())]
    layers += [Layer(each.path, [each]) for each in (*([WORKER] if worker else []), *files)]
    env = {**runtime_environment({}), "WHERE": "/sematic/src/a:/sematically:x=/sematic"}
    made = Image(Platform.of_host()).append(*layers).configured(env=env)
    return deliver(made, layout(folder / "images")).reference


def source(name: str, text: str) -> FileEntry:
    return FileEntry.from_bytes(f"{SOURCE}/{name}", text.encode())


def opened(reference: str, folder: Path) -> Unpacked:
    return open_image(reference, folder / "unpacked")


def run(image: Unpacked, *arguments: str | Path) -> str:
    env = {**image.env, "HOME": "/"}
    done = subprocess.run(arguments, env=env, cwd=image.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_image_runs_where_it_lies(tmp_path: Path) -> None:
    script = FileEntry.from_bytes(
        "sematic/venv/bin/greet", b"#!/sematic/venv/bin/python3\nprint('hello')\n", 0o755
    )
    reference = image(tmp_path, source("app.py", "NAME = 'app'"), script)
    found = opened(reference, tmp_path)
    root = found.root
    assert found.env["WHERE"] == f"{root}/sematic/src/a:/sematically:x={root}/sematic"
    code = "import app, sys; print(app.__file__, sys.prefix, sys.executable)"
    said = run(found, found.python, "-P" if sys.version_info >= (3, 11) else "-s", "-c", code)
    assert said == f"{root}/sematic/src/app.py {root}/sematic/venv {found.python}"
    assert run(found, "greet") == "hello"
    assert run(found, root / "sematic/bin/worker", "-c", "print(1)") == "1"


def test_what_the_image_lacks_is_lacking(tmp_path: Path) -> None:
    found = opened(image(tmp_path), tmp_path)
    run(found, found.python, "-c", "import importlib.util as u; assert not u.find_spec('pytest')")
    paths = run(found, found.python, "-c", "import sys; print(sys.path)")
    assert not [
        path for path in eval(paths) if "site-packages" in path and str(tmp_path) not in path
    ]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda f: image(f, python=ImagePython("3.99")), "for python3.99, which this machine does"),
        (lambda f: image(f, worker=False), "its environment has no sematic"),
        (lambda f: str(foreign(f, Platform.of_host())), "no layer of it was made by sematic-oci"),
        (lambda f: str(foreign(f, Platform("linux", "riscv64"))), "it is for linux/riscv64"),
        (lambda f: f"oci-layout:{f}/images@{digest_of(b'')}", "cannot run as processes"),
    ],
)
def test_an_image_that_cannot_run_here_is_refused(
    make: Callable[[Path], str], why: str, tmp_path: Path
) -> None:
    with pytest.raises(PodsError, match=why):
        opened(make(tmp_path), tmp_path)
    assert not [*tmp_path.glob("unpacked/images/*"), *tmp_path.glob("unpacked/*/.incoming*")]


def foreign(folder: Path, platform: Platform) -> str:
    """An image that others made."""
    made = Image(platform).append(Layer("x", [source("a", "a")]))
    reference = deliver(made, layout(folder / "images")).reference
    for path in (folder / "images" / "blobs" / "sha256").iterdir():
        data = path.read_bytes()
        if LAYERS_ANNOTATION.encode() in data:
            changed = data.replace(LAYERS_ANNOTATION.encode(), b"somebody.else")
            other = put(folder / "images", "", changed)
            return reference.rpartition("@")[0] + "@" + other.digest
    raise LookupError(reference)


def test_a_layer_is_unpacked_once_and_stays_as_it_is(tmp_path: Path) -> None:
    module = source("same.py", "")
    first = opened(image(tmp_path, module, source("edited.py", "1")), tmp_path)
    second = opened(image(tmp_path, module, source("edited.py", "2")), tmp_path)
    assert first.root != second.root
    assert (first.folder / "same.py").samefile(second.folder / "same.py")
    assert (first.folder / "edited.py").read_text() == "1"
    assert (second.folder / "edited.py").read_text() == "2"
    texts = [path.read_text() for path in tmp_path.glob(f"unpacked/layers/*/{SITE}/*.pth")]
    assert texts == ["/sematic/src\n"]


def test_what_lies_higher_wins(tmp_path: Path) -> None:
    found = opened(image(tmp_path, source("a", "lower"), source("a", "higher")), tmp_path)
    assert (found.folder / "a").read_text() == "higher"


def test_bytecode_of_what_has_not_changed_is_taken_along(tmp_path: Path) -> None:
    module = source("same.py", "")
    first = opened(image(tmp_path, module, source("edited.py", "x = 1")), tmp_path)
    run(first, first.python, "-c", "import same, edited")
    second = opened(image(tmp_path, module, source("edited.py", "x = 2")), tmp_path)
    (cached,) = (second.folder / "__pycache__").iterdir()
    assert cached.name.startswith("same.") and cached.stat().st_nlink == 2
    assert run(second, second.python, "-c", "import edited; print(edited.x)") == "2"


def test_many_may_open_an_image_at_once(tmp_path: Path) -> None:
    reference = image(tmp_path, *(source(f"{number}.py", "") for number in range(20)))
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: opened(reference, tmp_path), range(8)))
    assert len({each.root for each in found}) == 1
    assert len(list(found[0].folder.iterdir())) == 20
    assert not list(tmp_path.glob("unpacked/*/.incoming*"))


def test_a_damaged_layer_leaves_nothing(tmp_path: Path) -> None:
    reference = image(tmp_path, source("a.py", "a" * 100))
    blobs = sorted((tmp_path / "images/blobs/sha256").iterdir(), key=lambda p: p.stat().st_size)
    for path in blobs:
        if path.read_bytes()[:4] == b"\x28\xb5\x2f\xfd":  # zstd
            path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(PodsError, match=r"damaged|cannot be unpacked"):
        opened(reference, tmp_path)
    assert not list(tmp_path.glob("unpacked/*/*"))


def test_old_images_go_unless_they_are_used(tmp_path: Path) -> None:
    used, *others = [opened(image(tmp_path, source("a", str(n))), tmp_path) for n in range(2)]
    for other in others:
        other.close()
    roots = [used.root, *(other.root for other in others)]
    for number in range(2, 9):
        found = opened(image(tmp_path, source("a", str(number))), tmp_path)
        found.close()
        roots.append(found.root)
    there = [root for root in roots if root.exists()]
    assert there[0] == used.root and there[1:] == roots[-5 - 1 :]
    assert (used.folder / "a").read_text() == "0"
