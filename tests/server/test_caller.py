"""Who asks, and for which run."""

from __future__ import annotations

from server.caller import Caller, become, run_of


async def test_a_message_that_names_no_run_is_of_its_callers() -> None:
    become(Caller(run="from the header"))
    assert run_of("") == "from the header"


async def test_the_run_that_a_message_names_is_its_run() -> None:
    become(Caller(run="from the header"))
    assert run_of("named") == "named"
