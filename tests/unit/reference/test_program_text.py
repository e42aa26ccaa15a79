"""The reference program as text: parsed by blark, the same in both dialects, fit for every PLC."""

import re

import pytest

from plc_adapters.mailbox.register_map import MapError
from plc_adapters.reference.constants import Size, constants
from plc_adapters.reference.render import as_scl, as_st
from tests.unit.reference.machine import UNIT, Array, Machine, Struct, parsed

COMMENT = re.compile(r"\(\*.*?\*\)", re.DOTALL)
TOKENS = re.compile(r'"\w+"|#?\w+|\'[^\']*\'|:=|<>|<=|>=|\.\.|\S')
KEPT = """
abs action and any array at begin block bool by byte case char configuration const constant
    continue data_block date default dint div do dword else elsif end exit false for from function
    global goto if in int interval label ld left len limit lint lreal lword max method mid min mod
    move mux next nil not of on or organization_block override pointer priority private program
    public real read_only read_write ref ref_to repeat replace resource ret retain return right rol
    ror sel shl shr single sint step string struct task then time to tod transition true type udint
    uint ulint union until usint using var void when while with word wstring xor"""
RESERVED = set(KEPT.split())
"""Words that IEC 61131-3 or SCL keeps for itself, and that a program might want as names."""
WORDS = RESERVED | {
    "end_function", "end_function_block", "end_if", "end_for", "end_type", "end_struct", "end_var",
    "function_block", "var_input", "var_in_out", "var_temp", "version", "s7_optimized_access",
    "end_data_block", "non_retain",
}  # fmt: skip
CONVERSION = re.compile(r"(usint|uint|udint|int|dint)_to_(usint|uint|udint|int|dint)$")


def test_blark_parses_every_unit_of_the_structured_text() -> None:
    text = as_st(Size())
    units = [parsed(match[0]) for match in UNIT.finditer(text)]
    assert not COMMENT.sub("", UNIT.sub("", text)).strip(), "something belongs to no unit"
    heads = re.findall(r"^(?:TYPE|FUNCTION|FUNCTION_BLOCK|VAR_GLOBAL)\b", text, re.MULTILINE)
    assert len(units) == len(heads)


def test_no_name_is_a_reserved_word() -> None:
    machine = Machine(as_st(Size()))
    for unit in machine.units.values():
        names = {*unit.inputs, *unit.in_outs, *unit.variables, *unit.constants, unit.name}
        assert not names & RESERVED, unit.name
    for type_ in machine.types.values():
        if isinstance(type_, Struct):
            assert not set(type_.fields) & RESERVED, type_.name


def test_scl_is_the_same_program() -> None:
    """Less its four differences, which the renderer names, SCL has the tokens of the ST."""
    st = COMMENT.sub("", as_st(Size()))
    scl = COMMENT.sub("", as_scl(Size()))
    scl = scl.replace("{ S7_Optimized_Access := 'FALSE' }\n", "").replace("VERSION : 0.1\n", "")
    scl = re.sub(r'^TYPE "(\w+)"$', r"TYPE \1 :", scl, flags=re.MULTILINE)
    scl = re.sub(r"^BEGIN\n", "", scl, flags=re.MULTILINE)
    scl = scl.replace("VAR_TEMP", "VAR").replace('"', "").replace("#", "")
    blocks = re.findall(r"DATA_BLOCK (\w+)\nNON_RETAIN\n(\w+)\nEND_DATA_BLOCK\n", scl)
    scl = re.sub(r"DATA_BLOCK.*?END_DATA_BLOCK\n", "", scl, flags=re.DOTALL)
    scl += "VAR_GLOBAL\n" + "".join(f"{name} : {type_};\n" for name, type_ in blocks) + "END_VAR\n"
    assert TOKENS.findall(scl) == TOKENS.findall(st)


def test_every_name_in_scl_is_marked_as_what_it_is() -> None:
    text = COMMENT.sub("", as_scl(Size()))
    defined = set(re.findall(r'^(?:TYPE|FUNCTION|FUNCTION_BLOCK) "(\w+)"', text, re.MULTILINE))
    for body in re.findall(r"^BEGIN\n(.*?)^END_", text, re.DOTALL | re.MULTILINE):
        depth, tokens = 0, ["", *TOKENS.findall(body), ""]
        for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
            depth += (token == "(") - (token == ")")
            if token.startswith('"'):
                assert token.strip('"') in defined
                assert after == "(", token
            elif re.match(r"[A-Za-z_]", token) and before != ".":
                parameter = depth > 0 and after == ":="
                assert parameter or token.lower() in WORDS or CONVERSION.match(token.lower()), token


def test_the_image_is_the_mailbox() -> None:
    types = Machine(as_st(Size(event_slots=64))).types
    seat = types["mailboxseat"]
    assert seat.fields == {"registers": Array(0, 583, "UINT")}
    assert types["mailboximage"].fields == {
        "header": Array(0, 39, "UINT"),
        "seats": Array(0, 1, seat),
        "events": Array(0, 64 * 40 - 1, "UINT"),
    }


def test_heading_says_which_registers() -> None:
    for print_as in (as_st, as_scl):
        text = print_as(Size(base_address=4096, event_slots=8, chutes=7))
        assert "1528 registers in one piece, as holding registers 4096 to 5623." in text
        assert "chutes up to number 7." in text
        text.encode("ascii")


@pytest.mark.parametrize(
    ("size", "setting"),
    [
        (Size(event_slots=100), "event_slots"),
        (Size(base_address=60_000), "base_address"),
        (Size(cells=0), "cells"),
        (Size(cells=65_536), "cells"),
        (Size(chutes=1024), "chutes"),
        (Size(backlog_slots=3), "backlog_slots"),
        (Size(backlog_slots=10_001), "backlog_slots"),
    ],
)
def test_what_cannot_be_is_refused(size: Size, setting: str) -> None:
    for print_as in (as_st, as_scl):
        with pytest.raises(MapError) as refused:
            print_as(size)
        assert refused.value.setting == setting
        assert "give" in refused.value.why


def test_an_image_larger_than_a_data_block_is_refused_for_scl_alone() -> None:
    assert "42168 registers" in as_st(Size(event_slots=1024))
    with pytest.raises(MapError, match="84336 bytes") as refused:
        as_scl(Size(event_slots=1024))
    assert refused.value.setting == "event_slots"


def test_every_constant_fits_its_type() -> None:
    limits = {"INT": 2**15, "DINT": 2**31, "UINT": 2**16, "UDINT": 2**32}
    for name, constant in constants(Size()).items():
        assert -1 <= constant.value < limits[constant.type], name
