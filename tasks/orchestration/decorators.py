"""Functions as tasks of Prefect if an API records the run, and as plain functions otherwise."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from params import SettingsError
from tasks.common import host
from tasks.common.files import InputError
from tasks.common.text_escaping import visible
from tasks.orchestration.api import recording

P = ParamSpec("P")
R = TypeVar("R")


def task(function: Callable[P, R]) -> Callable[P, R]:
    """Have each call recorded as a Prefect task run if an API records the run. Never cached: DVC owns caching."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return _recorded(function, *args, **kwargs) if recording() else function(*args, **kwargs)

    return call


def _recorded(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    from prefect import State
    from prefect import task as prefect_task
    from prefect.cache_policies import NO_CACHE

    name = function.__name__.replace("_", " ")
    decorate = prefect_task(name=name, cache_policy=NO_CACHE, persist_result=False)
    result = decorate(failed_on_bad_input(function, lambda error: None))(*args, **kwargs)
    if isinstance(result, State):
        raise InputError(result.message)
    return result


def failed_on_bad_input(function: Callable[P, R], on_end: Callable[[Exception | None], None]) -> Callable[P, R]:
    """Return a Failed state with the message for bad input: an exception would fill the run's log with a traceback.

    `on_end` receives the error, or None for success.
    """
    from prefect.states import Failed

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = function(*args, **kwargs)
        except (InputError, SettingsError) as error:
            on_end(error)
            return Failed(message=visible(str(error), lines=True))  # type: ignore[return-value]
        except OSError as error:
            if not (why := host.explained(error, Path())):
                raise
            on_end(InputError(why))
            return Failed(message=visible(why))  # type: ignore[return-value]
        on_end(None)
        return result

    return wrapped
