"""Puts statistics together: what is counted, what is shown, what runs beside it. Nothing here decides anything."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

from services.stats.announcing import Announcing
from services.stats.api.figures import FigureApi
from services.stats.api.indicators import IndicatorApi
from services.stats.api.periods import period_routes
from services.stats.api.upkeep import UpkeepApi
from services.stats.desk.freezing import Freezing
from services.stats.desk.period_reader import PeriodReader
from services.stats.desk.periods import PURPOSE, Periods
from services.stats.figures.comparing import Comparing
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.releasing import Releasing
from services.stats.figures.taking import Taking
from services.stats.handlers.agencies import routes
from services.stats.handlers.counting import TOPICS, Counting
from services.stats.handlers.recording import GATHERS_SECONDS, Pace, Recording
from services.stats.handlers.recording import TOPICS as HISTORY_TOPICS
from services.stats.pages.board import BoardPages
from services.stats.pages.live_board import Board
from services.stats.pages.looking import Looking
from services.stats.pages.periods import PeriodPages
from services.stats.pages.rebuilding import RebuildPages
from services.stats.pages.routes import indicator_pages
from services.stats.store.releases import Releases
from services.stats.thresholds import Watching
from services.stats.upkeep.checking import Upkeep
from services.stats.upkeep.compacting import Compacting
from services.stats.upkeep.progress import Progress
from services.stats.upkeep.rebuild import Rebuild
from services.stats.upkeep.rebuilding import Rebuilding
from shared.messaging.service import BatchConsumer, ServiceApp, ServiceContext
from shared.privacy.signing import SigningKey
from shared.reference.units import Units
from shared.web.pages import Pages

# As the lanes of a service's own handlers (decision 0004): what comes alone is counted at once, what follows close
# behind together.
_PACE_SECONDS = 0.02
_RESTS = 1.0


def build(context: ServiceContext) -> ServiceApp:
    """The stats service."""
    units = Units.load()
    database, clock = context.database, context.clock
    pages = Pages("services.stats", unit_names=units.names(), clock=clock)
    counting = Counting(database, context.keys, clock)
    pace = Pace()
    recording = Recording(database, context.keys, clock, pace=pace)
    board = Board(database, pages, clock, units.codes())
    rebuild = Rebuild(database, context.keys, context.settings, clock)
    upkeep = Upkeep(database, clock)
    compacting = Compacting(database, clock, upkeep)
    progress = Progress(database, context.settings)
    evaluator = Evaluator(units=units)
    releasing = Releasing(Releases(), evaluator, evaluator.indicators)
    comparing = Comparing(releasing)
    periods = Periods(
        database,
        clock,
        Freezing(database, evaluator, releasing),
        Taking(evaluator.count, evaluator, evaluator.indicators),
        upkeep,
        progress.history_holds_all,
        SigningKey(context.keys.master, PURPOSE),
        evaluator.indicators,
    )
    reader = PeriodReader(periods, pages.texts)
    router = APIRouter()
    indicator_api = IndicatorApi(database, clock, evaluator, comparing)
    router.include_router(FigureApi(database, clock, evaluator).router)
    router.include_router(UpkeepApi(progress, rebuild, upkeep, compacting).router)
    router.include_router(indicator_api.router)
    router.include_router(period_routes(periods, reader))
    router.include_router(BoardPages(board, pages, units.codes()).router)
    rebuild_pages = RebuildPages(rebuild, compacting, upkeep, pages)
    router.include_router(rebuild_pages.router)
    router.include_router(PeriodPages(periods, reader, pages, clock).router)
    router.include_router(
        indicator_pages(Looking(database, releasing, evaluator, pages, clock), indicator_api, pages, upkeep, evaluator)
    )
    return ServiceApp(
        router=router,
        pages=pages,
        messaging=routes(units, evaluator.indicators),
        migrations=Path(__file__).parent / "migrations",
        background=[
            board.live_board,
            Announcing(database, clock, evaluator).announce,
            Watching(database, clock, evaluator).watch_thresholds,
            Rebuilding(context, rebuild).rebuild_when_asked,
            rebuild_pages.follow,
            upkeep.look_after_figures,
            compacting.compact_when_due,
            periods.look_after_periods,
        ],
        batches=[
            BatchConsumer(
                "stats", TOPICS, counting.begin, pace.watched(counting.handle), pace=_PACE_SECONDS, rests=_RESTS
            ),
            BatchConsumer("stats-history", HISTORY_TOPICS, recording.begin, recording.handle, gathers=GATHERS_SECONDS),
        ],
    )
