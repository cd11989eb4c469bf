"""What constructors take, read from their source: names, types, defaults, descriptions; without TensorFlow.

Importing a model imports TensorFlow, which takes seconds; `--help` should not. A class is named as
"package.module:Class"; its options are the arguments of `__init__`, or the fields of a dataclass, and their
descriptions those of its docstring.
"""

import ast
import dataclasses
import functools
import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

_NUMBERS = {"int": int, "float": float}


@dataclasses.dataclass(frozen=True)
class Option:
    """One argument of a constructor.

    Attributes:
        name: of the argument.
        kind: of its value, or of each of its values: int, float, str or bool.
        is_list: whether it takes several.
        is_open: whether it may be None, which is written `auto`: it is found when the run begins.
        default: what it is if it is not given.
        description: from the docstring.
    """

    name: str
    kind: type
    is_list: bool
    is_open: bool
    default: Any
    description: str


@functools.cache
def options_of(path: str) -> dict[str, Option]:
    """The options of a class by name, in the order of its constructor.

    Args:
        path: "package.module:Class".

    Raises:
        LookupError: there is no such class.
    """
    module, _, name = path.partition(":")
    package, *inner = module.split(".")
    # Of the package alone: looking for an inner module would import the packages around it.
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise LookupError(f"there is no package {package}")
    source = Path(spec.origin).parent.joinpath(*inner).with_suffix(".py")
    tree = ast.parse(source.read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if name not in classes:
        raise LookupError(f"{module} has no class {name}")
    descriptions = _descriptions(ast.get_docstring(classes[name]) or "")
    options = {}
    for argument, annotation, default in _arguments(classes[name]):
        option = _option(argument, annotation, default, descriptions.get(argument, ""))
        if option is not None:
            options[argument] = option
    return options


def _arguments(node: ast.ClassDef) -> list[tuple[str, str, ast.expr]]:
    """(name, annotation, default) of what a constructor takes, as far as it has both."""
    found: list[tuple[str, str, ast.expr]] = []
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            found.append((ast.unparse(statement.target), ast.unparse(statement.annotation), statement.value))
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            spec = statement.args
            pairs = list(zip(spec.kwonlyargs, spec.kw_defaults, strict=True))
            pairs = [
                *zip(spec.args[len(spec.args) - len(spec.defaults) :], spec.defaults, strict=True),
                *pairs,
            ]
            found = [
                (argument.arg, ast.unparse(argument.annotation), default)
                for argument, default in pairs
                if argument.annotation is not None and default is not None
            ]
    return found


def _option(name: str, annotation: str, default: ast.expr, description: str) -> Option | None:
    """The option, or None if it is an object, which no flag can write."""
    is_open = annotation.endswith(" | None")
    plain = annotation.removesuffix(" | None")
    is_list = plain.startswith("Sequence[")
    element = plain.removeprefix("Sequence[").removesuffix("]")
    kinds: dict[str, type] = {**_NUMBERS, "str": str, "bool": bool}
    if element not in kinds:
        return None
    # Defaults are constants, or computed from constants, such as 0.01 / 500.
    value = eval(compile(ast.Expression(default), name, "eval"), {"__builtins__": {}})
    return Option(name, kinds[element], is_list, is_open, value, description)


def _descriptions(docstring: str) -> dict[str, str]:
    """What the section `Args:` or `Attributes:` of a docstring says of each name."""
    text = inspect.cleandoc(docstring)
    section = re.split(r"^(?:Args|Attributes):$", text, maxsplit=1, flags=re.MULTILINE)[-1]
    pattern = r"^    (\w+): (.*(?:\n {8}.*)*)"
    return {name: " ".join(said.split()) for name, said in re.findall(pattern, section, re.MULTILINE)}
