"""The page at `/`: what the server does now, a playground, and the verdicts it kept.

Static files and a few small JSON answers; the page loads nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from server.config import Settings
from server.faces.service import RewardService
from server.page.recent import RecentVerdicts
from server.page.routes import routes
from server.page.timeline import Timeline
from server.page.watched import Watched


def watched(service: RewardService, settings: Settings) -> Watched:
    """The service with a memory for the page: counts, and verdicts where the settings give them room."""
    return Watched(service, Timeline(), RecentVerdicts(settings.recent_verdicts_bytes))


def mount(app: FastAPI, service: Watched, settings: Settings, queue_depth: Callable[[], int]) -> None:
    """Adds the page's paths to the application, unless `page` is off."""
    if settings.page == "off":
        return
    for route in routes(service, queue_depth):
        app.add_route(route.path, route.endpoint, methods=[route.method])
