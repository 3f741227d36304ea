"""Generated answers are judged however long the machine takes to make them: no property is one of time."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("at any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("at any speed")
