"""The files that run in GIMP's own Python, whatever that is."""

import ast
import os
import sys
from pathlib import Path

import inpaint_lens.plugin.gimp
import pytest

FOLDER = Path(inpaint_lens.plugin.gimp.__file__).parent
MAIN = FOLDER / "inpaint-lens.py"
FILES = [MAIN, *sorted((FOLDER / "lens").glob("*.py"))]
NOT_IN_3_9 = {"slots", "kw_only", "strict"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_python_3_9_and_imports_only_the_standard_library_and_gi(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        else:
            continue
        tops = {name.partition(".")[0] for name in names}
        assert tops <= {"gi", "lens", *sys.stdlib_module_names}, (path.name, tops)
        assert path == MAIN or "lens" not in tops


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_gives_no_argument_that_python_3_9_does_not_know(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    given = {(call.func.id, word.arg) for call in calls if isinstance(call.func, ast.Name) for word in call.keywords}
    assert not {pair for pair in given if pair[0] in ("dataclass", "zip", "field") and pair[1] in NOT_IN_3_9}


def test_gimp_can_run_the_main_file():
    assert MAIN.read_text().startswith("#!/usr/bin/env python3\n")
    assert os.access(MAIN, os.X_OK)
