"""The floor plan: what a newcomer sees of the tree before opening a file."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = [
    *sorted((ROOT / "vae").rglob("*.py")),
    *sorted((ROOT / "ui").rglob("*.py")),
    *sorted((ROOT / "pages").glob("*.py")),
]
MODULES = sorted((ROOT / "ui/static").rglob("*.js"))
MOST_LINES, MOST_LINES_OF_A_PAGE = 400, 150
MOST_FOLDERS, MOST_FILES = (
    14,
    8,
)  # of vae/: ten for one run from data to map, three for what is asked of trained runs, one to take along


def folders(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if path.is_dir() and path.name != "__pycache__"}


def test_the_core_has_few_folders_and_a_small_ground_floor() -> None:
    assert 5 <= len(folders(ROOT / "vae")) <= MOST_FOLDERS
    assert len(list((ROOT / "vae").glob("*.py"))) <= MOST_FILES


@pytest.mark.parametrize("folder", sorted(folders(ROOT / "vae")))
def test_a_folder_of_the_core_says_its_question_first(folder: str) -> None:
    doc = ast.get_docstring(ast.parse((ROOT / "vae" / folder / "__init__.py").read_text()))
    assert doc is not None
    assert re.match(r"[A-Z][^.?\n]*\?", doc), f"vae/{folder}/__init__.py begins with: {doc[:60]!r}"


def test_the_readme_shows_the_tree_with_the_questions_that_stand_in_it() -> None:
    shown = dict(re.findall(r"^ {2}(\w+)/ +([A-Z][^.?\n]*\?)", (ROOT / "README.md").read_text(), re.MULTILINE))
    docs = {
        name: ast.get_docstring(ast.parse((ROOT / "vae" / name / "__init__.py").read_text())) or "" for name in shown
    }
    assert set(shown) == folders(ROOT / "vae")
    assert {name: doc.split("?")[0] + "?" for name, doc in docs.items()} == shown


def test_every_folder_with_code_is_a_package() -> None:
    """Otherwise neither the wheel nor the walk over all modules finds it."""
    assert {file.parent for file in CODE if file.parent.name != "pages"} == {
        file.parent for file in CODE if file.name == "__init__.py"
    } | {ROOT / "ui"}


@pytest.mark.parametrize("file", [*CODE, *MODULES], ids=lambda file: str(file.relative_to(ROOT)))
def test_no_file_is_too_long_to_be_read(file: Path) -> None:
    limit = MOST_LINES_OF_A_PAGE if file.parent.name == "pages" else MOST_LINES
    assert len(file.read_text().splitlines()) <= limit


def forwards(text: str) -> bool:
    """Whether a module only imports: whoever wants the name can go where it is defined."""
    body = [
        node
        for node in ast.parse(text).body
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    passing = (ast.Import, ast.ImportFrom)
    names = [node for node in body if not isinstance(node, passing)]
    assigned = [
        isinstance(node, ast.Assign)
        and (isinstance(node.value, ast.Name | ast.Attribute) or ast.unparse(node.targets[0]) == "__all__")
        for node in names
    ]
    return bool(body) and len(body) > len(names) and all(assigned)


def test_a_forwarding_file_is_noticed() -> None:
    assert forwards('"""Old home."""\nfrom vae.model import kl\nkl_normal = kl.kl_normal\n')
    assert forwards('from vae.model.kl import kl_normal\n\n__all__ = ["kl_normal"]\n')
    assert not forwards('"""Real."""\nimport math\n\ndef f():\n    return math.pi\n')
    assert not forwards('"""A folder."""\n')


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_browser_module_passes_on_what_another_one_exports(file: Path) -> None:
    assert not re.search(r"^export\s*[{*][^;]*\bfrom\s", file.read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    "file", [file for file in CODE if file.name != "__init__.py"], ids=lambda file: str(file.relative_to(ROOT))
)
def test_no_file_only_forwards(file: Path) -> None:
    assert not forwards(file.read_text())
