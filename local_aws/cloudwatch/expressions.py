"""Parses and evaluates expressions of CloudWatch's metric math.

The grammar is close to Python's: after the few operators with another spelling are translated, Python's parser reads
it. Every construct that metric math does not have is refused. ``math_functions`` has the operators and functions.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import ast
import functools
import operator
import re
from typing import TYPE_CHECKING

from local_aws.cloudwatch.math_functions import (
    FUNCTIONS,
    UNSUPPORTED,
    Argument,
    Context,
    ExpressionError,
    Function,
    Grid,
    Value,
    array,
    combine,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Context", "Expression", "ExpressionError", "Grid", "Value", "is_id"]

MAX_LENGTH = 2048

_ID = re.compile(r"[a-z][a-zA-Z0-9_]{0,254}")
_TOKEN = re.compile(r"\"[^\"]*\"|'[^']*'|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|&&|\|\||\^|[A-Za-z_]\w*")
_SPELT = {"&&": " and ", "||": " or ", "AND": " and ", "OR": " or ", "^": "**"}
_OPERATORS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.And: lambda a, b: a != 0 and b != 0,
    ast.Or: lambda a, b: a != 0 or b != 0,
}
_NODES = (
    ast.Name,
    ast.Load,
    ast.Constant,
    ast.List,
    ast.UnaryOp,
    ast.USub,
    ast.BinOp,
    ast.BoolOp,
    ast.Compare,
    ast.Call,
)


def is_id(text: str) -> bool:
    """Whether ``text`` is a valid id of a query."""
    return _ID.fullmatch(text) is not None


class Expression:
    """A parsed and checked expression; ``ids`` are the queries that it refers to. Raises ``ExpressionError``."""

    def __init__(self, text: str) -> None:
        if not text.strip() or len(text) > MAX_LENGTH:
            raise ExpressionError(f"an expression has 1 to {MAX_LENGTH} characters")
        self.text = text
        try:
            self._tree = ast.parse(_TOKEN.sub(_respell, " ".join(text.split())), mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            raise ExpressionError(f"syntax error in the expression {text!r}") from None
        self.ids = _check(self._tree)

    def evaluate(self, values: Mapping[str, Value], context: Context) -> Value:
        """The expression's value; ``values`` has the value of every id in it. Raises ``ExpressionError``."""
        return _evaluate(self._tree, values, context)


def _respell(token: re.Match[str]) -> str:
    text = token[0]
    # Ids get an underscore as prefix, because `in` and `is` are valid ids but keywords of Python.
    return _SPELT.get(text, f"_{text}" if is_id(text) else text.replace("_", "?") if text[0] == "_" else text)


def _check(tree: ast.expr) -> frozenset[str]:
    """The ids in a tree. Raises ``ExpressionError`` for any construct that metric math does not have."""
    ids: set[str] = set()
    call_parts: set[ast.AST] = set()  # nodes that are valid only inside a call: its name, its words and strings
    for node in ast.walk(tree):  # breadth first: a call comes before its arguments
        if not isinstance(node, _NODES) and type(node) not in _OPERATORS:
            raise ExpressionError("syntax error: not a construct of metric math")
        if isinstance(node, ast.Compare) and len(node.ops) != 1:
            raise ExpressionError("comparisons cannot be chained: use AND")
        if isinstance(node, ast.Call):
            call_parts |= _check_call(node)
        elif isinstance(node, ast.Constant) and node not in call_parts and type(node.value) not in (int, float):
            raise ExpressionError("only numbers are constants")
        elif isinstance(node, ast.Name) and node not in call_parts:
            ids.add(_name(node))
    return frozenset(ids)


def _name(node: ast.Name) -> str:
    if not node.id.startswith("_") or not is_id(node.id[1:]):
        raise ExpressionError(f"unknown identifier {node.id!r}: ids start with a lowercase letter")
    return node.id[1:]


def _check_call(call: ast.Call) -> set[ast.AST]:
    """The call's nodes that are no values: the function's name, and words and strings among the arguments."""
    name = call.func.id if isinstance(call.func, ast.Name) else "?"
    if name == "SQRT":
        raise ExpressionError("CloudWatch has no function SQRT: write (...) ^ 0.5")
    if name in UNSUPPORTED:
        raise ExpressionError(f"{name} is not emulated")
    if name not in FUNCTIONS or call.keywords:
        raise ExpressionError(f"CloudWatch has no function {name.removeprefix('_')}")
    function = FUNCTIONS[name]
    if len(call.args) not in function.arity:
        raise ExpressionError(f"{name} takes {' or '.join(map(str, function.arity))} arguments, not {len(call.args)}")
    return {call.func, *(part for part in call.args if _text(part, function) is not None)}


def _text(node: ast.AST, function: Function) -> str | None:
    """An argument that is no value: FILL's word REPEAT or LINEAR, or the string of METRICS; None for values."""
    if isinstance(node, ast.Name) and node.id in function.words:
        return node.id
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and function.takes == "text":
        return node.value
    return None


def _evaluate(node: ast.expr, values: Mapping[str, Value], context: Context) -> Value:
    value: Value
    match node:
        case ast.Name():
            value = values[_name(node)]
        case ast.List(elts=parts):
            value = [series for part in parts for series in array(_evaluate(part, values, context))]
        case ast.UnaryOp(operand=operand):
            value = combine(operator.sub, 0.0, _evaluate(operand, values, context))
        case ast.BinOp(left=left, op=symbol, right=right) | ast.Compare(left=left, ops=[symbol], comparators=[right]):
            sides = _evaluate(left, values, context), _evaluate(right, values, context)
            value = combine(_OPERATORS[type(symbol)], *sides)
        case ast.BoolOp(op=logical, values=parts):
            operands = [_evaluate(part, values, context) for part in parts]
            value = functools.reduce(functools.partial(combine, _OPERATORS[type(logical)]), operands)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            function = FUNCTIONS[name]
            value = function.apply(context, [_argument(part, function, values, context) for part in arguments])
        case ast.Constant(value=int() | float() as number):
            value = float(number)
        case _:
            raise ExpressionError("syntax error: not a construct of metric math")
    return value


def _argument(node: ast.expr, function: Function, values: Mapping[str, Value], context: Context) -> Argument:
    if function.takes == "id" and isinstance(node, ast.Name):
        return _name(node)
    text = _text(node, function)
    return _evaluate(node, values, context) if text is None else text
