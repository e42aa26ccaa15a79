"""The code automaton, against two engines that know nothing of it."""

import os
import re
import subprocess
import sys

import greenery
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from plc_adapters.contract import CODE_BYTES
from routing_tables.codes import (
    CERTAIN,
    CLASSES,
    DEAD,
    KINDS,
    LABELS,
    POSSIBLE,
    START,
    STATES_MAX,
    CodeArrays,
    compile_codes,
)
from routing_tables.errors import TableError
from routing_tables.schema import (
    BRANDS_MAX,
    CLASSES_MAX,
    WAYBILL_BYTES_MAX,
    Brand,
    Check,
    CodeClass,
    CodePattern,
    Format,
    LabelForm,
    LabelFormat,
    Network,
)
from sorter import ports
from sorter.assignment.arrays import (
    ACCEPT_CERTAIN,
    ACCEPT_CLASSES,
    ACCEPT_KEYED,
    ACCEPT_KINDS,
    ACCEPT_OPAQUE,
    ACCEPT_POSSIBLE,
    ACCEPT_SEGMENTS,
    CHECK_GS1,
    CHECK_NONE,
    CHECK_S10,
    CLASS_BAG,
    DFA_DEAD,
    DFA_START,
)


def brand(code: str, *patterns: str) -> Brand:
    return Brand(code, code, "", synthetic=True, waybills=patterns)


def match(arrays: CodeArrays, code: bytes) -> int:
    state = START
    for byte in code:
        state = int(arrays.dfa_next[state, byte])
    return int(arrays.dfa_accept[state])


def brands_of(arrays: CodeArrays, code: bytes, kind: int = POSSIBLE) -> set[int]:
    """The brands of a code's accept set, without check digits."""
    bits = int(arrays.accept_sets[match(arrays, code), Check.NONE, kind])
    return {number for number in range(1, BRANDS_MAX + 1) if bits >> (number - 1) & 1}


def problem_of(*brands: Brand, others: tuple[CodePattern, ...] = ()) -> str:
    with pytest.raises(TableError) as caught:
        compile_codes(brands, codes=others)
    return "\n".join(caught.value.problems)


def test_limits_agree_with_the_service() -> None:
    assert (DEAD, START) == (DFA_DEAD, DFA_START)
    assert (CERTAIN, POSSIBLE, CLASSES) == (ACCEPT_CERTAIN, ACCEPT_POSSIBLE, ACCEPT_CLASSES)
    forms = [LABELS + form for form in LabelForm]
    assert forms == [ACCEPT_OPAQUE, ACCEPT_SEGMENTS, ACCEPT_KEYED]
    assert KINDS == ACCEPT_KINDS
    assert [int(check) for check in Check] == [CHECK_NONE, CHECK_S10, CHECK_GS1]
    assert int(CodeClass.BAG) == CLASS_BAG
    assert WAYBILL_BYTES_MAX == CODE_BYTES
    assert (BRANDS_MAX, CLASSES_MAX) == (ports.BRANDS_MAX, ports.CLASSES_MAX)


