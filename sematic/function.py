"""``@sematic.func``: functions whose calls are steps."""

from __future__ import annotations

import hashlib
import inspect
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import update_wrapper
from importlib import import_module
from typing import Any, Generic, ParamSpec, TypeVar, overload

from sematic.casting import cast
from sematic.errors import ConfigurationError
from sematic.future import Future, copied
from sematic.resources import ResourceRequirements, RetrySettings

P = ParamSpec("P")
T = TypeVar("T")

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Function(Generic[P, T]):
    """A function whose calls give futures. Made by :func:`func`.

    It is pickled by reference, as functions are: its module must hold it under its name.

    :param function: the plain function; it stays reachable as ``__wrapped__``.
    """

    __name__: str
    __qualname__: str
    __wrapped__: Callable[P, T]

    def __init__(
        self,
        function: Callable[P, T],
        *,
        inline: bool,
        resource_requirements: ResourceRequirements | None,
        retry: RetrySettings | None,
        cache: bool,
        timeout_mins: float | None,
        scope: Mapping[str, Any],
    ) -> None:
        _check_kind(function)
        update_wrapper(self, function)
        self.inline = inline
        self.resource_requirements = resource_requirements
        self.retry = retry
        self.cache = cache
        self.timeout_mins = timeout_mins
        self.signature = _signature(function)
        self._types: dict[str, Any] | None = None
        with suppress(NameError):  # a class that is defined further down: the first call sees it
            self._types = _types(function, scope)

    @property
    def reference(self) -> str:
        """Where it is found: ``module:qualname``."""
        return f"{self.__module__}:{self.__qualname__}"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The types of its parameters, in order."""
        types = self._annotations()
        return {name: types[name] for name in self.signature.parameters}

    @property
    def returns(self) -> Any:
        """The type of its result; ``NoneType`` where there is no annotation."""
        return self._annotations()["return"]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A future of this call; nothing runs yet.

        :raises TypeError: an argument is missing, unknown, or cannot be cast to its type.
        """
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.__name__}: {error}") from None
        bound.apply_defaults()
        # Lists and dicts may be changed by the caller before the step runs.
        return Future(self, copied(self._cast_arguments(bound.arguments)))

    def run(self, arguments: Mapping[str, Any]) -> Any:
        """Run the plain function here, with values; its result, which may hold futures.

        :raises TypeError: an argument or the result cannot be cast to its type.
        :raises BaseException: what the function raises.
        """
        bound = inspect.BoundArguments(self.signature, {})
        bound.arguments.update(self._cast_arguments(arguments))
        return self.cast_result(self.__wrapped__(*bound.args, **bound.kwargs))

    def cast_result(self, value: Any) -> Any:
        """A result as the annotation says.

        :raises TypeError: it cannot be.
        """
        returns = self.returns
        try:
            return cast(value, returns)
        except TypeError as error:
            hint = "" if "return" in self.__wrapped__.__annotations__ else _NO_ANNOTATION
            raise TypeError(f"{self.__name__}: its result: {error}{hint}") from None

    def source_hash(self) -> str:
        """The SHA-256 of its own source text, in hex; what it calls is not in it."""
        try:
            source = textwrap.dedent(inspect.getsource(self.__wrapped__)).encode()
        except (OSError, TypeError):
            code = self.__wrapped__.__code__
            source = code.co_code + repr((code.co_consts, code.co_names)).encode()
        return hashlib.sha256(source).hexdigest()

    def __repr__(self) -> str:
        return f"<func {self.reference}>"

    def __reduce__(self) -> str:
        return self.__qualname__

    def _cast_arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        types = self._annotations()
        made = {}
        for name, value in arguments.items():
            try:
                made[name] = cast(value, types[name])
            except TypeError as error:
                raise TypeError(f"{self.__name__}: argument {name!r}: {error}") from None
        return made

    def _annotations(self) -> dict[str, Any]:
        if self._types is None:
            try:
                self._types = _types(self.__wrapped__, {})
            except NameError as error:
                raise TypeError(
                    f"{self.__name__}: an annotation cannot be evaluated: {error}; "
                    "what annotations name must be there at run time, in the module of the func"
                ) from None
        return self._types


_NO_ANNOTATION = " (without a return annotation it must be None)"


