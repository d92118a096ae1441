"""Long work says how far it is, also where nobody looks at a terminal, and what was refused is told apart."""

import pytest

from agency.publisher import FileReport
from local.cli import data, output


def test_into_a_file_progress_goes_to_standard_error_and_not_with_every_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(output.time, "monotonic", lambda: now)
    with output.progress("Publishing…") as say:
        for row in range(1, 61):
            now += 0.125
            say(f"Publishing [calls].csv: {row} rows…")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [f"Publishing [calls].csv: {row} rows…" for row in (24, 48)]


def test_each_refused_row_has_its_field_its_rule_and_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    report = FileReport("calls.csv", rows=1)
    said = {"field": "data.age", "rule": "range", "message_vi": "Tuổi không đúng.", "message_en": "Not an age."}
    report.reject(7, [said])
    data._print_reports([report])
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("field", "rule", "reason", "data.age", "range", "Not an age."))
