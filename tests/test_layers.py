"""The layers of the package: a module imports only from below it, and what it alone may use."""

import ast
from pathlib import Path

import pytest

import emay_voice_async

PACKAGE = Path(emay_voice_async.__file__).parent
ORDER = (
    ("errors", "codes", "endpoints"),
    (
        "signing",
        "messages",
        "freezing",
        "recipients",
        "columns",
        "rows",
        "forms",
        "results",
        "documents",
        "fields",
        "structuring",
        "replies",
        "sealing",
        "push",
        "plain_pushes",
        "window",
        "guards",
        "certainty",
    ),
    (
        "texts",
        "lists",
        "pacing",
        "claims",
        "owners",
        "journal_file",
        "journal",
        "sql_tables",
        "sql_statements",
        "sql",
        "transport",
        "exchange",
        "seen",
        "books",
        "source",
        "planning",
        "delivery",
        "sending",
        "spool",
        "pages",
        "mailbox",
        "reports",
        "client",
        "deduplication",
        "receiver",
        "redis",
    ),
    ("sandbox", "demo", "cli", "__main__"),
)
REDIS = ("turns", "ledger", "shelter", "outage", "line", "connection", "pacer", "reports", "__init__")
COMMAND_LINE = (
    "endings",
    "words",
    "values",
    "output",
    "screen",
    "stopping",
    "asking",
    "settings",
    "inputs",
    "contents",
    "orders",
    "records",
    "tally",
    "exporting",
    "board",
    "resting",
    "plans",
    "running",
    "sums",
    "options",
    "send",
    "code",
    "balance",
    "reports",
    "listen",
    "journal",
    "decode",
    "local",
    "app",
    "__init__",
)
RANKS = {module: rank for rank, modules in enumerate(ORDER) for module in modules}
PLACES = {module: place for place, module in enumerate(name for modules in ORDER for name in modules)}
IMPURE = {"asyncio", "httpx", "os", "socket", "threading", "logging", "random", "secrets", "pathlib", "io"}
ONLY_USERS = {
    "httpx": {"transport", "sandbox"},
    "cattrs": {"structuring"},
    "msgspec": {"documents"},
    "cryptography": {"sealing"},
    "redis": {"redis"},
    "starlette": {"sandbox"},
    "sqlalchemy": {"sql", "sql_statements", "sql_tables"},
    "uvicorn": {"sandbox", "cli"},
    "click": {"cli"},
    "rich": {"demo", "cli"},
}


def _modules() -> dict[Path, str]:
    return {path: path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}


def _imports(path: Path) -> set[str]:
    """List every module that a file imports, wherever in the file, as dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            found.add(str(node.module))
            if node.module == "emay_voice_async":
                found |= {f"emay_voice_async.{alias.name}" for alias in node.names}
    return found


def _own(path: Path) -> set[str]:
    return {
        name.split(".")[1]
        for name in _imports(path)
        if name.startswith("emay_voice_async.") and name.split(".")[1] in RANKS
    }


def test_every_module_has_its_place() -> None:
    """No module stands outside the layers, and none that is named there is missing."""
    assert set(_modules().values()) == set(RANKS) | {"__init__"}


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_imports_only_what_stands_before_it(path: Path) -> None:
    """Imports go down the list only, so that there can be no cycle."""
    if path.stem == "__init__":
        assert "sandbox" not in _own(path)
        return
    for used in _own(path) - {path.stem}:
        assert PLACES[used] < PLACES[path.stem], f"{path.stem} imports {used}"


def test_the_command_line_has_layers_of_its_own() -> None:
    """Its modules import each other down the list only."""
    paths = {path.stem: path for path in PACKAGE.glob("cli/*.py")}
    assert set(paths) == set(COMMAND_LINE)
    for place, module in enumerate(COMMAND_LINE):
        own = [
            name.split(".") for name in _imports(paths[module]) if name.startswith("emay_voice_async.cli.")
        ]
        assert {parts[2] for parts in own} <= set(COMMAND_LINE[:place])


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("sandbox/*.py")), ids=lambda path: path.stem)
def test_the_sandbox_shares_no_mistakes_with_the_client(path: Path) -> None:
    """The local service uses the facts only; pushes are sealed by the tool that any sender would use."""
    allowed = {"errors", "codes", "endpoints", "sandbox"} | ({"sealing"} if path.stem == "pushing" else set())
    assert _own(path) <= allowed


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("redis/*.py")), ids=lambda path: path.stem)
def test_a_package_imports_only_what_stands_before_it(path: Path) -> None:
    """Inside a package, too, imports go down the list of layers and of its own modules."""
    for used in _own(path) - {"redis"}:
        assert PLACES[used] < PLACES["redis"], f"redis.{path.stem} imports {used}"
    inside = {name.split(".")[2] for name in _imports(path) if name.startswith("emay_voice_async.redis.")}
    before = REDIS[: REDIS.index(path.stem)]
    assert inside <= set(before), f"redis.{path.stem} imports {inside}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_nobody_imports_the_front_door(path: Path) -> None:
    """What the package re-exports is for users; the programs on top are users."""
    if RANKS.get(_modules()[path]) != 3:
        assert "emay_voice_async" not in _imports(path)


@pytest.mark.parametrize("module", [*ORDER[0], *ORDER[1]])
def test_the_lower_layers_are_pure(module: str) -> None:
    """Facts and wire have no I/O, no clock, no chance and no event loop."""
    path = PACKAGE / f"{module}.py"
    assert not {name.split(".")[0] for name in _imports(path)} & IMPURE
    assert "async def" not in path.read_text("utf-8")


@pytest.mark.parametrize("package", ONLY_USERS)
def test_a_dependency_is_known_in_one_place(package: str) -> None:
    """Each dependency is imported by the one module that is there for it."""
    users = {
        name
        for path, name in _modules().items()
        if any(found.split(".")[0] == package for found in _imports(path))
    }
    assert users <= ONLY_USERS[package]


def test_the_facts_need_nothing() -> None:
    """The error tree imports nothing of the package at all."""
    assert _own(PACKAGE / "errors.py") == set()
