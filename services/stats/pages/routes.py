"""All pages of indicators as one router."""

from __future__ import annotations

from fastapi import APIRouter

from services.stats.api.indicators import IndicatorApi
from services.stats.figures.evaluating import Evaluator
from services.stats.pages.behind import BehindPages
from services.stats.pages.communes import CommunePages
from services.stats.pages.indicator import IndicatorPages
from services.stats.pages.looking import Looking
from services.stats.pages.province import ProvincePages
from services.stats.pages.quality import QualityPages
from services.stats.pages.records import RecordPages
from services.stats.pages.report import ReportPages
from services.stats.upkeep.checking import Upkeep
from shared.web.pages import Pages


def indicator_pages(
    looking: Looking, api: IndicatorApi, pages: Pages, upkeep: Upkeep, evaluator: Evaluator
) -> APIRouter:
    """Routes below `/stats` for people: province, indicators, communes, comparison, reports, quality."""
    province = ProvincePages(looking, pages)
    router = APIRouter()
    router.include_router(province.router)
    router.include_router(IndicatorPages(looking, pages).router)
    router.include_router(RecordPages(api, looking, pages).router)
    router.include_router(CommunePages(looking, pages, province).router)
    router.include_router(ReportPages(looking, pages).router)
    router.include_router(QualityPages(looking, pages, upkeep, evaluator).router)
    router.include_router(BehindPages(looking, evaluator, pages).router)
    return router
