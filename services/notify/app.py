"""Puts notify together: what it is told by events, what it sends, what it shows.

Nothing here decides anything; each part is given what it needs.
"""

from __future__ import annotations

import hmac
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from fastapi import APIRouter

from services.notify.addresses import Addresses
from services.notify.api import build_api
from services.notify.channels.base import Channel
from services.notify.channels.chat import ChatChannel
from services.notify.channels.digest_mail import DigestMail
from services.notify.channels.email import EmailChannel
from services.notify.channels.http import Guarding
from services.notify.channels.kafka import KafkaChannel, make_topic
from services.notify.channels.push import PushChannel, key_pair, public_key
from services.notify.channels.smpp import Gateway, Heard
from services.notify.channels.sms import SmsChannel
from services.notify.channels.webhook import WebhookChannel
from services.notify.climbing import Climbing
from services.notify.delivery.endpoints import Lanes
from services.notify.delivery.settling import Settler
from services.notify.delivery.worker import Deliveries
from services.notify.desk.agreements import Agreements
from services.notify.desk.calling import Calling
from services.notify.desk.contents import Contents
from services.notify.desk.desks import Desks
from services.notify.desk.dry_run import DryRun
from services.notify.desk.emergencies import Emergencies, Links
from services.notify.desk.endpoints import Endpoints
from services.notify.desk.log import DeliveryLog
from services.notify.desk.owners import Owners
from services.notify.desk.people import People
from services.notify.desk.personal import Personal
from services.notify.desk.proving import Proving
from services.notify.desk.queueing import Queueing
from services.notify.desk.replays import Replays
from services.notify.desk.subscribing import Subscribing
from services.notify.desk.telling import Desk
from services.notify.digests import Digests
from services.notify.domain import ChannelName, Telling
from services.notify.domain.proving import Codes
from services.notify.handlers import routed
from services.notify.pages import build_pages
from services.notify.pages.live import LiveInbox
from services.notify.pages.room import Room
from services.notify.receipts import Receipts
from services.notify.settings import NotifySettings
from services.notify.signing import Vault
from services.notify.texts import Texts, load_texts
from services.notify.tidying import Tidying
from services.notify.upkeep import Upkeep
from shared.messaging.service import ServiceApp, ServiceContext
from shared.reference.delivering import Delivering
from shared.reference.notify_chat import ChatShapes
from shared.reference.notify_keeping import NotifyKeepingByDay
from shared.reference.notify_ladders import Ladders
from shared.reference.notify_limits import NotifyLimitsByDay
from shared.reference.units import Units
from shared.web.pages import Pages


def build(context: ServiceContext) -> ServiceApp:
    """The notify service."""
    settings, database, clock = NotifySettings(), context.database, context.clock
    names = Units.load().names()
    pages = Pages("services.notify", unit_names=names, clock=clock)
    texts, vault = load_texts(replies=settings.sms_answered), Vault(context.keys)
    limits, keeping = Delivering.load(), NotifyKeepingByDay.load()
    queueing, telling, base_url = Queueing(limits), Telling.load(), context.settings.base_url
    people = People(context.directory, tuple(names), telling.limits)
    calling = Calling(people, queueing, telling.limits, base_url)
    links = Links(hmac.digest(context.keys.master, b"vongtay acknowledge", "sha256"), base_url)
    emergencies = Emergencies(Ladders.load(), people, calling, links)
    desk = Desk(telling, people, queueing, calling, emergencies, pages.unit_name, base_url)
    owners = Owners(desk)
    private = settings.private_allowed(context.settings.environment)
    addresses = Addresses(
        hmac.digest(context.keys.master, b"vongtay telephone numbers", "sha256"), allow_private=private
    )
    personal = Personal(database, clock, people, emergencies, telling.limits, limits)
    receipts = Receipts(database, owners, personal, addresses.key, keeping, clock)
    codes = Codes(hmac.digest(context.keys.master, b"vongtay codes of addresses", "sha256"))
    proving = _proving(context, settings, queueing, codes, telling.limits, vault, addresses)
    channels = channels_of(context, settings, texts, pages, receipts.hear)
    settler = Settler(database, channels, owners, clock, limits)
    lanes = Lanes(database, channels, vault, limits, settings, clock, lambda: people.accounts)
    replays = Replays(database, limits, clock)
    subscribing = Subscribing(
        database,
        vault,
        texts,
        telling.limits,
        clock,
        channels=tuple(channels),
        units=names,
        addresses=addresses,
        proving=proving,
        make_topic=partial(make_topic, context.settings, settings.replicas(context.settings.environment)),
    )
    event_types: partial[list[str]] = partial(list, texts.wordings)
    agreements = Agreements(database, clock, queueing, telling.limits, event_types, tuple(names), base_url, people)
    desks = Desks(
        subscribing=subscribing,
        endpoints=Endpoints(database, vault, addresses, desk, owners, replays, telling.limits, keeping, clock),
        proving=proving,
        log=DeliveryLog(database, clock),
        replays=replays,
        agreements=agreements,
        personal=personal,
        dry_run=DryRun(database, clock, telling, Ladders.load(), people),
    )
    room = Room(desks, pages, texts, database, names, public_key(_push_key(context)))
    live = LiveInbox(database, room.live, tuple(names))
    api = build_api(desks, texts, base_url, database, clock, tuple(names))
    return ServiceApp(
        router=_together(build_pages(room, live, base_url), api),
        pages=pages,
        messaging=routed(desk, Contents(queueing, base_url), texts),
        migrations=Path(__file__).parent / "migrations",
        background=[
            Deliveries(database, channels, settler, lanes, codes, limits, settings, clock).deliver,
            Upkeep(database, owners, limits, keeping, clock, channels=channels, people=lambda: people.accounts).upkeep,
            live.live_inbox,
            Digests(database, calling, clock).digests,
            Climbing(database, emergencies, clock).climbing,
            *([receipts.receipts] if "sms" in channels else []),
            Tidying(database, agreements, limits, keeping, clock).tidying,
        ],
    )


