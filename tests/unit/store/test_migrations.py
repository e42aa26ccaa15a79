"""Migrations are numbered without a gap."""

from pathlib import Path

import pytest

from sorter.store.migrate import load_migrations


def test_ours_are_in_order() -> None:
    migrations = load_migrations()
    assert [m.version for m in migrations] == list(range(1, len(migrations) + 1))
    assert migrations[0].name == "records"
    assert len(migrations[0].checksum) == 64


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1_records.sql"], "NNNN_name"),
        (["0001_a.sql", "0003_b.sql"], "number 0002"),
        (["0001_a.sql", "0001_b.sql"], "number 0002"),
        (["0002_a.sql"], "number 0001"),
    ],
)
def test_misnumbered_files_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_migrations(tmp_path)
