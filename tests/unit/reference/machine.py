"""Runs Structured Text as strictly as the strictest PLC: an interpreter over blark's tree.

The tree of each unit becomes a Python function. What a PLC may do differently from the next one is
an error here: arithmetic that overflows, a value that its conversion does not fit, an index out of
bounds, mixed types without a conversion, a variable read before it was written, a result not set.
AND and OR evaluate both sides. Anything beyond the part of the language that the program uses is
refused by name.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from blark import transform as tree
from blark.parse import parse_source_code

RANGES = {
    "USINT": (0, 2**8 - 1),
    "UINT": (0, 2**16 - 1),
    "UDINT": (0, 2**32 - 1),
    "INT": (-(2**15), 2**15 - 1),
    "DINT": (-(2**31), 2**31 - 1),
}
ANY_INT = "a number"
UNIT = re.compile(
    r"^(TYPE|FUNCTION_BLOCK|FUNCTION|VAR_GLOBAL)\b.*?^END_(?:TYPE|FUNCTION_BLOCK|FUNCTION|VAR)\n"
    r"(?=\n|\Z)",
    re.DOTALL | re.MULTILINE,
)


class TrapError(Exception):
    """The program did what some PLC would stop for, or do differently."""


@dataclass(frozen=True)
class Array:
    """Type of an array of one dimension."""

    low: int
    high: int
    of: Any


@dataclass
class Struct:
    """Type of a structure."""

    name: str
    fields: dict[str, Any]


@dataclass
class Unit:
    """A function or function block."""

    name: str
    result: str | None
    inputs: dict[str, Any] = field(default_factory=dict)
    in_outs: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    constants: dict[str, tuple[str, int]] = field(default_factory=dict)
    body: Any = None


class Record:
    """A value of a structure, or the variables of a function block."""

    __slots__ = ("__dict__",)

    def copy(self) -> "Record":
        twin = Record()
        for name, value in self.__dict__.items():
            setattr(twin, name, _copy(value))
        return twin


def _copy(value: Any) -> Any:
    if isinstance(value, Record):
        return value.copy()
    return [_copy(one) for one in value] if isinstance(value, list) else value


def _fit(value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise TrapError(f"{value} is not within {low} to {high}")
    return value


def _at(index: int, low: int, high: int) -> int:
    if not low <= index <= high:
        raise TrapError(f"index {index} is not within {low} to {high}")
    return index - low


def _div(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _mod(a: int, b: int) -> int:
    return a - _div(a, b) * b


@cache
def parsed(text: str) -> Any:
    """The tree of one unit; parsing takes blark a second, so equal units are parsed once."""
    return parse_source_code(text).transform().items[0]


class Machine:
    """A whole program. ``hooks`` replace units by name, called with the unit's arguments."""

    def __init__(self, text: str, hooks: dict[str, Callable[..., Any]] | None = None) -> None:
        self.types: dict[str, Any] = {}
        self.units: dict[str, Unit] = {}
        self.hooks = {name.lower(): hook for name, hook in (hooks or {}).items()}
        self.code: dict[str, Callable[..., Any]] = {
            "_fit": _fit, "_at": _at, "_div": _div, "_mod": _mod, "_copy": _copy,
        }  # fmt: skip
        self.globals: dict[str, Any] = {}
        pieces = [match[0] for match in UNIT.finditer(text)]
        left = re.sub(r"\(\*.*?\*\)", "", UNIT.sub("", text), flags=re.DOTALL).strip()
        assert not left, f"this belongs to no unit: {left}"
        for piece in pieces:
            self._declare(parsed(piece))
        for unit in self.units.values():
            exec(_Writer(self, unit).function(), self.code)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function with its arguments in the order of their declaration."""
        return self.code[f"f_{name.lower()}"](*arguments)

    def instance(self, name: str) -> Record:
        """A new instance of a function block, its variables at their first values."""
        unit = self.units[name.lower()]
        made = Record()
        for variable, type_ in (unit.inputs | unit.variables).items():
            setattr(made, variable, self.default(type_))
        return made

    def default(self, type_: Any) -> Any:
        """The first value of a type."""
        if isinstance(type_, Array):
            return [self.default(type_.of) for _ in range(type_.high - type_.low + 1)]
        if isinstance(type_, Struct):
            made = Record()
            for name, of in type_.fields.items():
                setattr(made, name, self.default(of))
            return made
        if isinstance(type_, Unit):
            return self.instance(type_.name)
        return False if type_ == "BOOL" else 0

    def _declare(self, item: Any) -> None:
        match item:
            case tree.DataTypeDeclaration(declaration=tree.StructureTypeDeclaration() as struct):
                fields = self._variables(struct.declarations)
                self.types[str(struct.name).lower()] = Struct(str(struct.name), fields)
            case tree.Function():
                self._unit(item, str(item.return_type.type))
            case tree.FunctionBlock():
                self._unit(item, None)
            case tree.GlobalVariableDeclarations():
                for one in item.items:
                    (name,) = one.spec.variables
                    self.globals[str(name).lower()] = self.default(self._type(one.init))
            case _:
                raise TrapError(f"not known here: {item}")

    def _unit(self, item: Any, result: str | None) -> None:
        unit = Unit(str(item.name).lower(), result, body=item.body)
        for section in item.declarations:
            found = self._variables(section.items)
            match section:
                case tree.InputDeclarations():
                    unit.inputs |= found
                case tree.InputOutputDeclarations():
                    unit.in_outs |= found
                case _ if section.attrs is not None:
                    for one in section.items:
                        (name,), value = one.variables, int(str(one.init.value))
                        type_ = str(one.init.spec.type)
                        _fit(value, *RANGES[type_])
                        unit.constants[str(name.name).lower()] = (type_, value)
                case tree.FunctionVariableDeclarations() | tree.VariableDeclarations():
                    unit.variables |= found
                case _:
                    raise TrapError(f"not known here: {section}")
        names = [*unit.inputs, *unit.in_outs, *unit.variables, *unit.constants]
        assert len(names) == len(set(names)), f"{unit.name}: a name is declared twice"
        self.units[unit.name] = unit
        if result is None:
            self.types[unit.name] = unit

    def _variables(self, items: list[Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for item in items:
            for variable in item.variables:
                name = str(variable.name).lower()
                assert name not in found, f"{name} is declared twice"
                found[name] = self._type(item.init)
        return found

    def _type(self, init: Any) -> Any:
        spec = init.spec
        if isinstance(spec, tree.ArraySpecification):
            (bounds,) = spec.subranges
            return Array(
                int(str(bounds.start)), int(str(bounds.stop)), self._named(spec.type.type_name)
            )
        return self._named(spec.type)

    def _named(self, name: Any) -> Any:
        text = str(name)
        return text if text in (*RANGES, "BOOL") else self.types[text.lower()]


class _Writer:
    """Translates one unit into Python."""

    def __init__(self, machine: Machine, unit: Unit) -> None:
        self.machine = machine
        self.unit = unit
        self.lines: list[str] = []

    def function(self) -> str:
        unit = self.unit
        names = [*unit.inputs, *unit.in_outs]
        if unit.result is None:
            names.insert(0, "self")
        self.lines = [f"def f_{unit.name}({', '.join(f'v_{name}' for name in names)}):"]
        if unit.name in self.machine.hooks:
            self.machine.code[f"h_{unit.name}"] = self.machine.hooks[unit.name]
            handed = ", ".join(f"v_{name}" for name in names if name != "self")
            self.line(1, f"return h_{unit.name}({handed})")
            return "\n".join(self.lines)
        if unit.result is None:
            for name in unit.inputs:
                self.line(1, f"v_self.{name} = v_{name}")
        self.statements(unit.body, 1)
        if unit.result is not None:
            self.line(1, "return r_")
        return "\n".join(self.lines)

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def statements(self, body: Any, depth: int) -> None:
        for statement in body.statements if body is not None else ():
            self.statement(statement, depth)

    def statement(self, one: Any, depth: int) -> None:
        match one:
            case tree.AssignmentStatement(variables=[target]):
                place, type_ = self.place(target, writing=True)
                value, given = self.expression(one.expression)
                assert not isinstance(type_, (Array, Unit)), f"assigned as a whole: {one}"
                self.same(type_, given, one)
                if isinstance(type_, Struct):
                    value = f"_copy({value})"
                elif given == ANY_INT:
                    value = f"_fit({value}, *{RANGES[type_]})"
                self.line(depth, f"{place} = {value}")
            case tree.IfStatement():
                self.branch("if", one.if_expression, one.statements, depth)
                for other in one.else_ifs:
                    self.branch("elif", other.if_expression, other.statements, depth)
                if one.else_clause is not None:
                    self.line(depth, "else:")
                    self.statements(one.else_clause.statements, depth + 1)
            case tree.ForStatement(step=None):
                control, type_ = self.place(one.control, writing=True)
                first, first_type = self.expression(one.from_)
                last, last_type = self.expression(one.to)
                assert type_ == "DINT", f"counted in something else than DINT: {one.control}"
                self.same(type_, first_type, one.from_)
                self.same(type_, last_type, one.to)
                self.line(depth, f"for {control} in range({first}, {last} + 1):")
                self.statements(one.statements, depth + 1)
            case tree.ExitStatement():
                self.line(depth, "break")
            case tree.ReturnStatement():
                self.line(depth, "return" + (" r_" if self.unit.result else ""))
            case tree.FunctionCallStatement():
                block, unit = self.place(one.name)
                assert isinstance(unit, Unit), f"the result is thrown away: {one}"
                self.line(depth, self.called(unit, one, [block]))
            case _:
                raise TrapError(f"not known here: {one}")

    def branch(self, word: str, condition: Any, body: Any, depth: int) -> None:
        text, type_ = self.expression(condition)
        assert type_ == "BOOL", f"no condition: {condition}"
        self.line(depth, f"{word} {text}:")
        self.statements(body, depth + 1)

    def called(self, unit: Unit, call: Any, first: list[str]) -> str:
        """A call; every parameter is given once, by name."""
        wanted = unit.inputs | unit.in_outs
        given = {str(p.name).lower(): p.value for p in call.parameters}
        assert set(given) == set(wanted), f"{call}: wants {list(wanted)}"
        handed = list(first)
        for name, type_ in wanted.items():
            text, got = self.expression(given[name])
            assert name in unit.inputs or isinstance(type_, Struct), f"{name} is no structure"
            self.same(type_, got, call)
            handed.append(f"_fit({text}, *{RANGES[type_]})" if got == ANY_INT else text)
        return f"f_{unit.name}({', '.join(handed)})"

    def same(self, wanted: Any, given: Any, where: Any) -> None:
        fits = wanted == given or (given == ANY_INT and wanted in RANGES)
        assert fits, f"{where}: {given} where {wanted} is wanted"

    def place(self, variable: Any, *, writing: bool = False) -> tuple[str, Any]:
        """Where a variable is, as Python, and its type."""
        unit = self.unit
        simple = isinstance(variable, tree.SimpleVariable)
        name = str(variable.name if simple else variable.name.name).lower()
        if name == unit.name and simple and writing and unit.result:
            return "r_", unit.result
        if name in unit.constants:
            type_, value = unit.constants[name]
            assert simple, f"a constant of several parts: {variable}"
            assert not writing, f"a constant is written: {variable}"
            return f"({value})", type_
        scopes = unit.inputs | unit.variables
        assert (name in scopes) != (name in unit.in_outs), f"{unit.name}: what is {name}?"
        own = unit.result is None and name in scopes
        text, type_ = f"v_self.{name}" if own else f"v_{name}", (scopes | unit.in_outs)[name]
        assert not (writing and simple and name not in unit.variables), f"{name} is not to write"
        for element in () if simple else variable.elements:
            if isinstance(element, tree.FieldSelector):
                field_name = str(element.field.name).lower()
                text, type_ = f"{text}.{field_name}", type_.fields[field_name]
            else:
                (index,) = element.subscripts
                at, index_type = self.expression(index)
                self.same("DINT", index_type, variable)
                text = f"{text}[_at({at}, {type_.low}, {type_.high})]"
                type_ = type_.of
        return text, type_

    def expression(self, one: Any) -> tuple[str, Any]:
        """An expression as Python, and its type."""
        match one:
            case tree.Integer():
                return str(int(str(one.value))), ANY_INT
            case tree.Boolean():
                return str(str(one).upper() == "TRUE"), "BOOL"
            case tree.SimpleVariable() | tree.MultiElementVariable():
                return self.place(one)
            case tree.ParenthesizedExpression():
                text, type_ = self.expression(one.expr)
                return f"({text})", type_
            case tree.UnaryOperation():
                text, type_ = self.expression(one.expr)
                if str(one.op).upper() == "NOT":
                    assert type_ == "BOOL", f"{one}: NOT of {type_}"
                    return f"(not {text})", "BOOL"
                return self.fitted(f"-{text}", type_), type_
            case tree.BinaryOperation():
                return self.operation(one)
            case tree.FunctionCall():
                return self.function_call(one)
            case _:
                raise TrapError(f"not known here: {one!r}")

    def function_call(self, one: Any) -> tuple[str, Any]:
        name = str(one.name).upper()
        source, _, target = name.partition("_TO_")
        if source in RANGES and target in RANGES:
            (parameter,) = one.parameters
            text, type_ = self.expression(parameter.value)
            self.same(source, type_, one)
            return self.fitted(text, target), target
        unit = self.machine.units[name.lower()]
        assert unit.result is not None, f"a function block is no function: {one}"
        return self.called(unit, one, []), unit.result

    def operation(self, one: Any) -> tuple[str, Any]:
        left, left_type = self.expression(one.left)
        right, right_type = self.expression(one.right)
        op = str(one.op).upper()
        type_ = right_type if left_type == ANY_INT else left_type
        if op in ("AND", "OR"):
            assert left_type == right_type == "BOOL", f"{one}: {op} of {left_type}, {right_type}"
            return f"({left} {'&' if op == 'AND' else '|'} {right})", "BOOL"
        self.same(type_, right_type, one)
        if op in ("=", "<>", "<", ">", "<=", ">="):
            sign = {"=": "==", "<>": "!="}.get(op, op)
            return f"({left} {sign} {right})", "BOOL"
        assert type_ in (*RANGES, ANY_INT), f"{one}: {op} of {type_}"
        if op in ("/", "MOD"):
            return f"{'_div' if op == '/' else '_mod'}({left}, {right})", type_
        assert op in ("+", "-", "*"), f"not known here: {op}"
        return self.fitted(f"({left} {op} {right})", type_), type_

    def fitted(self, text: str, type_: str) -> str:
        return text if type_ == ANY_INT else f"_fit({text}, {RANGES[type_][0]}, {RANGES[type_][1]})"
