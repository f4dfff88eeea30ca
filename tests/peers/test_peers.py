"""Each real registry and tool works here, shown with the base image."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote, unquote
from urllib.request import Request, urlopen

import pytest

from tests.peers.certificates import Tls, privately_signed, self_signed
from tests.peers.install import digest_of
from tests.peers.podman import Podman
from tests.peers.registry import Registry
from tests.peers.registry import registry as start_registry
from tests.peers.tokens import TokenServer
from tests.peers.tools import Crane, Skopeo, Tool, ToolError, Umoci

EMPTY_TAR = b"\0" * 10240
EMPTY_LAYER = gzip.compress(EMPTY_TAR, mtime=0)


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A tmp_path for what is too large to be kept after the test."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def push_small(skopeo: Skopeo, registry: Registry, folder: Path, *options: str) -> str:
    """Push an image with an empty layer and return its reference."""
    source = folder / "small"
    source.mkdir()
    (source / "version").write_text("Directory Transport Version: 1.1\n")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [_sha256(EMPTY_TAR)]},
        "history": [{"created_by": "hand"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _add(source, "config.v1+json", json.dumps(config).encode()),
        "layers": [_add(source, "layer.v1.tar+gzip", EMPTY_LAYER)],
    }
    (source / "manifest.json").write_text(json.dumps(manifest))
    ref = f"{registry.host}/small:latest"
    skopeo.copy(f"dir:{source}", f"docker://{ref}", *options)
    return ref


def _add(folder: Path, kind: str, data: bytes) -> dict[str, object]:
    digest = _sha256(data)
    (folder / digest.removeprefix("sha256:")).write_bytes(data)
    media_type = f"application/vnd.oci.image.{kind}"
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_the_base_has_a_tag_with_the_label_and_one_without(
    skopeo: Skopeo, base_layout: Path
) -> None:
    worker = skopeo.config(f"oci:{base_layout}:worker")
    plain = skopeo.config(f"oci:{base_layout}:plain")
    assert worker["config"]["Labels"] == {
        "dev.sematic.python": "3.11",
        "dev.sematic.libc": "glibc 2.36",
    }
    assert "Labels" not in plain["config"]
    assert worker["rootfs"] == plain["rootfs"]


def test_a_pushed_image_is_valid_and_has_its_digest(
    crane: Crane, base_in_registry: str, base_layout: Path
) -> None:
    crane.validate(base_in_registry)
    assert crane.digest(base_in_registry) == digest_of(base_layout, "worker")
    assert len(crane.manifest(base_in_registry)["layers"]) == 3


def test_the_second_registry_takes_the_same_image(
    skopeo: Skopeo, crane: Crane, crane_registry: Registry, base_layout: Path
) -> None:
    ref = f"{crane_registry.host}/base/worker:latest"
    skopeo.copy(f"oci:{base_layout}:worker", f"docker://{ref}")
    crane.validate(ref)
    assert crane.digest(ref) == digest_of(base_layout, "worker")


def test_umoci_unpacks_a_layout(umoci: Umoci, base_layout: Path, scratch: Path) -> None:
    root = umoci.unpack(base_layout, "plain", scratch / "bundle")
    assert (root / "usr/bin/python3.11").is_file()


def test_umoci_unpacks_zstd(umoci: Umoci, skopeo: Skopeo, base_layout: Path, scratch: Path) -> None:
    target = f"oci:{scratch / 'zstd'}:plain"
    skopeo.copy(f"oci:{base_layout}:plain", target, "--dest-compress-format=zstd")
    root = umoci.unpack(scratch / "zstd", "plain", scratch / "bundle")
    assert (root / "usr/bin/python3.11").is_file()


def test_podman_runs_an_image_from_a_registry(podman: Podman, base_in_registry: str) -> None:
    image = podman.pull(base_in_registry)
    assert podman.run(image, "/usr/bin/python3", "-c", "print(1)") == "1\n"


def test_podman_runs_as_any_user_with_entrypoint_and_environment(
    podman: Podman, base_in_registry: str
) -> None:
    image = podman.pull(base_in_registry)
    code = "import os; print(os.getuid(), os.environ['COLOUR'])"
    ran = podman.run(
        image, "-c", code, user="4321", entrypoint="/usr/bin/python3", env={"COLOUR": "red"}
    )
    assert ran == "4321 red\n"


def test_podman_tells_exit_code_and_output(podman: Podman, base_in_registry: str) -> None:
    image = podman.pull(base_in_registry)
    with pytest.raises(ToolError, match="no such thing") as caught:
        podman.run(image, "/bin/sh", "-c", "echo no such thing >&2; exit 7")
    assert caught.value.returncode == 7


def test_podman_loads_an_archive(
    podman: Podman, skopeo: Skopeo, base_layout: Path, scratch: Path
) -> None:
    archive = scratch / "plain.tar"
    skopeo.copy(f"oci:{base_layout}:plain", f"docker-archive:{archive}:example.com/plain:1")
    image = podman.load(archive)
    assert image == "example.com/plain:1"
    assert podman.run(image, "/bin/echo", "here") == "here\n"


def test_a_push_is_counted(
    docker_registry: Registry, skopeo: Skopeo, base_in_registry: str, base_layout: Path
) -> None:
    before = len(docker_registry.requests())
    skopeo.copy(f"oci:{base_layout}:worker", f"docker://{base_in_registry}")
    asked = docker_registry.requests()[before:]
    assert ("PUT", "/v2/base/worker/manifests/latest", 201) in asked
    assert not [request for request in asked if request[0] in ("POST", "PATCH")]


def test_an_upload_is_counted(
    docker_registry: Registry,
    crane_registry: Registry,
    zuul_registry: Registry,
    skopeo: Skopeo,
    tmp_path: Path,
) -> None:
    for number, registry in enumerate((docker_registry, crane_registry, zuul_registry)):
        (folder := tmp_path / str(number)).mkdir()
        push_small(skopeo, registry, folder, "--dest-creds=me:secret")
        uploads = [path for method, path, _ in registry.requests() if method == "PUT"]
        assert any(unquote(path).endswith(_sha256(EMPTY_LAYER)) for path in uploads)


def test_a_registry_with_passwords(skopeo: Skopeo, tmp_path: Path) -> None:
    with start_registry(tmp_path / "registry", htpasswd={"me": "secret"}) as registry:
        ref = push_small(skopeo, registry, tmp_path, "--dest-creds=me:secret")
        assert skopeo.inspect(f"docker://{ref}", "--creds=me:secret")["Layers"]
        with pytest.raises(ToolError, match=r"(?i)unauthorized|authentication required"):
            skopeo.inspect(f"docker://{ref}", "--creds=me:wrong")


def test_a_registry_with_tokens(
    token_registry: Registry, tokens: TokenServer, skopeo: Skopeo, tmp_path: Path
) -> None:
    tokens.anonymous = {"*": "pull"}
    ref = push_small(skopeo, token_registry, tmp_path, "--dest-creds=me:secret")
    assert skopeo.inspect(f"docker://{ref}")["Layers"]
    assert ("PUT", "/v2/small/manifests/latest", 201) in token_registry.requests()
    with pytest.raises(ToolError, match="incorrect username or password"):
        skopeo.inspect(f"docker://{ref}", "--creds=me:wrong")
    with pytest.raises(ToolError, match=r"requested access to the resource is denied"):
        skopeo.copy(f"docker://{ref}", f"docker://{ref}-2")
    assert tokens.requests[-1].scopes == ["repository:small:pull,push"]
    assert "Authorization" not in tokens.requests[-1].headers


def test_a_token_comes_by_post_for_a_refresh_token(
    token_registry: Registry, tokens: TokenServer, skopeo: Skopeo, tmp_path: Path
) -> None:
    entry = {"auth": "bWU6", "identitytoken": tokens.refresh_token("me")}
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {token_registry.host: entry}}))
    push_small(skopeo, token_registry, tmp_path, f"--authfile={file}")
    assert {request.method for request in tokens.requests} == {"POST"}


def test_a_token_runs_out(token_registry: Registry, tokens: TokenServer) -> None:
    tokens.anonymous = {"*": "pull"}
    scope = f"service={quote(tokens.service)}&scope=repository:small:pull"

    def status(seconds: int) -> int:
        tokens.seconds = seconds
        with urlopen(f"{tokens.realm}?{scope}") as answer:
            token = json.load(answer)["token"]
        header = {"Authorization": f"Bearer {token}"}
        try:
            urlopen(
                Request(f"{token_registry.url}/v2/small/manifests/none", headers=header)
            ).close()
        except HTTPError as error:
            with error:
                return error.code
        return 200

    assert status(5) == 404
    assert status(-2) == 401


@pytest.mark.parametrize("make", [self_signed, privately_signed])
def test_a_registry_with_tls(make: Callable[[Path], Tls], skopeo: Skopeo, tmp_path: Path) -> None:
    with start_registry(tmp_path / "registry", tls=make(tmp_path)) as registry:
        push_small(skopeo, registry, tmp_path)
        assert ("PUT", "/v2/small/manifests/latest", 201) in registry.requests()


def test_a_read_only_registry_serves_what_another_stored(skopeo: Skopeo, tmp_path: Path) -> None:
    with start_registry(tmp_path / "registry") as writable:
        push_small(skopeo, writable, tmp_path)
    with start_registry(tmp_path / "registry", readonly=True) as registry:
        assert skopeo.inspect(f"docker://{registry.host}/small:latest")["Layers"]
        with pytest.raises(ToolError, match="405"):
            skopeo.copy(f"dir:{tmp_path / 'small'}", f"docker://{registry.host}/other:latest")


def test_oras_attaches_a_referrer(
    oras: Tool, skopeo: Skopeo, docker_registry: Registry, tmp_path: Path
) -> None:
    ref = push_small(skopeo, docker_registry, tmp_path)
    kind = "application/vnd.example+json"
    oras.run("attach", "--plain-http", "--artifact-type", kind, "--annotation", "a=b", ref)
    found = json.loads(oras.run("discover", "--plain-http", "--format", "json", ref))
    assert [referrer["artifactType"] for referrer in found["referrers"]] == [kind]


def test_cosign_signs_and_verifies(
    cosign: Tool,
    skopeo: Skopeo,
    docker_registry: Registry,
    base_in_registry: str,
    tmp_path: Path,
) -> None:
    ref = push_small(skopeo, docker_registry, tmp_path)
    digest = skopeo.inspect(f"docker://{ref}")["Digest"]
    ref = f"{ref.rpartition(':')[0]}@{digest}"
    env = {"COSIGN_PASSWORD": ""}
    key = tmp_path / "key"
    cosign.run("generate-key-pair", "--output-key-prefix", key, env=env)
    sign = ("--tlog-upload=false", "--use-signing-config=false", "--allow-http-registry", "--yes")
    cosign.run("sign", "--key", f"{key}.key", *sign, ref, env=env)
    verify = ("verify", "--key", f"{key}.pub", "--insecure-ignore-tlog", "--allow-http-registry")
    assert digest in cosign.run(*verify, ref)
    with pytest.raises(ToolError, match="no signatures"):
        cosign.run(*verify, base_in_registry)
