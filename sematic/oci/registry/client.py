"""One repository of one registry: a method for each endpoint (distribution-spec 1.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from urllib.parse import quote, urlsplit

from sematic.oci.errors import BlobsMissing, DigestError, RegistryError
from sematic.oci.manifest import (
    INDEXES,
    MANIFESTS,
    Descriptor,
    Document,
    is_digest,
    is_media_type,
    new_hash,
)
from sematic.oci.reference import DOCKER_HUB
from sematic.oci.registry.answer import Answer
from sematic.oci.registry.auth import Authorizer, repository_scope
from sematic.oci.registry.body import Body
from sematic.oci.registry.failures import NoAnswer, is_lost, refusal
from sematic.oci.registry.pages import MOST_PAGES, next_page, tags_of
from sematic.oci.registry.pointers import pointed
from sematic.oci.registry.routes import origin
from sematic.oci.registry.transport import ASK, CANCEL, ONCE, READ, SEND, Manner, Transport

_ACCEPT = ", ".join((*MANIFESTS, *INDEXES))
_HUB_API = "registry-1.docker.io"


def api_host(host: str) -> str:
    """Where a registry answers: Docker Hub does so under another name."""
    return _HUB_API if host == DOCKER_HUB else host


class RegistryClient:
    """Requests to one repository; threads may share it.

    :param push: ask for the right to push from the start, and not only to pull.
    """

    def __init__(
        self,
        host: str,
        repository: str,
        transport: Transport,
        authorizer: Authorizer,
        *,
        push: bool = False,
    ) -> None:
        self.host = host
        self.repository = repository
        self.transport = transport
        self._authorizer = authorizer
        self._place = f"{host}/{repository}"
        self._api_host = api_host(host)
        self._scope = repository_scope(repository, "pull,push" if push else "pull")

    def hold_off(self, why: str) -> None:
        """Let the next request wait, as after any failure that passes."""
        self.transport.hold_off(self._api_host, why)

    # Manifests

    def head_manifest(self, reference: str) -> str | None:
        """The digest of a tag or digest; None if there is no such manifest."""
        answer = self._ask("HEAD", self._manifest_url(reference), {"Accept": _ACCEPT})
        if answer.status == 404:
            return None
        self._expect(answer, (200,), f"to look for the manifest {reference}")
        digest = answer.headers.get("docker-content-digest", "")
        return digest if is_digest(digest) else self.manifest(reference).descriptor.digest

    def manifest(self, reference: str) -> Document:
        """The manifest or index of a tag or digest, its bytes verified.

        :raises NotFound: there is none.
        """
        what = f"the manifest {reference}"
        answer = self._ask("GET", self._manifest_url(reference), {"Accept": _ACCEPT})
        self._expect(answer, (200,), f"to give {what}")
        announced = answer.headers.get("docker-content-digest", "")
        self._verify(answer.data, reference if is_digest(reference) else announced, what)
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
        if media_type in (*MANIFESTS, *INDEXES):
            return Document(media_type, answer.data)
        own = str(Document("", answer.data).parsed().get("mediaType") or media_type)
        return Document(own if is_media_type(own) else "", answer.data)

    def put_manifest(self, reference: str, document: Document) -> Answer:
        """Store a manifest under a tag or its digest.

        :raises BlobsMissing: the registry lacks blobs that it names.
        :raises DigestError: the registry took it for something else.
        """
        try:
            return self._put_manifest(reference, document)
        except RegistryError as error:
            if "BLOB_UNKNOWN" in error.codes:
                raise BlobsMissing(str(error), status=error.status, codes=error.codes) from None
            if is_lost(error) and (answer := self._stored(reference, document)):
                return answer
            raise

    def _put_manifest(self, reference: str, document: Document) -> Answer:
        headers = {"Content-Type": document.media_type}
        url, what = self._manifest_url(reference), f"the manifest {reference}"
        answer = self._ask("PUT", url, headers, body=document.data)
        self._expect(answer, (200, 201, 202, 204), what)
        named = answer.headers.get("docker-content-digest", "")
        self._verify(document.data, named, what)
        if not named and not is_digest(reference):
            self._expect_stored(document, what)
        return answer

    def _expect_stored(self, document: Document, what: str) -> None:
        """Ask a registry that did not say what it took a manifest for."""
        digest = document.descriptor.digest
        if self.head_manifest(digest) != digest:
            raise DigestError(
                f"{self.host} took {what} ({self.repository}), but does not have it as {digest}"
            )

    def _stored(self, reference: str, document: Document) -> Answer | None:
        """What the registry says of a manifest that it has, though nobody heard it say so."""
        url = self._manifest_url(reference)
        try:
            answer = self._ask("HEAD", url, {"Accept": _ACCEPT}, manner=ONCE)
        except RegistryError:
            return None
        digest = answer.headers.get("docker-content-digest", "")
        return answer if answer.status == 200 and digest == document.descriptor.digest else None

    def tags(self) -> Iterator[str]:
        """All tags, page by page.

        :raises RegistryError: the pages go round in circles, or are no lists of tags.
        """
        url = self._url("tags/list")
        seen: set[str] = set()
        while url:
            seen.add(url)
            answer = self._ask("GET", url)
            self._expect(answer, (200,), "to list the tags")
            try:
                yield from tags_of(answer.data)
            except ValueError as error:
                raise RegistryError(f"{self.host} answered with no list of tags: {error}") from None
            url = self._next_page(answer)
            if url in seen or len(seen) >= MOST_PAGES:
                raise RegistryError(
                    f"{self.host} lists the tags of {self.repository} without an end"
                )

    # Blobs

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the repository has a blob, of the right size where the registry says it.

        One that must not be asked for counts as not there: it can still be sent.
        """
        answer = self._ask("HEAD", self._url(f"blobs/{descriptor.digest}"))
        if 402 <= answer.status < 500 and not answer.is_passing:
            return False
        self._expect(answer, (200,), f"to look for the blob {descriptor.digest}")
        if _other_digest(answer, descriptor.digest):
            return False
        size = answer.headers.get("content-length", "")
        return not size.isdecimal() or size.lstrip("0") == f"{descriptor.size or ''}"

    def open_blob(self, digest: str, start: int = 0) -> Answer:
        """A blob as a stream, from a byte on: 206 says that the registry kept to that.

        :raises NotFound: there is none.
        """
        headers = {"Range": f"bytes={start}-"} if start else None
        url = self._url(f"blobs/{digest}")
        answer = self._ask("GET", url, headers, manner=READ)
        if start and answer.status == 416:  # it gives no parts: all of it, then
            answer = self._ask("GET", url, manner=READ)
        self._expect(answer, (200, 206) if start else (200,), f"to give the blob {digest}")
        return answer

    # Uploads

    def mount(self, digest: str, repository: str) -> str | None:
        """Have a blob linked here from another repository of the registry.

        :return: the upload session that was opened instead; None if it is linked.
        :raises RegistryError: it refused. Nothing is lost by that.
        """
        scopes = self._scope, repository_scope(repository, "pull")
        url = self._url(f"blobs/uploads/?mount={digest}&from={quote(repository)}")
        answer = self._ask("POST", url, scopes=scopes)
        self._expect(answer, (201, 202), f"to mount the blob {digest} from {repository}")
        if other := _other_digest(answer, digest):
            raise RegistryError(f"{self.host} mounted {other} where {digest} was asked for")
        return self._location(answer) if answer.status == 202 else None

    def open_upload(self) -> str:
        """Open an upload session: its URL."""
        answer = self._ask("POST", self._url("blobs/uploads/"))
        self._expect(answer, (202,), "to open an upload")
        return self._location(answer) or self._lacks_location()

    def put_upload(self, location: str, digest: str, body: Body) -> None:
        """Send a whole blob into a session, and close it."""
        answer = self._send("PUT", _with_digest(location, digest), body)
        self._finish_upload(answer, digest)

    def patch_upload(self, location: str, body: Body) -> str:
        """Send bytes into a session: its URL from then on."""
        answer = self._send("PATCH", location, body)
        # The specification says 202; ECR says 201 and others 204.
        self._expect(answer, (200, 201, 202, 204), "to take the bytes of a blob")
        return self._location(answer) or location

    def commit_upload(self, location: str, digest: str) -> None:
        """Close a session that has received everything."""
        url = _with_digest(location, digest)
        answer = self._ask("PUT", url, manner=SEND)
        if answer.status == 429:  # nothing has happened: the session is as it was
            answer = self._ask("PUT", url, manner=SEND)
        self._finish_upload(answer, digest)

    def cancel_upload(self, location: str) -> None:
        """Give a session up. That it may fail does not matter: registries clean up."""
        # A token of its own: where that right is refused, the push goes on with the other.
        scopes = self._scope, repository_scope(self.repository, "delete")
        with suppress(RegistryError):
            self._ask("DELETE", location, scopes=scopes, manner=CANCEL)

    def _send(self, method: str, location: str, body: Body) -> Answer:
        headers = {"Content-Type": "application/octet-stream"}
        answer = self._ask(method, location, headers, body=body, manner=SEND)
        if answer.status < 300:
            self._expect_whole(body)
        return answer

    def _expect_whole(self, body: Body) -> None:
        """A server may hang up in the midst of a body, and yet have said that all is well."""
        if not body.is_complete:
            why = "broke the connection off before it had everything"
            raise NoAnswer(f"{self.host} {why}", why)

    def _finish_upload(self, answer: Answer, digest: str) -> None:
        self._expect(answer, (200, 201, 202, 204), f"the blob {digest}")
        if other := _other_digest(answer, digest):
            raise DigestError(
                f"{self.host} stored {other} where {digest} was sent ({self.repository})"
            )

    def _location(self, answer: Answer) -> str:
        """The Location of an answer, which may be relative; "" if there is none."""
        location = answer.headers.get("location", "")
        return pointed(answer.url, location, self.transport.routes) if location else ""

    def _next_page(self, answer: Answer) -> str:
        """The next page's URL, "" after the last."""
        page = next_page(answer.headers.get("link", ""))
        return pointed(answer.url, page, self.transport.routes) if page else ""

    def _lacks_location(self) -> str:
        raise RegistryError(f"{self.host} opened an upload, but does not say where")

    # All of them

    def _url(self, path: str) -> str:
        return f"{self.transport.base(self._api_host)}/v2/{self.repository}/{path}"

    def _manifest_url(self, reference: str) -> str:
        return self._url(f"manifests/{reference}")

    def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        scopes: Collection[str] = (),
        body: bytes | Body = b"",
        manner: Manner = ASK,
    ) -> Answer:
        """Make a request, with credentials where they belong; again after a challenge."""
        wanted = tuple(scopes) or (self._scope,)
        base = self.transport.base(self._api_host)
        try:
            answer = self._ask_at(base, method, url, headers or {}, wanted, body, manner)
        except NoAnswer as error:
            if not self._is_mistaken(base, error):
                raise
        else:
            if not self._is_mistaken(base, answer):
                return answer
        if isinstance(body, Body):
            raise NoAnswer(f"{self.host} speaks https now", "speaks https now")
        base = self.transport.base(self._api_host)
        return self._ask_at(base, method, url, headers or {}, wanted, body, manner)

    def _is_mistaken(self, base: str, outcome: Answer | NoAnswer) -> bool:
        return self.transport.is_mistaken(self._api_host, base, outcome)

    def _ask_at(
        self,
        base: str,
        method: str,
        url: str,
        headers: Mapping[str, str],
        wanted: tuple[str, ...],
        body: bytes | Body,
        manner: Manner,
    ) -> Answer:
        url = _same_scheme(url, base)
        is_own = origin(url) == origin(base)

        def request(authorization: str) -> Answer:
            credentials = {"Authorization": authorization} if authorization else {}
            together = {**headers, **credentials}
            return self.transport.request(method, url, together, body=body, manner=manner)

        sent = self._authorizer.header(self._place, wanted) if is_own else ""
        answer = request(sent)
        renewals = 1 if sent else 2  # to be asked who one is, and to have shown an old token
        while is_own and is_challenge(answer, base) and renewals:
            sent = self._authorizer.challenged(self._place, answer, wanted, sent)
            if isinstance(body, Body):
                return answer
            answer = request(sent)
            renewals -= 1
        if is_own and is_challenge(answer, base):
            self._authorizer.refused(self._place, wanted)
        return answer

    def _expect(self, answer: Answer, statuses: Collection[int], what: str) -> None:
        if answer.status not in statuses:
            denied = self._authorizer.advice(self._place)
            secrets = self._authorizer.secrets(self._place)
            raise refusal(answer, what, self.host, self.repository, denied, secrets)

    def _verify(self, data: bytes, digest: str, what: str) -> None:
        """:raises DigestError: the bytes have another digest; one that is none is no witness."""
        if not is_digest(digest):
            return
        own = new_hash(digest)
        own.update(data)
        if own.hexdigest() != digest.partition(":")[2]:
            raise DigestError(
                f"{self.host} says that {what} ({self.repository}) is {digest}, "
                f"but its bytes are {own.name}:{own.hexdigest()}"
            )


def is_challenge(answer: Answer, base: str) -> bool:
    """Whether the registry itself wants credentials, and not a host that it redirected to."""
    return answer.status == 401 and origin(answer.url) == origin(base)


def _other_digest(answer: Answer, digest: str) -> str:
    """The digest that an answer names where it is another; "" if it is not."""
    named = answer.headers.get("docker-content-digest", digest)
    is_comparable = named.partition(":")[0] == digest.partition(":")[0]
    return named if is_comparable and named != digest else ""


def _same_scheme(url: str, base: str) -> str:
    """A URL of the registry itself, over https where the registry is.

    Behind a proxy that ends TLS, registries often take themselves to be plain.
    """
    own, plain = f"{base}/", f"http://{urlsplit(base).netloc}/"
    return own + url[len(plain) :] if url.startswith(plain) else url


def _with_digest(location: str, digest: str) -> str:
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"
