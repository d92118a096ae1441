"""A clock that can stand in the past and comes home: how months of work are done in a minute, with honest dates."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.web.pages import utc_now


class TravellingClock:
    """Now, moved by as much as it was told to. It runs on wherever it stands."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        """The moment it shows, aware UTC."""
        return utc_now() + self._ahead

    def go(self, moment: datetime) -> None:
        """Show that moment now."""
        self._ahead = moment - utc_now()

    def come_home(self) -> None:
        """Show the real time again."""
        self._ahead = timedelta()
