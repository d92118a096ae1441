"""Two lists against each other: the samples, and made-up ones of seeds that no rule was set by."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import rosters

from bench._labelled_pairs import make, write
from services.registry.bulk.comparing import COLUMNS, compare_files
from shared.files.problems import FileProblem


def _decided(path: Path, decision: str) -> set[tuple[str, str]]:
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(tuple(row) == COLUMNS for row in rows)
    return {(row["a"], row["b"]) for row in rows if row["decision"] == decision}


def test_the_sample_lists_are_matched(tmp_path: Path) -> None:
    out = tmp_path / "pairs.csv"
    totals = compare_files(rosters.SAMPLES / "duplicates-a.csv", rosters.SAMPLES / "duplicates-b.csv", out)
    truth = {(a, b) for b, a in rosters.true_pairs().items()}
    same = _decided(out, "same")
    right = len(same & truth)
    assert totals.same == len(same)
    assert right / len(same) >= 0.995
    assert 2 * right / (len(same) + len(truth)) >= 0.99
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("seed", [11, 12])
def test_lists_full_of_slips_and_look_alikes_are_matched(tmp_path: Path, seed: int) -> None:
    made, out = make(2_000, seed), tmp_path / "pairs.csv"
    write(tmp_path / "a.csv", made.a)
    write(tmp_path / "b.csv", made.b)
    compare_files(tmp_path / "a.csv", tmp_path / "b.csv", out)
    same, unsure = _decided(out, "same"), _decided(out, "unsure")
    assert len(same & made.truth) / len(same) >= 0.995
    assert len(same & made.truth) / len(made.truth) >= 0.96
    assert len((same | unsure) & made.truth) / len(made.truth) >= 0.99


def test_a_list_without_names_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,birth_date\n1,2016-03-09\n", "utf-8")
    with pytest.raises(FileProblem) as problem:
        compare_files(tmp_path / "a.csv", tmp_path / "a.csv", tmp_path / "pairs.csv")
    assert problem.value.rule == "columns"
    assert not (tmp_path / "pairs.csv").exists()


def test_lists_with_dates_of_every_kind_and_an_empty_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name,birth_date,mother,father,unit\n", "utf-8")
    rows = "1,Nguyễn Thị Hà,31/02/2016,Lý Lan,Ma An,02176\n2,Ma Anh,2016,,,\n3,,,,,\n"
    (tmp_path / "b.csv").write_text("id,name,birth_date,mother,father,unit\n" + rows, "utf-8")
    totals = compare_files(tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "pairs.csv")
    assert (totals.a, totals.b, totals.same) == (0, 3, 0)
