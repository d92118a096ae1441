"""The list of topics, and the access rules made from it: what no rule allows, a broker refuses."""

from __future__ import annotations

from shared.contracts.vocabulary import SECTORS
from shared.messaging.router import OWN_TOPIC, agency_topic
from shared.messaging.topics import SERVICES, TOPICS, USERS, agency_user, partner_topic, rules, service_user
from shared.privacy.keys import KEYS_TOPIC

_BY_NAME = {topic.name: topic for topic in TOPICS}
_RULES = rules("vongtay.")


def _may(user: str, operation: str) -> set[str]:
    return {
        rule.name for rule in _RULES if rule.user == user and rule.resource == "topic" and operation in rule.operations
    }


def test_every_topic_of_a_service_and_a_sector_is_there_once() -> None:
    assert len(_BY_NAME) == len(TOPICS)
    assert {OWN_TOPIC[service] for service in SERVICES} <= set(_BY_NAME)
    for sector in SECTORS:
        assert {f"agency.{sector}.v1", f"agency.{sector}.figures.v1", f"replies.{sector}.v1"} <= set(_BY_NAME)


def test_a_sector_writes_its_own_topics_and_reads_its_own_replies_only() -> None:
    for sector in SECTORS:
        user = agency_user(sector)
        assert _may(user, "write") == {f"vongtay.agency.{sector}.v1", f"vongtay.agency.{sector}.figures.v1"}
        assert _may(user, "read") == {f"vongtay.replies.{sector}.v1"}
        groups = [rule for rule in _RULES if rule.user == user and rule.resource == "group"]
        assert [(rule.name, rule.prefixed) for rule in groups] == [(f"vongtay.agency.{sector}.", True)]


def test_only_services_that_handle_identity_read_agencies_and_keys() -> None:
    for service in SERVICES:
        may = _may(service_user(service), "read")
        sensitive = {name for name in may if ("agency." in name and ".figures." not in name) or KEYS_TOPIC in name}
        assert bool(sensitive) == (service in {"registry", "cases"})
        assert any(".figures." in name for name in may) == (service == "stats")


def test_a_service_writes_no_other_service_s_topic() -> None:
    for service in SERVICES:
        others = {f"vongtay.{OWN_TOPIC[other]}" for other in SERVICES if other != service}
        assert not _may(service_user(service), "write") & others


def test_rules_name_known_users_only() -> None:
    assert {rule.user for rule in _RULES} == set(USERS)


def test_what_agencies_send_is_kept_for_days_and_facts_for_ever() -> None:
    day = 86_400_000
    for sector in SECTORS:
        for topic in (agency_topic(sector), agency_topic(sector, "stats")):
            assert 0 < int(_BY_NAME[topic].config()["retention.ms"]) <= 14 * day
    for service in ("registry", "cases"):
        assert _BY_NAME[OWN_TOPIC[service]].config() == {"cleanup.policy": "delete", "retention.ms": "-1"}


def test_children_s_keys_are_compacted_so_that_a_tombstone_erases() -> None:
    assert _BY_NAME[KEYS_TOPIC].config()["cleanup.policy"] == "compact"


def test_a_partner_s_topic_is_written_by_notify_alone() -> None:
    topic = partner_topic("unicef")
    assert (topic.name, topic.writers, topic.readers) == ("partner.unicef.v1", ("service-notify",), ("partner-unicef",))
