"""A hash of a plugin's code, so that a changed method is fitted again and a changed comment is not."""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


@cache
def code_digest(file: Path) -> str:
    """sha256 over the tokens of a module and of the `_` modules beside it that it imports, comments left out."""
    whole = hashlib.sha256()
    for path in sorted(_with_private_neighbours(file)):
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
            if token.type not in SILENT:
                whole.update(token.string.encode() + b"\0")
            elif token.type in (tokenize.INDENT, tokenize.DEDENT):
                whole.update(str(token.type).encode() + b"\0")
    return whole.hexdigest()


def _with_private_neighbours(file: Path) -> set[Path]:
    found, waiting = set[Path](), [file]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [near for name in _private_imports(path) if (near := file.parent / f"{name}.py").exists()]
    return found


def _private_imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules += [alias.name for alias in node.names]
        yield from (last for module in modules if (last := module.rpartition(".")[2]).startswith("_"))