def _together(*parts: APIRouter) -> APIRouter:
    router = APIRouter()
    for part in parts:
        router.include_router(part)
    return router


def _proving(
    context: ServiceContext,
    settings: NotifySettings,
    queueing: Queueing,
    codes: Codes,
    limits: NotifyLimitsByDay,
    vault: Vault,
    addresses: Addresses,
) -> Proving:
    return Proving(
        context.database,
        queueing,
        codes,
        limits,
        context.clock,
        context.settings.base_url,
        key_of=addresses.key,
        open_target=vault.open,
        trusted=context.settings.demo_users and not settings.prove_demo,
    )


def channels_of(
    context: ServiceContext, settings: NotifySettings, texts: Texts, pages: Pages, heard: Heard
) -> dict[ChannelName, Channel]:
    """The channels that this deployment has: those that something is configured for. In: who hears the SMS gateway."""
    private = settings.private_allowed(context.settings.environment)
    channels: dict[ChannelName, Channel] = {
        "webhook": WebhookChannel(Guarding(private), settings.timeout_seconds),
        "kafka": KafkaChannel(),
    }
    if context.settings.smtp_url is not None:
        channels["email"] = EmailChannel(
            context.settings.smtp_url.get_secret_value(),
            settings.mail_from,
            texts,
            pages.unit_name,
            DigestMail(texts, pages.unit_name, pages.fragment),
            context.settings.base_url,
            settings.timeout_seconds,
        )
    channels["push"] = PushChannel(
        _push_key(context),
        f"mailto:{settings.mail_from}",
        texts,
        pages.unit_name,
        Guarding(private),
        settings.timeout_seconds,
    )
    if settings.chat_shape is not None:
        channels["chat"] = ChatChannel(
            ChatShapes.load()[settings.chat_shape],
            settings.chat_url,
            settings.chat_token.get_secret_value() if settings.chat_token else "",
            texts,
            pages.unit_name,
            # Its address is the operator's word, not a stranger's: it may be an adapter of the house.
            Guarding(allow_private=True),
            settings.timeout_seconds,
        )
    if settings.sms_url is not None:
        gateway = Gateway(settings.sms_url.get_secret_value(), settings.sms_sender, settings.sms_window, heard)
        channels["sms"] = SmsChannel(
            gateway,
            texts,
            pages.unit_name,
            per_second=settings.sms_per_second,
            timeout=settings.timeout_seconds,
            window=settings.sms_window,
        )
    return channels


def _push_key(context: ServiceContext) -> EllipticCurvePrivateKey:
    """This deployment's key towards push services; a changed one ends every browser's subscription."""
    return key_pair(hmac.digest(context.keys.master, b"vongtay web push", "sha256"))
