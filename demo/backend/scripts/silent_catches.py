"""Handlers that go on as if nothing had happened, in the form that ruff writes its findings.

A handler is silent when all it does is to go on with a fixed value: nothing is raised, nothing is logged and counted
(``app.log.continued``), and what comes out does not tell that something failed. Ruff knows ``pass`` and ``continue``;
this knows ``return 0`` too.
"""

import argparse
import ast
import json
from pathlib import Path

CODE = "APP001"


def is_silent(handler: ast.ExceptHandler) -> bool:
    """Does a handler only go on with a fixed value?"""

    def is_fixed(value: ast.expr | None) -> bool:
        if isinstance(value, (ast.List, ast.Tuple, ast.Set)):
            return all(is_fixed(one) for one in value.elts)
        return value is None or isinstance(value, ast.Constant) or (isinstance(value, ast.Dict) and not value.keys)

    def goes_on(statement: ast.stmt) -> bool:
        if isinstance(statement, (ast.Return, ast.Assign, ast.AnnAssign, ast.Expr)):
            return is_fixed(statement.value)
        return isinstance(statement, (ast.Pass, ast.Continue, ast.Break))

    return all(goes_on(statement) for statement in handler.body)


def findings(file: Path, text: str) -> list[dict[str, object]]:
    """What is silent in a file."""
    handlers = [node for node in ast.walk(ast.parse(text, str(file))) if isinstance(node, ast.ExceptHandler) and is_silent(node)]
    message = "goes on without a log line and a count: call app.log.continued, or let it be raised"
    place = str(file.resolve())
    return [{"filename": place, "code": CODE, "message": message, "location": {"row": one.lineno, "column": one.col_offset + 1}} for one in handlers]


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("out", type=Path)
    asked.add_argument("folders", type=Path, nargs="+")
    said = asked.parse_args()
    files = sorted(file for folder in said.folders for file in folder.rglob("*.py"))
    found = [one for file in files for one in findings(file, file.read_text(encoding="utf-8"))]
    said.out.write_text(json.dumps(found), encoding="utf-8")
    print(f"{len(files)} files, {len(found)} silent handlers")
