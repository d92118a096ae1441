"""Live parts: newest only, for many at once, within limits. Charts: pictures for reports and mail."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from shared.web.charts import chart, score_line
from shared.web.live import Hub

NOW = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)


async def next_event(stream: AsyncIterator[bytes]) -> bytes:
    async with asyncio.timeout(2):
        return await anext(stream)


def make_hub(**options: float) -> Hub:
    return Hub(per_second=100, clock=lambda: NOW, **options)  # type: ignore[arg-type]


async def test_a_watcher_gets_the_newest_fragment_only() -> None:
    hub = make_hub()
    stream = hub.stream(["board"])
    assert b"event: beat" in await next_event(stream)
    for number in range(50):
        hub.publish("board", f"<b>{number}</b>")
    event = (await next_event(stream)).decode()
    assert event.count("event: board") == 1
    await asyncio.sleep(0.05)
    hub.publish("board", "last")
    assert "data: last" in (await next_event(stream)).decode()
    hub.close()


async def test_a_fragment_is_made_once_however_many_watch() -> None:
    hub = make_hub()
    made = []
    streams = [hub.stream(["board"]) for _ in range(20)]
    for stream in streams:
        await next_event(stream)
    hub.publish("board", lambda: made.append(1) or "figures")  # type: ignore[func-returns-value]
    events = [await next_event(stream) for stream in streams]
    assert len(made) == 1
    assert all(b"data: figures" in event for event in events)
    hub.close()


async def test_what_very_many_watch_is_sent_less_often_and_its_last_fragment_still_comes() -> None:
    hub = make_hub()
    streams = [hub.stream(["board"]) for _ in range(300)]
    for stream in streams:
        await next_event(stream)
    assert hub.due_in("board") == 0
    hub.publish("board", "one")
    for stream in streams:
        await next_event(stream)
    # A hundred times a second for a few, but 300 times 0.3 milliseconds apart for so many.
    assert 0.05 < hub.due_in("board") <= 0.1
    hub.publish("board", "two")
    assert all([b"data: two" in await next_event(stream) for stream in streams])
    assert hub.due_in("unheard-of") == 0
    hub.close()


async def test_a_page_that_comes_back_gets_what_it_missed_and_nothing_twice() -> None:
    hub = make_hub()
    first = hub.stream(["board"])
    await next_event(first)
    hub.publish("board", "one")
    seen = (await next_event(first)).decode().split("id: ")[1].split("\n")[0]
    await first.aclose()  # type: ignore[attr-defined]
    caught_up = hub.stream(["board"], seen)
    await next_event(caught_up)
    hub.publish("board", "two")
    assert b"data: two" in await next_event(caught_up)
    behind = hub.stream(["board"], seen)
    await next_event(behind)
    assert b"data: two" in await next_event(behind)
    hub.close()


async def test_html_of_several_lines_stays_one_event() -> None:
    hub = make_hub()
    stream = hub.stream(["board"])
    await next_event(stream)
    hub.publish("board", "<ul>\n<li>\r\n</ul>")
    lines = (await next_event(stream)).decode().strip().split("\n")
    assert [line for line in lines if line.startswith("data: ")] == ["data: <ul>", "data: <li>", "data: </ul>"]
    hub.close()


async def test_a_silent_line_shows_signs_of_life() -> None:
    hub = make_hub(heartbeat=0.02)
    stream = hub.stream(["board"])
    await next_event(stream)
    assert b"event: beat\ndata: 2026-11-24T01:30:00+00:00" in await next_event(stream)
    hub.close()


async def test_a_stream_ends_in_its_time_so_that_whoever_signed_out_sees_no_more_and_the_page_asks_again() -> None:
    hub = make_hub(lifetime=0.2)
    streams = [hub.stream(["board"]) for _ in range(3)]
    began = asyncio.get_running_loop().time()
    for stream in streams:
        await next_event(stream)
    hub.publish("board", "before the end")
    for stream in streams:
        found = b"".join([piece async for piece in stream])
        assert b"data: before the end" in found
        assert found.endswith(b"event: again\ndata: .\n\n")
    assert 0.1 < asyncio.get_running_loop().time() - began < 1
    assert hub.watchers == 0
    hub.close()


async def test_a_page_that_went_away_is_not_waited_for() -> None:
    """Nothing is left to run of a stream that ended early."""
    hub = make_hub(lifetime=0.05)
    stream = hub.stream(["board"])
    await next_event(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    assert hub.watchers == 0
    await asyncio.sleep(0.1)
    hub.close()


async def test_invented_topics_do_not_stay_in_memory() -> None:
    hub = make_hub()
    stream = hub.stream([f"invented-{number}" for number in range(100)])
    await next_event(stream)
    assert hub.watched("invented-1")
    await stream.aclose()  # type: ignore[attr-defined]
    assert hub.watchers == 0
    assert hub._topics == {}


@pytest.mark.parametrize("topic", ["", "a b", "a\nevent: x", "x" * 121])
async def test_a_topic_cannot_break_out_of_its_event(topic: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        make_hub().publish(topic, "x")


async def test_closing_ends_every_stream() -> None:
    hub = make_hub()
    streams = [hub.stream(["board"]) for _ in range(3)]
    for stream in streams:
        await next_event(stream)
    hub.close()
    for stream in streams:
        with pytest.raises(StopAsyncIteration):
            await next_event(stream)


def test_the_course_of_a_score_is_seen_though_it_moves_by_a_point() -> None:
    def heights(scores: list[float]) -> list[float]:
        drawn = score_line(scores)
        assert drawn is not None
        points = re.search(r'points="([^"]+)"', drawn)
        assert points is not None
        return [float(place.split(",")[1]) for place in points.group(1).split()]

    assert score_line([]) is None
    assert score_line([84.2]) is None
    first, last = heights([84.0, 86.0])
    assert first - last > 5
    # What never moved is no fall to nought.
    assert heights([84.2, 84.2]) == [15.0, 15.0]


def test_a_chart_becomes_a_picture_for_reports_and_mail() -> None:
    spec = {
        "data": {"values": [{"x": "Phường Phan Đình Phùng", "y": 3}]},
        "mark": "bar",
        "encoding": {"x": {"field": "x", "type": "nominal"}, "y": {"field": "y", "type": "quantitative"}},
    }
    made = chart("c", "Số vụ", spec, ["Nơi", ("Số vụ", "number")], [["Phường Phan Đình Phùng", "3"]])
    assert "Phan Đình Phùng" in made.to_svg()
    assert made.to_png(scale=1).startswith(b"\x89PNG")
