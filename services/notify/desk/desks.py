"""Everything that pages and the API ask, in one hand."""

from __future__ import annotations

from dataclasses import dataclass

from services.notify.desk.agreements import Agreements
from services.notify.desk.dry_run import DryRun
from services.notify.desk.endpoints import Endpoints
from services.notify.desk.log import DeliveryLog
from services.notify.desk.personal import Personal
from services.notify.desk.proving import Proving
from services.notify.desk.replays import Replays
from services.notify.desk.subscribing import Subscribing


@dataclass(frozen=True, slots=True)
class Desks:
    """Each decides for itself whose what is; who asks decides nothing."""

    subscribing: Subscribing
    endpoints: Endpoints
    proving: Proving
    log: DeliveryLog
    replays: Replays
    agreements: Agreements
    personal: Personal
    dry_run: DryRun