pieces = st.sampled_from(["A", "B", "1", "-", "[A-C]", "[^A]", r"\d", r"\.", ".", "[01]"])
expressions = st.recursive(
    pieces,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["?", "*", "+", "{2}", "{0,2}", "{1,3}", "{2,}"])).map(
            lambda pair: f"({pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)
texts = st.lists(st.text("AB1-.Z", max_size=9), min_size=1, max_size=30)


@settings(max_examples=300, deadline=None)
@given(st.lists(expressions, min_size=1, max_size=3), texts)
def test_automaton_agrees_with_python(patterns: list[str], codes: list[str]) -> None:
    assume(not any(re.fullmatch(pattern, "") for pattern in patterns))
    arrays = compile_codes([brand(f"B{n}", pattern) for n, pattern in enumerate(patterns)])
    for code in codes:
        matching = {n for n, p in enumerate(patterns, 1) if re.fullmatch(p, code)}
        assert brands_of(arrays, code.encode()) == matching
        assert bool(match(arrays, code.encode())) == bool(matching)


@settings(max_examples=200, deadline=None)
@given(expressions)
def test_a_pattern_proves_its_brand_if_each_code_has_a_letter(pattern: str) -> None:
    assume(not re.fullmatch(pattern, ""))
    arrays = compile_codes((brand("A", pattern),))
    bare = greenery.parse(pattern).to_fsm() & greenery.parse("[!-@\\[-`{-~]*").to_fsm()
    proved = {bool(row[Check.NONE, CERTAIN]) for row in arrays.accept_sets[1:]}
    assert proved == {bare.empty()}


def test_what_a_code_may_be_stands_in_its_set() -> None:
    brands = (
        Brand("A", "", "", synthetic=True, waybills=("[0-9]{13}", "A[0-9]{12}")),
        Brand(
            "B", "", "", synthetic=True, waybills=("[0-9]{13}",),
            formats=(Format("[A-Z][0-9]{12}", certain=False, check=Check.S10),),
        ),
    )  # fmt: skip
    others = (
        CodePattern(CodeClass.PRODUCT, "69[0-9]{11}", Check.GS1),
        CodePattern(CodeClass.BAG, "A[0-9]{12}"),
    )
    arrays = compile_codes(brands, codes=others)
    rows = {
        code: arrays.accept_sets[match(arrays, code), :, :LABELS].tolist()
        for code in (b"6901234567892", b"1234567890123", b"A123456789012", b"Z123456789012", b"A")
    }
    assert rows == {
        b"6901234567892": [[0, 3, 0], [0, 0, 0], [0, 0, CodeClass.PRODUCT]],
        b"1234567890123": [[0, 3, 0], [0, 0, 0], [0, 0, 0]],
        b"A123456789012": [[1, 1, CodeClass.BAG], [0, 2, 0], [0, 0, 0]],
        b"Z123456789012": [[0, 0, 0], [0, 2, 0], [0, 0, 0]],
        b"A": [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
    }
    assert not arrays.accept_sets[..., LABELS:].any()


def test_whose_label_a_code_may_be_stands_in_its_set() -> None:
    label = {form: LabelFormat("[0-9]{3}(-[0-9]{2} [A-Z])?", form) for form in LabelForm}
    brands = tuple(
        Brand(code, "", "", synthetic=True, waybills=(waybill,), labels=(label[form],))
        for code, waybill, form in zip("ABC", ("[0-9]{3}", "B", "C"), LabelForm, strict=True)
    )
    arrays = compile_codes(brands)
    for code, possible in ((b"123", 1), (b"123-45 A", 0)):
        row = arrays.accept_sets[match(arrays, code)]
        assert row[Check.NONE].tolist() == [0, possible, CodeClass.LABEL, 1, 2, 4]
        assert not row[1:].any()
    assert match(arrays, b"123-45A") == 0


def test_all_brands_of_a_network_fit_a_set() -> None:
    arrays = compile_codes([brand(f"B{n}", "X") for n in range(BRANDS_MAX)])
    assert brands_of(arrays, b"X") == set(range(1, BRANDS_MAX + 1))
    assert brands_of(arrays, b"X", CERTAIN) == set(range(1, BRANDS_MAX + 1))


def test_shipped_patterns_agree_with_greenery(network: Network) -> None:
    arrays = compile_codes(network.brands)
    rng = np.random.default_rng(1)
    alphabet = np.frombuffer(b"LXEYQF0159AZ-", np.uint8)
    fsms = [
        (number, greenery.parse(pattern).to_fsm())
        for number, b in enumerate(network.brands, 1)
        for pattern in b.waybills
    ]
    heads = (b"LXE0123456789", b"LXE0123456789-01", b"Y123L123456789", b"QFZ12345678A", b"")
    accepted = 0
    for trial in range(2000):
        code = bytearray(heads[trial % len(heads)])
        for _ in range(int(rng.integers(0, 3))):
            code.insert(int(rng.integers(0, len(code) + 1)), int(rng.choice(alphabet)))
        for _ in range(int(rng.integers(0, 3))):
            if code:
                del code[int(rng.integers(0, len(code)))]
        expected = {number for number, fsm in fsms if fsm.accepts(code.decode())}
        assert brands_of(arrays, bytes(code), CERTAIN) == expected
        accepted += bool(expected)
    assert accepted > 200


def test_same_patterns_same_arrays_in_every_process() -> None:
    """Images are named by their hash, so nothing may hang on the order of Python's sets."""
    program = (
        "from routing_tables.codes import compile_codes\n"
        "from routing_tables.schema import Brand\n"
        "brand = Brand('A', 'A', '', True, ('(AB|CD|[B-F]G|X1|Y2)[0-9]{2}', 'X|Y|(Z|W)+V'))\n"
        "print([array.tolist() for array in compile_codes((brand,))])\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1


def test_dead_stays_dead_and_bytes_beyond_ascii_match_nothing() -> None:
    arrays = compile_codes((brand("A", ".{1,40}"),))
    assert not arrays.dfa_next[DEAD].any()
    assert match(arrays, b"Z" * CODE_BYTES) == 1
    assert match(arrays, b"Z" * (CODE_BYTES + 1)) == 0
    assert [match(arrays, code) for code in (b"", b" ", b"\x00", "单".encode())] == [0, 0, 0, 0]


@pytest.mark.parametrize(("pattern", "problem"), [
    ("^A$", "remove ^ and $"),
    ("A*", "matches an empty code"),
    ("A{0}", "matches an empty code"),
    ("()", "matches an empty code"),
    ("", "matches an empty code"),
    ("A{3", "no regular expression"),
    ("[B-A]", "no regular expression"),
    ("[A", "no regular expression"),
    ("(A", "no regular expression"),
    ("\\", "no regular expression"),
    ("A(?=B)", "no regular expression"),
    ("单号", "outside printable ASCII"),
    ("A\n", "outside printable ASCII"),
    ("A B", "a set that no character of a code is in"),
    ("A[]", "a set that no character of a code is in"),
    ("A{41}", "repeats something 41 times"),
    ("A{9999999999999}", "repeats something"),
    ("(A{30}){30}", "when written out"),
    ("(((((((A|){40}|){40}|){40}|){40}|){40}|){40}|){40}B", "when written out"),
    ("A{25}B{25}", "matches only codes of more than 40 bytes"),
    ("A" * 201, "longer than 200 characters"),
    ("(" * 17 + "A" + ")" * 17, "brackets within brackets"),
    ("[AB]{0,20}A[AB]{19}", f"more than {STATES_MAX} states"),
])  # fmt: skip
def test_patterns_that_are_refused(pattern: str, problem: str) -> None:
    assert problem in problem_of(brand("A", pattern))


def test_nested_repetitions_of_nothing_end() -> None:
    arrays = compile_codes((brand("A", "(((((A{0}){40}){40}){40}){40}){40}B"),))
    assert match(arrays, b"B") == 1


def test_every_bad_pattern_is_told_with_its_place() -> None:
    told = problem_of(
        brand("A", "A", "B{"),
        brand("B", "C*"),
        others=(CodePattern(CodeClass.BAG, "D"), CodePattern(CodeClass.BAG, "E{41}")),
    )
    assert "brands.A.waybills[2]: 'B{'" in told
    assert "brands.B.waybills[1]: 'C*'" in told
    assert "codes[2].pattern: 'E{41}'" in told


@settings(max_examples=500, deadline=None)
@given(st.text("AB01[]{}()|*+?\\-^$.,:dwx", max_size=25))
def test_any_text_compiles_or_is_refused(pattern: str) -> None:
    try:
        arrays = compile_codes((brand("A", pattern),))
    except TableError as error:
        assert error.problems
    else:
        assert len(arrays.dfa_next) <= STATES_MAX + 1
