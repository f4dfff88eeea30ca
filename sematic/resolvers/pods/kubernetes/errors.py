"""What API servers refuse, and what that means."""

from __future__ import annotations

import json

from sematic.resolvers.pods.pods import PodsError


class ApiError(PodsError):
    """The API server refuses a request.

    :param status: of HTTP.
    :param reason: in a word, as ``AlreadyExists``.
    :param said: the server's own message.
    :param is_repeated: the request had been made before, and its answer was lost.
    """

    def __init__(
        self, message: str, status: int, reason: str, said: str, *, is_repeated: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.said = said
        self.is_repeated = is_repeated

    @property
    def is_missing(self) -> bool:
        return self.status == 404

    @property
    def is_conflict(self) -> bool:
        """There is one already, or it is no longer what it was when it was read."""
        return self.status == 409

    @property
    def is_gone(self) -> bool:
        """What was asked for is too long ago (410 Gone)."""
        return self.status == 410 or self.reason in ("Gone", "Expired")


def refusal(
    status: int, body: bytes, doing: str, server: str, *, is_repeated: bool = False
) -> ApiError:
    """The error that an answer is (Kubernetes API conventions, "Response Status Kind").

    :param doing: what was tried, as ``create pods in namespace default``.
    """
    try:
        document = json.loads(body)
        reason, said = str(document.get("reason") or ""), str(document.get("message") or "")
    except (ValueError, AttributeError):
        reason, said = "", body[:300].decode(errors="replace").strip()
    message = f"cannot {doing} ({server}): {status} {said or reason}".rstrip()
    if advice := _advice(status, said, doing):
        message += f"\n{advice}"
    return ApiError(message, status, reason, said, is_repeated=is_repeated)


def _advice(status: int, said: str, doing: str) -> str:
    if status == 401:
        return "The login has expired or is not known there: log in again (`kubectl get pods`)."
    if status == 403:
        if "exceeded quota" in said:
            return "Run fewer steps at a time (max_parallelism), or have the quota raised."
        if "PodSecurity" in said or "security context" in said.lower():
            return "The namespace restricts what pods may do; see the step's security_context."
        return f"Who runs this may not {doing}; `sematic cluster check` says what is missing."
    if status == 404 and "namespaces" in said:
        return "Create the namespace, or name another one with SEMATIC_NAMESPACE."
    return ""
