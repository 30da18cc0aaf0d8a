"""Holds the house's size limits: files stop at 500 lines, functions at 60. Prints the ten largest of each."""

import ast
import sys
from pathlib import Path

FILE_LIMIT, FUNCTION_LIMIT = 500, 60
ROOTS = ("src", "tests", "bench")


def functions(path: Path) -> list[tuple[int, str]]:
    tree = ast.parse(path.read_text())
    defs = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [(_lines(node), f"{path.name}:{node.lineno} {node.name}") for node in defs]


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def report(title: str, rows: list[tuple[int, str]], limit: int) -> bool:
    print(f"{title} (limit {limit} lines)")
    for size, name in sorted(rows, reverse=True)[:10]:
        print(f"  {size:4d}  {name}{'   <- over the limit' if size > limit else ''}")
    return all(size <= limit for size, _ in rows)


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    files = [path.relative_to(root) for folder in ROOTS for path in sorted((root / folder).rglob("*.py"))]
    file_rows = [(len((root / path).read_text().splitlines()), str(path)) for path in files]
    function_rows = [row for path in files for row in functions(root / path)]
    held = report("Largest files", file_rows, FILE_LIMIT)
    return 0 if report("Largest functions", function_rows, FUNCTION_LIMIT) and held else 1


if __name__ == "__main__":
    sys.exit(main())
