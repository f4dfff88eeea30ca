"""``@sematic.func``: what it takes, what it refuses, and what a call is."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import sematic
from sematic.errors import ConfigurationError
from sematic.function import Function, find_function
from tests.resolvers.pipelines import add, later, square

if TYPE_CHECKING:
    from decimal import Decimal

REQUIREMENTS = sematic.ResourceRequirements(
    sematic.KubernetesResourceRequirements(requests={"cpu": "1"})
)


def test_a_bare_func_runs_inline_and_is_not_cached() -> None:
    assert (add.inline, add.cache, add.retry, add.timeout_mins) == (True, False, None, None)
    assert add.resource_requirements is None


def test_a_func_keeps_what_it_was_told() -> None:
    retry = sematic.RetrySettings((ValueError,), 2)

    @sematic.func(
        inline=False,
        resource_requirements=REQUIREMENTS,
        retry=retry,
        cache=True,
        timeout_mins=5,
    )
    def told(number: int) -> int:
        """Says it."""
        return number

    assert (told.inline, told.cache, told.retry, told.timeout_mins) == (False, True, retry, 5)
    assert told.resource_requirements is REQUIREMENTS
    assert (told.__name__, told.__doc__) == ("told", "Says it.")
    assert told.__wrapped__(3) == 3


@pytest.mark.parametrize(("standalone", "inline"), [(True, False), (False, True)])
def test_standalone_is_not_inline(standalone: bool, inline: bool) -> None:
    @sematic.func(standalone=standalone)
    def told() -> None: ...

    assert told.inline is inline


def test_a_call_is_a_future_and_runs_nothing() -> None:
    @sematic.func
    def never() -> None:
        raise AssertionError

    future = never()
    assert isinstance(future, sematic.Future)
    assert len(future.id) == 32
    assert int(future.id, 16) >> 76 & 0xF == 4  # uuid4
    assert future.id != never().id


def test_arguments_are_bound_as_python_binds_them() -> None:
    @sematic.func
    def many(a: int, /, b: int, c: int = 3, *, d: int = 4) -> list[int]:
        return [a, b, c, d]

    assert many(1, d=5, b=2).resolve(sematic.SilentResolver()) == [1, 2, 3, 5]
    assert dict(many(1, 2).arguments) == {"a": 1, "b": 2, "c": 3, "d": 4}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "add: missing a required argument: 'a'"),
        ((1, 2, 3), "add: too many positional arguments"),
        (("x", 1), "add: argument 'a': cannot cast 'x' to int"),
        ((1, [2]), r"add: argument 'b': cannot cast \[2\] to int"),
    ],
)
def test_a_wrong_argument_is_told_at_the_call(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        add(*arguments)


def test_a_future_of_a_wrong_type_is_told_at_the_call() -> None:
    with pytest.raises(TypeError, match="square: argument 'number': cannot cast str to int"):
        square(later("text"))


def test_a_future_within_a_list_is_checked_too() -> None:
    @sematic.func
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    assert total([square(2), 1, "3"]).resolve(sematic.SilentResolver()) == 8  # type: ignore[list-item]
    with pytest.raises(TypeError, match="argument 'numbers': item 1: cannot cast str to int"):
        total([1, later("text")])


def test_what_a_caller_does_to_a_list_later_does_not_matter() -> None:
    numbers, settings = [1, 2], {"scale": [3]}

    @sematic.func
    def scaled(numbers: list[int], settings: dict[str, Any]) -> list[int]:
        return [number * settings["scale"][0] for number in numbers]

    future = scaled(numbers, settings)
    numbers.append(3)
    settings["scale"][0] = 0
    assert future.resolve(sematic.SilentResolver()) == [3, 6]


def test_a_missing_return_annotation_means_none() -> None:
    @sematic.func
    def quiet():  # type: ignore[no-untyped-def]
        return None

    @sematic.func
    def loud():  # type: ignore[no-untyped-def]
        return 1

    assert quiet.returns is type(None)
    assert quiet().resolve(sematic.SilentResolver()) is None
    with pytest.raises(sematic.PipelineError, match="without a return annotation it must be None"):
        loud().resolve(sematic.SilentResolver())


def test_a_default_of_none_makes_an_argument_optional() -> None:
    @sematic.func
    def maybe(number: int = None) -> int | None:  # type: ignore[assignment]  # noqa: RUF013
        return number

    assert maybe().resolve(sematic.SilentResolver()) is None


class Machine:
    def run(self, number: int) -> int:
        return number

    def __call__(self, number: int) -> int:
        return number


async def waits(number: int) -> int:
    return number


def yields(number: int) -> Any:
    yield number


async def streams(number: int) -> Any:
    yield number


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (3, "3 is none"),
        (len, "built-in function len"),
        (Machine, "Machine"),
        (Machine(), "Machine"),
        (partial(waits, 3), "partial"),
        (staticmethod(waits), "staticmethod"),
        (Machine().run, "Machine.run is a method"),
        (Machine.run, "Machine.run is a method"),
        (waits, "waits is async"),
        (streams, "streams is async"),
        (yields, "yields is a generator"),
    ],
)
def test_only_plain_functions_can_be_funcs(what: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        sematic.func(what)


def test_a_func_in_a_class_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Worker\.run is a method"):

        class Worker:
            @sematic.func
            def run(self: Any) -> int:
                return 1


def variadic(*numbers: int) -> int:
    return sum(numbers)


def keywords(**numbers: int) -> int:
    return sum(numbers.values())


def unannotated(number) -> int:  # type: ignore[no-untyped-def]
    return 1


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (variadic, r"variadic: a func cannot have \*args"),
        (keywords, r"keywords: a func cannot have \*args or \*\*kwargs"),
        (unannotated, "unannotated: argument 'number' needs a type annotation"),
    ],
)
def test_arguments_without_names_or_types_are_refused(
    function: Callable[..., Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        sematic.func(function)


@pytest.mark.parametrize(
    "settings",
    [{"resource_requirements": REQUIREMENTS}, {"standalone": False, "inline": False}]
    + [{"timeout_mins": minutes} for minutes in (0, -1, float("nan"))],
)
def test_settings_that_mean_nothing_are_value_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):

        @sematic.func(**settings)
        def told() -> None: ...


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("inline", "yes"),
        ("standalone", 1),
        ("retry", 3),
        ("cache", "always"),
        ("timeout_mins", "5"),
        ("timeout_mins", True),
        ("resource_requirements", {"cpu": 1}),
    ],
)
def test_settings_of_another_type_are_type_errors(name: str, value: Any) -> None:
    settings: dict[str, Any] = {"inline": False, name: value}
    with pytest.raises(TypeError, match=name):

        @sematic.func(**settings)
        def told() -> None: ...


def test_annotations_may_be_text_and_name_local_classes() -> None:
    @dataclass
    class Local:
        number: int

    @sematic.func
    def local(value: Local) -> "list[Local]":  # noqa: UP037
        return [value]

    assert local.parameters == {"value": Local}
    assert local.returns == list[Local]


@sematic.func
def early(value: Late) -> Late:
    return value


@dataclass
class Late:
    number: int


def test_annotations_may_name_classes_that_come_later() -> None:
    assert early(Late(1)).resolve(sematic.SilentResolver()) == Late(1)


def test_an_annotation_that_is_not_there_at_run_time_is_told() -> None:
    @sematic.func
    def price(value: Decimal) -> int:
        return int(value)

    with pytest.raises(TypeError, match=r"price: an annotation.*'Decimal'.*at run time"):
        price(1)  # type: ignore[arg-type]


def test_funcs_are_pickled_by_reference() -> None:
    data = pickle.dumps(add)
    assert pickle.loads(data) is add
    assert len(data) < 100
    assert add.reference == "tests.resolvers.pipelines:add"
    assert find_function(add.reference) is add


def test_futures_are_pickled_with_what_was_said_of_them() -> None:
    future = add(square(2), 3).set(name="sum", tags=["a"])
    copy: sematic.Future[int] = pickle.loads(pickle.dumps(future))
    assert (copy.id, copy.name, copy.tags) == (future.id, "sum", ("a",))
    assert copy.function is add
    assert copy.resolve(sematic.SilentResolver()) == 7


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("tests.nowhere:add", "No module named"),
        ("tests.resolvers.pipelines:nothing", "no attribute 'nothing'"),
        ("tests.test_function:yields", "is no func"),
        ("add", "cannot be found"),
        ("", "cannot be found"),
    ],
)
def test_a_reference_to_no_func_is_told(reference: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        find_function(reference)


def test_the_source_hash_is_of_the_funcs_own_source() -> None:
    def made(number: int) -> Function[[int], int]:
        @sematic.func
        def same(value: int) -> int:
            return value + number

        return same

    assert made(1).source_hash() == made(2).source_hash()
    assert made(1).source_hash() != add.source_hash()


def test_a_func_without_source_has_a_hash_of_its_code() -> None:
    def typed(body: str) -> Function[..., int]:
        names: dict[str, Any] = {"func": sematic.func}
        exec(f"@func\ndef typed(a: int) -> int:\n    return {body}", names)
        found: Function[..., int] = names["typed"]
        return found

    assert typed("a").source_hash() == typed("a").source_hash()
    assert len({typed("a").source_hash(), typed("a + 1").source_hash()}) == 2


def test_type_checkers_see_what_a_call_takes_and_gives() -> None:
    future = add(1, 2)
    value: int = future.resolve(sematic.SilentResolver())
    wrong: str = future.resolve(sematic.SilentResolver())  # type: ignore[assignment]
    assert value == wrong == 3  # type: ignore[comparison-overlap]
    chained: int = add(add(1, 2), square(3)).resolve(sematic.SilentResolver())
    assert chained == 12
    with pytest.raises(TypeError):
        add(1)  # type: ignore[call-arg]
