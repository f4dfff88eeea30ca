"""Whether pipelines can run in a cluster: what is asked there, and what the answers mean."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

from sematic.config import RunSettings
from sematic.oci.errors import OCIError
from sematic.oci.reference import DOCKER_HUB, RegistryReference, parse_reference
from sematic.resolvers.documents import CHECK_NAME
from sematic.resolvers.pods import PodsError, PodSpec, worker_name
from sematic.resolvers.pods.kubernetes.client import Api, Object
from sematic.resolvers.pods.kubernetes.errors import ApiError
from sematic.resolvers.pods.kubernetes.permissions import DRIVER, LAUNCHER, LOGIN, Rule, manifest
from sematic.resolvers.pods.place import Place
from sematic.resolvers.records import RunRecord, Steered
from sematic.resolvers.stores import StoreError, open_store

Verdict = Literal["ok", "bad", "unknown"]

_USER = re.compile(r'User "([^"]+)"')
_POD_SECONDS = 300.0
_HUB_KEYS = ("https://index.docker.io/v1/", "docker.io", "index.docker.io")
_LAST_LINES = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question.

    :param what: was asked for, as ``service account``.
    :param told: for people, in a line or three.
    """

    verdict: Verdict
    what: str
    told: str


@dataclass(slots=True)
class ClusterCheck:
    """Asks what can be asked without running a pod.

    :param settings: of runs of the project.
    :param image: where its images go, or the image that is given.
    """

    api: Api
    settings: RunSettings
    image: str
    is_refused: bool = field(default=False, init=False)
    """Whether the manifest would help."""
    _lacks: bool = field(default=False, init=False)
    _refused_as: str = field(default="", init=False)

    @property
    def account(self) -> str:
        return self.settings.service_account or "default"

    def findings(self) -> Iterator[Finding]:
        """One after another; the first bad one may be the last, as nothing works without it."""
        try:
            version = self.api.request("get", "version").get("gitVersion", "unknown")
        except PodsError as error:
            yield Finding("bad", "API server", str(error))
            return
        yield Finding("ok", "API server", f"{self.api.server}, Kubernetes {version}")
        namespace = self._namespace()
        yield namespace
        if namespace.verdict == "bad":
            return
        yield self._launcher()
        yield from self._service_account()
        yield self._registry()
        yield self._store()

    def manifest(self) -> str:
        """What allows everything that is needed; the launcher's part where that is lacking."""
        launcher = self._user() if self._lacks else ""
        return manifest(self.api.namespace, self.account, launcher, self._launcher_rules())

    # Namespace and permissions

    def _namespace(self) -> Finding:
        name = self.api.namespace
        found = self._get("namespaces", name)
        if isinstance(found, dict):
            return Finding("ok", "namespace", name)
        if found == 404:
            why = f"{name} does not exist: create it, or name another one (--namespace)"
            return Finding("bad", "namespace", why)
        return Finding("unknown", "namespace", f"{name}; you may not look whether it exists")

    def _launcher_rules(self) -> tuple[Rule, ...]:
        return (*LAUNCHER, LOGIN) if self.settings.share_registry_login else LAUNCHER

    def _launcher(self) -> Finding:
        rules = self._launcher_rules()
        lacking = [asked for asked, allowed in self._reviews(rules, "") if not allowed]
        if not lacking:
            return Finding("ok", "permissions", "you may launch, follow and cancel runs")
        self.is_refused = self._lacks = True
        return Finding("bad", "permissions", f"you may not {', '.join(lacking)}")

    def _service_account(self) -> Iterator[Finding]:
        name = self.account
        if self._get("serviceaccounts", name) == 404:
            self.is_refused = True
            yield Finding("bad", "service account", f"{name} does not exist")
            return
        user = f"system:serviceaccount:{self.api.namespace}:{name}"
        try:
            lacking = [asked for asked, allowed in self._reviews(DRIVER, user) if not allowed]
        except ApiError as error:
            told = f"{name}; you may not ask what it may do ({error.reason or error.status})"
            yield Finding("unknown", "service account", told)
            return
        if lacking:
            self.is_refused = True
            told = f"{name}, as which drivers run, may not {', '.join(lacking)}"
            yield Finding("bad", "service account", told)
        else:
            yield Finding("ok", "service account", f"{name} may drive runs")

    def _reviews(self, rules: Sequence[Rule], user: str) -> Iterator[tuple[str, bool]]:
        """Whether somebody may do what; for "" ourselves."""
        for rule in rules:
            for verb in rule.verbs:
                allowed = self._may(rule.reviewed(verb, self.api.namespace), user)
                yield f"{verb} {rule.resource}", allowed

    def _may(self, attributes: Object, user: str) -> bool:
        """Kubernetes, "Checking API access": by a review of access."""
        kind = "LocalSubjectAccessReview" if user else "SelfSubjectAccessReview"
        spec: Object = {"resourceAttributes": attributes}
        review: Object = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
        if user:
            group = user.rpartition(":")[0].replace("serviceaccount", "serviceaccounts")
            spec["user"] = user
            spec["groups"] = ["system:serviceaccounts", group, "system:authenticated"]
            review["metadata"] = {"namespace": self.api.namespace}
        answer = self.api.request("create", f"{kind.lower()}s", body=review)
        return bool(answer["status"]["allowed"])

    def _user(self) -> str:
        """Who we are there: said when asked (since Kubernetes 1.28), or when refused."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            answer = self.api.request("create", "selfsubjectreviews", body=review)
            return str(answer["status"]["userInfo"]["username"])
        except ApiError:
            return self._refused_as or "WHO-LAUNCHES"

    # Registry and store

    def _registry(self) -> Finding:
        reference = parse_reference(self.image)
        if not isinstance(reference, RegistryReference):
            return Finding(
                "bad",
                "registry",
                f"{self.image} is no registry, and clusters pull from nothing else: "
                "set [tool.sematic] repository",
            )
        if self.settings.share_registry_login:
            return self._own_login(reference)
        names = self.settings.image_pull_secrets or self._secrets_of_account()
        if not names:
            told = f"{reference.host}, without a login: no pull secret is named; --pod tries it"
            return Finding("unknown", "registry", told)
        problems = [told for name in names if (told := self._problem_of(name, reference))]
        if len(problems) == len(names):
            return Finding("bad", "registry", f"{reference.host}: {'; '.join(problems)}")
        told = f"{reference.host}, pulled with secret {', '.join(names)}; --pod tries it"
        return Finding("ok", "registry", told)

    def _own_login(self, reference: RegistryReference) -> Finding:
        from sematic.oci.registry.credentials import Credentials

        if Credentials(reference.host).find(reference.name) is None:
            told = f"there is no login for {reference.host} here that could be shared"
            return Finding("bad", "registry", told)
        told = f"{reference.host}, pulled with your own login, made a secret of for each run"
        return Finding("ok", "registry", told)

    def _secrets_of_account(self) -> tuple[str, ...]:
        account = self._get("serviceaccounts", self.account)
        secrets = account.get("imagePullSecrets") if isinstance(account, dict) else None
        return tuple(secret["name"] for secret in secrets or ())

    def _problem_of(self, name: str, reference: RegistryReference) -> str:
        """Why a secret is no login for a registry, as far as we may look."""
        secret = self._get("secrets", name)
        if secret == 404:
            return f"pull secret {name} does not exist"
        if not isinstance(secret, dict):
            return ""
        try:
            text = base64.b64decode(secret["data"][".dockerconfigjson"])
            keys = json.loads(text)["auths"]
        except (KeyError, TypeError, ValueError):
            return f"secret {name} is none of type kubernetes.io/dockerconfigjson"
        hosts = _HUB_KEYS if reference.host == DOCKER_HUB else (reference.host,)
        plain = {key.removeprefix("https://").partition("/")[0] for key in keys} | set(keys)
        if not plain.intersection(hosts) and not any("*" in key for key in keys):
            return f"secret {name} has a login for {', '.join(keys) or 'nothing'} only"
        return ""

    def _store(self) -> Finding:
        url = self.settings.store
        if url.startswith("file:"):
            told = f"{url} is a folder: pods have it only where it is mounted at the same path"
            return Finding("unknown", "store", told)
        try:
            open_store(url).bound(CHECK_NAME)
        except (StoreError, OCIError) as error:
            return Finding("bad", "store", str(error))
        return Finding("ok", "store", f"{url} is reached from here; --pod tries it from there")

    def _get(self, resource: str, name: str) -> Object | int:
        """An object, or the status with which it is refused."""
        try:
            return self.api.request("get", resource, name)
        except ApiError as error:
            if error.status == 403 and (said := _USER.search(error.said)):
                self._refused_as = said[1]
            return error.status


def try_pod(place: Place, settings: RunSettings, image: str) -> Finding:
    """Run a pod that writes to the store and reads that again; nothing is left of it.

    :param image: by digest; one with this version of sematic.
    """
    now, run_id = time.time(), uuid4().hex
    run = RunRecord(run_id, "cluster check", image, settings.store, place.kind, created=now)
    pod = PodSpec(
        name=worker_name(run_id, 1),
        run_id=run_id,
        step_id=run_id,
        image=image,
        arguments=("--run_id", run_id, "--check"),
        env={"SEMATIC_STORE": settings.store, "SEMATIC_RUN_ID": run_id},
    )
    try:
        place.records.write(run)
        try:
            return _end_of(place, run, pod)
        finally:
            place.stop(run_id)
            place.records.remove(run_id)
    except (PodsError, Steered) as error:
        return Finding("bad", "pod", str(error))


def _end_of(place: Place, run: RunRecord, pod: PodSpec) -> Finding:
    pods = place.pods(run)
    waits = ""
    try:
        pods.submit(pod)
        deadline = time.monotonic() + _POD_SECONDS
        while (patience := deadline - time.monotonic()) > 0:
            event = pods.next(patience)
            if event is None:
                continue
            waits = event.message
            if event.is_end:
                text = b"".join(pods.logs(pod.name)).decode(errors="replace")
                if event.phase == "succeeded":
                    return Finding("ok", "pod", f"{run.image} ran, and reached {run.store}")
                lines = text.splitlines()[-_LAST_LINES:]
                return Finding("bad", "pod", "\n".join([event.message, *lines]))
        return Finding("bad", "pod", f"it did not end within {_POD_SECONDS:.0f} s: {waits}")
    finally:
        pods.close()
