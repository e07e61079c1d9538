"""The floors of ARCHITECTURE.md, held by reading the syntax tree of every module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "s3facade"
FLOORS = {
    "core": 0,
    "stores": 1,
    "readers": 1,
    "transforms": 1,
    "codecs": 1,
    "layouts": 1,
    "engine": 2,
    "registry": 2,
    "catalog": 3,
    "config": 3,
    "s3": 4,
    "auth": 4,
    "web": 4,
    "caches": 4,
    "reload": 4,
    "remotes": 4,
    "app": 5,
    "cli": 5,
    "__main__": 5,
    "testing": 6,
}
SAME_FLOOR = {
    ("layouts", "codecs"),
    ("catalog", "config"),
    ("s3", "auth"),
    ("remotes", "caches"),
    ("cli", "app"),
    ("__main__", "cli"),
}
"""Neighbours that may be imported: (from, to)."""
ONLY_IN = {
    "aiobotocore": {"stores"},
    "aiohttp": {"s3", "auth", "web", "app", "stores"},
    "botocore": {"stores"},
    "yarl": {"stores"},
    "uvloop": {"app"},
    "pydantic": {"config"},
    "yaml": {"config"},
    "tifffile": {"readers"},
    "h5py": {"readers", "transforms"},
    "pydicom": {"readers"},
    "imagecodecs": {"readers", "codecs"},
    "xmltodict": {"readers", "layouts", "s3"},
    "google_crc32c": {"codecs", "layouts", "engine", "readers"},
    "hypothesis": {"testing"},
    "pytest": {"testing"},
    "onnxruntime": {"transforms"},
    "openslide": {"readers"},
    "nibabel": {"readers"},
    "openpyxl": {"config", "layouts"},
    "pyarrow": {"layouts"},
    "bidsschematools": {"layouts"},
}
BROAD = {
    "registry.py",
    "app/worker.py",
    "s3/connection.py",
    "s3/service.py",
    "engine/pool.py",
    "engine/isolated_child.py",
    "transforms/filters/callable.py",
}
"""Where everything may be caught: plug-ins that do not load, a worker about to end, the request boundary, a body on its
way, a job whose failure goes to who waits, a reader in a process of its own, a Python function of the operator's."""
LIBRARY = {
    ("config", "BaseModel"),
    ("config", "Model"),
    ("config", "ImagesModel"),
    ("s3", "RequestHandler"),
    ("stores", "RawIOBase"),
    ("stores", "AIOHTTPSession"),
}
"""Base classes that a library asks for: (package, class)."""
AT_IMPORT = {"readers/tiff/guard.py"}
"""tifffile tells about damage through its logger alone; the filter that listens is put there once."""
MODULES = sorted(PACKAGE.rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def part(path: Path) -> str:
    """The package or module directly below ``s3facade``."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Absolute names of what a module imports, at any depth, with lines."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno} imports relatively"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_point_down(path):
    here = part(path)
    if here == "__init__":
        return
    for target, line in imports(path):
        if not target.startswith("s3facade."):
            continue
        there = target.split(".")[1]
        if there in ("__version__", here):
            continue
        where = f"{name(path)}:{line} imports {target}"
        assert FLOORS[there] < FLOORS[here] or (here, there) in SAME_FLOOR, where


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_libraries_stay_where_they_belong(path):
    for target, line in imports(path):
        library = target.split(".")[0]
        if library in ONLY_IN:
            assert part(path) in ONLY_IN[library], f"{name(path)}:{line} imports {library}"


@pytest.mark.parametrize("path", [p for p in MODULES if part(p) == "testing"], ids=name)
def test_what_plug_ins_are_tested_with_knows_the_two_lowest_floors_only(path):
    ours = [target.split(".")[1] for target, _ in imports(path) if target.startswith("s3facade.")]
    assert all(there == "testing" or FLOORS[there] <= 1 for there in ours)


@pytest.mark.parametrize("path", [p for p in MODULES if part(p) == "core"], ids=name)
def test_the_lowest_floor_needs_numpy_and_the_standard_library_only(path):
    import sys

    allowed = {"numpy", "s3facade", *sys.stdlib_module_names}
    assert {target.split(".")[0] for target, _ in imports(path)} <= allowed


def broad(path: Path) -> list[int]:
    """Lines of handlers that catch everything and keep it: those that raise it again only tidy up."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ExceptHandler) and ast.dump(node.body[-1]) != ast.dump(ast.Raise()):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {k.id if isinstance(k, ast.Name) else "" for k in kinds if k is not None}
            if node.type is None or names & {"Exception", "BaseException"}:
                found.append(node.lineno)
    return found


def test_everything_is_caught_in_seven_places_at_most():
    found = {name(p): lines for p in MODULES if (lines := broad(p))}
    assert set(found) <= BROAD, found
    assert sum(map(len, found.values())) <= 7, found


def test_nothing_inherits_but_exceptions_and_protocols():
    """But for what libraries ask for: pydantic's models, aiohttp's connection, methods mixed into mappings."""
    wrong = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                plain = [b.value if isinstance(b, ast.Subscript) else b for b in node.bases]
                bases = {b.id if isinstance(b, ast.Name) else getattr(b, "attr", "") for b in plain}
                fine = {
                    "Mapping",
                    "Sequence",
                    "Protocol",
                    "Exception",
                    "NamedTuple",
                    "Enum",
                    "IntEnum",
                    "StrEnum",
                    "TypedDict",
                    "str",
                }
                errors = {b for b in bases if b.endswith(("Error", "Exception")) or path.name == "errors.py"}
                models = {b for b in bases if (part(path), b) in LIBRARY}
                if bases - fine - errors - models:
                    wrong.append(f"{name(path)}:{node.lineno} {node.name}({', '.join(bases)})")
    assert not wrong


def test_no_module_does_anything_when_it_is_imported():
    """Work at import: calls that stand alone in a module, outside ``if __name__`` and ``if TYPE_CHECKING``."""
    wrong = [
        f"{name(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and name(path) not in AT_IMPORT
    ]
    assert not wrong


def test_no_two_test_files_have_the_same_name():
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_helpers_of_tests_have_names_of_their_own():
    """They are found by name alone: of two, whichever folder came first would win."""
    names = [path.name for path in (PACKAGE.parent / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert sorted({n for n in names if names.count(n) > 1}) == []