@overload
def func(function: Callable[P, T], /) -> Function[P, T]: ...
@overload
def func(
    *,
    inline: bool | None = None,
    standalone: bool | None = None,
    resource_requirements: ResourceRequirements | None = None,
    retry: RetrySettings | None = None,
    cache: bool = False,
    timeout_mins: float | None = None,
) -> Callable[[Callable[P, T]], Function[P, T]]: ...
def func(
    function: Callable[..., Any] | None = None,
    /,
    *,
    inline: bool | None = None,
    standalone: bool | None = None,
    resource_requirements: ResourceRequirements | None = None,
    retry: RetrySettings | None = None,
    cache: bool = False,
    timeout_mins: float | None = None,
) -> Any:
    """Make a function a func: its calls give futures, which are steps of a run when resolved.

    :param inline: run it inside the driver, one after another (the default), or in
        a pod of its own.
    :param standalone: the opposite of ``inline``, and another word for it.
    :param resource_requirements: what its pod asks for.
    :param retry: which exceptions it is run again for, and how often.
    :param cache: whether a result that the cache has for these arguments will do.
    :param timeout_mins: minutes from when it starts until it is resolved, with all that it
        expands to.
    :raises TypeError: something that is no plain function, or a setting of another type.
    :raises ValueError: ``*args``, ``**kwargs``, an argument without annotation, or resource
        requirements for a func that has no pod of its own.
    """
    inline = _placement(inline, standalone)
    _check_settings(retry, cache, timeout_mins)

    def decorate(function: Callable[P, T], depth: int = 1) -> Function[P, T]:
        check_requirements(getattr(function, "__name__", ""), inline, resource_requirements)
        return Function(
            function,
            inline=inline,
            resource_requirements=resource_requirements,
            retry=retry,
            cache=cache,
            timeout_mins=timeout_mins,
            scope=_scope(function, sys._getframe(depth)),
        )

    return decorate if function is None else decorate(function, 2)


def find_function(reference: str) -> Function[..., Any]:
    """The func that a reference (``module:qualname``) names.

    :raises ConfigurationError: there is none.
    """
    module, _, qualname = reference.partition(":")
    try:
        found: Any = import_module(module)
        for name in qualname.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"the func {reference} cannot be found: {error}; "
            "funcs that run in pods are defined at the top of a module that can be imported"
        ) from error
    if not isinstance(found, Function):
        raise ConfigurationError(
            f"{reference} is no func but {found!r}: its module must hold what @sematic.func made"
        )
    return found


def check_requirements(name: str, inline: bool, requirements: Any) -> None:
    """Refuse resource requirements that are none, or that have no pod to go to.

    :raises TypeError: another type.
    :raises ValueError: the step is inline.
    """
    if requirements is None:
        return
    if not isinstance(requirements, ResourceRequirements):
        raise TypeError(
            f"{name}: resource_requirements is a ResourceRequirements, not {requirements!r}"
        )
    if inline:
        raise ValueError(
            f"{name}: resource_requirements are for steps with a pod of their own; "
            "say inline=False as well"
        )


def _placement(inline: bool | None, standalone: bool | None) -> bool:
    for name, value in (("inline", inline), ("standalone", standalone)):
        if value is not None and not isinstance(value, bool):
            raise TypeError(f"{name} is True or False, not {value!r}")
    if inline is not None and standalone is not None and inline == standalone:
        raise ValueError(f"inline={inline} and standalone={standalone} contradict each other")
    return not standalone if inline is None else inline


def _check_settings(retry: Any, cache: Any, timeout_mins: Any) -> None:
    if retry is not None and not isinstance(retry, RetrySettings):
        raise TypeError(f"retry is a RetrySettings, not {retry!r}")
    if not isinstance(cache, bool):
        raise TypeError(f"cache is True or False, not {cache!r}")
    if timeout_mins is not None:
        if isinstance(timeout_mins, bool) or not isinstance(timeout_mins, (int, float)):
            raise TypeError(f"timeout_mins is a number of minutes, not {timeout_mins!r}")
        if not timeout_mins > 0:
            raise ValueError(f"timeout_mins is more than 0, not {timeout_mins}")


def _check_kind(function: Any) -> None:
    """Refuse what is no plain function of a module."""
    if isinstance(function, types.MethodType):
        raise TypeError(f"{function.__qualname__} is a method, and funcs are plain functions")
    if not isinstance(function, types.FunctionType):
        raise TypeError(f"sematic.func makes a func of a function, and {function!r} is none")
    name = function.__name__
    if "." in function.__qualname__.rpartition("<locals>.")[2]:
        raise TypeError(f"{function.__qualname__} is a method, and funcs are plain functions")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{name} is async, and funcs are not: use asyncio.run inside the func")
    if inspect.isgeneratorfunction(function):
        raise TypeError(f"{name} is a generator, and funcs return: return a list")


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(function)
    for name, parameter in signature.parameters.items():
        if parameter.kind in _VARIADIC:
            raise ValueError(f"{function.__name__}: a func cannot have *args or **kwargs ({name})")
        if parameter.annotation is inspect.Parameter.empty:
            raise ValueError(f"{function.__name__}: argument {name!r} needs a type annotation")
    return signature


def _types(function: Callable[..., Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluated annotations of parameters and ``return``."""
    hints = typing.get_type_hints(function, localns=dict(scope), include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is None:
            hints[name] = hints[name] | None
    hints.setdefault("return", type(None))
    return hints


def _scope(function: Any, frame: types.FrameType) -> Mapping[str, Any]:
    """The names around a function that is defined in another one."""
    if "<locals>" not in getattr(function, "__qualname__", ""):
        return {}
    return frame.f_locals
