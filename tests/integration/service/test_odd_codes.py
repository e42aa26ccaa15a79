"""What else is printed on pieces: it ends in a disposition, and the line goes on."""

from plc_adapters.contract import Disposition
from tests.integration.service.conftest import WAYBILLS, Centre

EAN = "6901234567892"
ODD = {
    "7" * 10_000: Disposition.NOT_A_WAYBILL,
    "连云港市海州区物流": Disposition.NOT_A_WAYBILL,
    "连云港" * 1000: Disposition.NOT_A_WAYBILL,
    f"]E0{EAN}": Disposition.NOT_A_WAYBILL,
    "LYG-B00000001": Disposition.BAG,
    f"{EAN}|LYG-B00000001|{WAYBILLS[0]}": Disposition.ROUTED,
    f"{WAYBILLS[1]}|{WAYBILLS[2]}": Disposition.CONFLICT,
}


def test_each_odd_code_has_its_disposition(centre: Centre) -> None:
    labels = centre.folder / "labels.csv"
    head, *rows = labels.read_text(encoding="utf-8").splitlines()
    odd = [f"{codes},500,300,200,100" for codes in ODD]
    labels.write_text("\n".join([head, *odd, *rows]) + "\n", encoding="utf-8")
    chances = ("no_read", "removed", "discharge_failure")
    centre.start_plc(*(f"chances.{name}=0" for name in chances))
    centre.start_service()
    centre.wait_ready()
    centre.sort_all()
    centre.wait_recorded()
    found = centre.query("SELECT piece_id, disposition FROM piece ORDER BY piece_id")
    expected = [*ODD.values(), Disposition.ROUTED]
    assert [Disposition(row["disposition"]) for row in found[: len(expected)]] == expected
