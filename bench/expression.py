"""Worker rules such as `2 * cpus + 1` or `max(2, cpus)`: arithmetic over named integers, and nothing else."""

import ast
import operator
from collections.abc import Callable, Mapping

from bench.model import BenchError

_BINARY: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}
_CALLS: dict[str, Callable[..., int]] = {"max": max, "min": min}


def evaluate(text: str, names: Mapping[str, int], *, where: str) -> int:
    """The value of `text` over `names`, at least 1. `where` (file and key) stands in the error. Raises BenchError."""
    try:
        value = _value(ast.parse(text, mode="eval").body, names)
    except (SyntaxError, KeyError, TypeError, ValueError, ZeroDivisionError):
        raise BenchError(
            f"{where}: '{text}' is no rule; write integers, + - * //, max(), min() and the names {', '.join(sorted(names))}"
        ) from None
    if value < 1:
        raise BenchError(f"{where}: '{text}' gives {value}; it must be at least 1")
    return value


def _value(node: ast.expr, names: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            return number
        case ast.Name(id=name):
            return names[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left, names), _value(right, names))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as args, keywords=[]):
            return _CALLS[name](*(_value(arg, names) for arg in args))
    raise ValueError(ast.dump(node))
