from __future__ import annotations

from sematic.resolvers.pods.kubernetes.lease import Vigil


def lease(renewed: str, seconds: int = 120) -> dict[str, object]:
    return {"spec": {"renewTime": renewed, "leaseDurationSeconds": seconds}}


def test_a_lease_that_is_renewed_never_expires() -> None:
    vigil = Vigil()
    assert not any(vigil.seen(lease(str(now)), now) for now in range(0, 1000, 100))


def test_a_lease_that_is_not_renewed_expires() -> None:
    vigil = Vigil()
    ends = [vigil.seen(lease("then"), now) for now in (0.0, 60.0, 119.0, 120.0)]
    assert ends == [False, False, False, True]


def test_the_clocks_of_driver_and_worker_may_differ() -> None:
    assert not Vigil().seen(lease("1970-01-01T00:00:00.000000Z"), 0.0)


def test_no_time_counts_in_which_the_api_server_was_away() -> None:
    vigil = Vigil()
    assert not vigil.seen(lease("then"), 0.0)
    vigil.unanswered()
    assert not vigil.seen(lease("then"), 300.0)
    assert not vigil.seen(lease("then"), 400.0)
    assert vigil.seen(lease("then"), 420.0)


def test_a_lease_that_is_missing_twice_is_gone() -> None:
    vigil = Vigil()
    assert not vigil.missing()
    vigil.unanswered()
    assert not vigil.missing()
    assert not vigil.seen(lease("now"), 0.0)
    assert not vigil.missing()
    assert vigil.missing()
