"""The pages: the examples run, the tables agree with the code, links and names are valid."""

import ast
import builtins
import contextlib
import functools
import importlib
import inspect
import io
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import docutils.nodes
import pytest
from attrs import fields, has
from docutils.core import publish_doctree

import emay_voice_async
from emay_voice_async import CallState, ResultCode, cli, errors
from emay_voice_async.cli.terminal.exit_codes import ExitCode
from emay_voice_async.receiver import PushReceiver
from emay_voice_async.sandbox import Sandbox
from emay_voice_async.sandbox.outcomes import MAGIC_NUMBERS
from emay_voice_async.wire.envelope import REFUSALS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PACKAGE = Path(emay_voice_async.__file__).parent
PACKAGES = {path.stem for path in PACKAGE.iterdir()}
ARCHITECTURE = DOCS / "architecture.rst"
MAPS = [ARCHITECTURE, DOCS / "zh" / "architecture.rst"]
READMES = [ROOT / "README.rst", ROOT / "README.zh-CN.rst"]
PLAIN = [*READMES, ROOT / "CHANGELOG.rst", ARCHITECTURE]
"""Pages without directives and roles of Sphinx."""
PAGES = [*PLAIN, *(path for path in sorted(DOCS.rglob("*.rst")) if path != ARCHITECTURE)]
CHINESE = sorted((DOCS / "zh").rglob("*.rst"))
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@functools.cache
def doctree(page: Path) -> docutils.nodes.document:
    """Parse a page; a warning of docutils is an error, except on a page with directives and roles of Sphinx."""
    level = 2 if page in PLAIN else 5
    settings = {"report_level": min(level, 1), "halt_level": level, "file_insertion_enabled": False}
    if page not in PLAIN:
        settings["report_level"] = level
    return publish_doctree(page.read_text("utf-8"), str(page), settings_overrides=settings)


FILES = [path.read_text("utf-8") for path in (DOCS / "examples").glob("*.py")]
EXAMPLES = {
    # The Chinese pages have the examples of the English pages. The examples in docs/examples have tests of their own.
    block.astext(): f"{page.relative_to(ROOT)}-{number}"
    for page in reversed(PAGES)
    for number, block in enumerate(doctree(page).findall(docutils.nodes.literal_block))
    if "python" in block["classes"] and not any(block.astext() in text for text in FILES)
}
"""The text of each example, and where it stands."""


def tables(page: Path) -> dict[str, list[list[str]]]:
    """Return the rows of each table of a page, by the title of the first column."""
    found = {}
    for table in doctree(page).findall(docutils.nodes.table):
        rows = [[cell.astext() for cell in row.children] for row in table.findall(docutils.nodes.row)]
        found[rows[0][0]] = rows[1:]
    return found


def reference(page: str) -> Path:
    """Return the path of a page of the reference."""
    return DOCS / "reference" / f"{page}.rst"


@pytest.mark.parametrize("example", EXAMPLES, ids=EXAMPLES.values())
def test_examples_run(example: str, service: Sandbox) -> None:
    """Each example of a page runs against the local service."""
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(example, "example", "exec"), {"__name__": "example"})  # noqa: S102


def test_the_examples_reach_the_service(service: Sandbox) -> None:
    """The streaming example calls each of 1,200 numbers once."""
    [example] = [text for text in EXAMPLES if "def rows" in text]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "example", "exec"), {"__name__": "example"})  # noqa: S102
    assert len({call.mobile for call in service.calls}) == len(service.calls) == 1200
    assert printed.getvalue().count("accepted: ") == 3
    assert "not sent: 1" in printed.getvalue()


@pytest.mark.parametrize("readme", READMES, ids=lambda page: page.name)
def test_the_readme_is_short(readme: Path) -> None:
    """The README has at most 200 lines."""
    assert len(readme.read_text("utf-8").splitlines()) <= 200


@pytest.mark.parametrize("readme", READMES, ids=lambda page: page.name)
def test_the_table_of_extras_is_that_of_the_project(readme: Path) -> None:
    """The README lists exactly the extras for users."""
    for_developers = {"dev", "docs", "test"}
    extras = set(SETTINGS["project"]["optional-dependencies"]) - for_developers
    [rows] = [rows for title, rows in tables(readme).items() if title in {"extra", "可选组件"}]
    assert {row[0] for row in rows} == extras


def test_the_table_of_states_is_the_code() -> None:
    """The reference lists exactly the states of the code, with the Chinese and the English term."""
    rows = {name: (word, meaning) for name, word, meaning, _ in tables(reference("codes"))["state"]}
    assert set(rows) == {state.name for state in CallState}
    for state in CallState:
        word, meaning = rows[state.name]
        assert word == (state.meaning or "(in raw_state)")
        assert meaning.startswith(state.english)


def test_the_table_of_result_codes_is_the_code() -> None:
    """The reference lists exactly the result codes of the code, with the Chinese and the English term."""
    rows = {name: (word, meaning) for name, word, meaning, _ in tables(reference("codes"))["code"]}
    assert set(rows) == {code.value for code in ResultCode}
    for code in ResultCode:
        word, meaning = rows[code.value]
        assert word == code.meaning
        assert meaning.startswith(code.english)


def test_the_remedies_name_the_errors_of_the_codes() -> None:
    """The remedy of a code names the class of the error that the code raises, unless it is RefusedError itself."""
    rows = {name: remedy for name, _, _, remedy in tables(reference("codes"))["code"]}
    for name, remedy in rows.items():
        found = set(re.findall(r"\w+Error\b", remedy))
        assert found == ({REFUSALS[name].__name__} if name in REFUSALS else set()), name


def test_the_table_of_errors_is_the_code() -> None:
    """The reference lists exactly the error classes of the code."""
    text = " ".join(cell for row in tables(reference("errors"))["error"] for cell in row) + " EmayVoiceError"
    assert set(re.findall(r"\w+Error\b", text)) == {name for name in errors.__all__ if name.endswith("Error")}


def test_the_table_of_magic_numbers_is_the_code() -> None:
    """The reference lists every magic number with the outcome of the call."""
    rows = dict(tables(reference("local_service"))["digits"])
    assert set(rows) == set(MAGIC_NUMBERS)
    for digits, outcome in MAGIC_NUMBERS.items():
        if outcome is not None and outcome.state in CallState.__members__:
            assert rows[digits].startswith(outcome.state)
        if outcome is not None and outcome.key:
            assert f"pressed {outcome.key}" in rows[digits]


def test_the_table_of_exit_codes_is_the_code() -> None:
    """The reference lists the exit codes and their meanings in the order of the code, the most severe first."""
    documented = re.findall(r"^(\d+) +(.+)$", cli.__doc__ or "", re.MULTILINE)
    assert {int(code) for code, _ in documented} == set(ExitCode)
    rows = tables(reference("command_line"))["exit code"]
    for (code, meaning), (listed, text) in zip(rows, documented, strict=True):
        assert code == listed
        assert meaning.startswith(text)


def test_the_table_of_bounds_is_the_code() -> None:
    """The guide lists each bound of a receiver with the default."""
    text = " ".join(row[0] for row in tables(DOCS / "howto" / "pushes.rst")["argument and default"])
    found = re.findall(r"(\w+) ([\d,]+)( MiB)?", text)
    bounds = {name: int(number.replace(",", "")) * (1024**2 if unit else 1) for name, number, unit in found}
    arguments = {str(field.alias): field.default for field in fields(PushReceiver) if field.init}
    assert bounds == {name: arguments[name] for name in arguments if re.match("max_|.*_timeout", name)}


def test_the_environment_variables_are_listed() -> None:
    """The reference lists each variable that the package reads."""
    listed = (reference("environment")).read_text("utf-8")
    texts = [path.read_text("utf-8") for path in PACKAGE.rglob("*.py")]
    for name in {name for text in texts for name in re.findall(r"\b_?EMAY_VOICE_[A-Z_]*[A-Z]\b", text)}:
        assert f"``{name}``" in listed, name


def documented_names() -> set[str]:
    """Return the full names on the page of the API."""
    listed = reference("api").read_text("utf-8")
    names = set(re.findall(r"auto(?:class|data|function):: ([\w.]+)", listed))
    for module in re.findall(r"automodule:: ([\w.]+)", listed):
        names |= {f"{module}.{name}" for name in importlib.import_module(module).__all__}
    return names


def test_the_public_names_are_listed() -> None:
    """The reference has every name of the front door."""
    documented = {name.rpartition(".")[2] for name in documented_names()}
    assert set(emay_voice_async.__all__) - documented == set()


def test_the_names_in_examples_are_listed() -> None:
    """The reference has every name that an example imports from the package."""
    imported = {
        f"{node.module}.{one.name}"
        for text in (*FILES, *EXAMPLES)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("emay_voice_async")
        for one in node.names
    }
    front_door = {f"emay_voice_async.{name}" for name in emay_voice_async.__all__}
    assert len(imported) > 30
    assert imported - documented_names() - front_door == set()


def test_the_api_page_is_the_same_in_both_languages() -> None:
    """The Chinese page of the API lists the same names in the same order."""
    english, chinese = (
        re.findall(r"^\.\. auto.*$", page.read_text("utf-8"), re.MULTILINE)
        for page in (reference("api"), DOCS / "zh" / "reference" / "api.rst")
    )
    assert len(english) > 30
    assert chinese == english


def literal_blocks(page: Path) -> list[str]:
    """Return the literal blocks of a page."""
    return [block.astext() for block in doctree(page).findall(docutils.nodes.literal_block)]


@pytest.mark.parametrize("page", CHINESE, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_chinese_page_has_what_the_english_page_has(page: Path) -> None:
    """A Chinese page has the code, the sections and the tables of its English twin."""
    english = DOCS / page.relative_to(DOCS / "zh")
    if english.name not in {"index.rst", "glossary.rst"}:
        assert literal_blocks(page) == literal_blocks(english)
    for kind in (docutils.nodes.section, docutils.nodes.image):
        assert len(list(doctree(page).findall(kind))) == len(list(doctree(english).findall(kind)))
    here, there = ([*tables(one).values()] for one in (page, english))
    assert [len(rows) for rows in here] == [len(rows) for rows in there]
    for rows, twins in zip(here, there, strict=True):
        for row, twin in zip(rows, twins, strict=True):
            assert row[0] == twin[0] or not re.fullmatch(r"[\w, ]*_[\w, ]*|[A-Z]+|\d+", twin[0])


def test_every_page_is_in_both_languages() -> None:
    """Each English page has a Chinese twin."""
    english = {page.relative_to(DOCS) for page in DOCS.rglob("*.rst") if DOCS / "zh" not in page.parents}
    assert {page.relative_to(DOCS / "zh") for page in CHINESE} == english


def test_both_indexes_list_the_same_pages() -> None:
    """The tables of contents of the two languages list the same pages in the same order."""
    english, chinese = (
        re.findall(r"^   ([a-z_/]+)$", (folder / "index.rst").read_text("utf-8"), re.MULTILINE)
        for folder in (DOCS, DOCS / "zh")
    )
    assert len(english) > 30
    assert chinese == english


def test_the_chinese_codes_are_those_of_the_code() -> None:
    """The Chinese reference has the Chinese term of each result code and each state."""
    codes, states = tables(DOCS / "zh" / "reference" / "codes.rst").values()
    assert {row[0]: row[1] for row in codes} == {code.value: code.meaning for code in ResultCode}
    terms = {state.name: state.meaning for state in CallState if state.meaning}
    assert {row[0]: row[1] for row in states if row[0] in terms} == terms


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_are_valid(page: Path) -> None:
    """Every link is https or names an existing file of the project."""
    for reference in doctree(page).findall(docutils.nodes.reference):
        target = reference.get("refuri")
        if target is not None and not target.startswith("https://"):
            assert (page.parent / target).is_file(), target


def literals(page: Path) -> set[str]:
    """Return the inline literals of a page."""
    return {node.astext() for node in doctree(page).findall(docutils.nodes.literal)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_on_the_page_exist(page: Path) -> None:
    """Every dotted name of the package on a page is a module, or a name in a module."""
    for name in literals(page):
        if re.fullmatch(r"emay_voice_async(\.\w+)+", name):
            assert pkgutil.resolve_name(name), name


@pytest.mark.parametrize("page", MAPS, ids=lambda page: str(page.relative_to(DOCS)))
def test_modules_on_the_map_exist(page: Path) -> None:
    """Every dotted name of a package on the map is a module of it, or a name in a module."""
    dotted = {name for name in literals(page) if re.fullmatch(r"\w+(\.(?!py$)\w+)+", name)}
    dotted = {name for name in dotted if name.partition(".")[0] in PACKAGES}
    assert len(dotted) > 20
    for name in dotted:
        assert pkgutil.resolve_name(f"emay_voice_async.{name}"), name


@pytest.mark.slow
@pytest.mark.parametrize("page", MAPS, ids=lambda page: str(page.relative_to(DOCS)))
def test_paths_on_the_map_exist(page: Path) -> None:
    """Every path on the map, such as ``wire/fields.py``, exists in the package or beside it."""
    paths = {name for name in literals(page) if re.fullmatch(r"\w+(/\w+)+(\.\w+)?", name)}
    assert len(paths) > 20
    assert {path for path in paths if not ((PACKAGE / path).exists() or (ROOT / path).exists())} == set()


def described(page: Path) -> Iterator[tuple[set[str], set[str]]]:
    """Yield the packages of each row of the map's first table, and the literals of the description."""
    [table, *_] = doctree(page).findall(docutils.nodes.table)
    [_, *rows] = table.findall(docutils.nodes.row)
    for row in rows:
        packages, content = [
            {one.astext() for one in cell.findall(docutils.nodes.literal)} for cell in row.children
        ]
        yield packages, content


@pytest.mark.parametrize("page", MAPS, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_map_lists_modules_of_their_packages(page: Path) -> None:
    """Every word that the table of packages lists for a package, such as ``retries``, is a module of the package."""
    named = 0
    for packages, content in described(page):
        modules = {path.stem for package in packages for path in (PACKAGE / package).rglob("*")}
        words = {word for word in content if re.fullmatch("[a-z_]+", word)}
        named += len(words & modules)
        assert words - modules <= PACKAGES, (packages, words - modules)
    assert named > 100


@pytest.mark.parametrize("page", MAPS, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_map_lists_every_module(page: Path) -> None:
    """Every module stands in the row of its package; of command line and suites, only the first level does."""
    first_level = {"cli", "testing"}
    for packages, content in described(page):
        for package in packages - {"__pyinstaller"}:
            folder = PACKAGE / package
            paths = folder.glob("*") if package in first_level else folder.rglob("*.py")
            modules = {path.stem for path in paths if not path.name.startswith("_")}
            missing = {name for name in modules if not any(fnmatch(name, word) for word in content)}
            assert missing == set(), package


def public_classes() -> Iterator[type]:
    """Yield the attrs classes of the API page."""
    listed = reference("api").read_text("utf-8")
    names = re.findall(r"autoclass:: ([\w.]+)", listed)
    for module in re.findall(r"automodule:: ([\w.]+)", listed):
        names += [f"{module}.{name}" for name in importlib.import_module(module).__all__]
    found = map(pkgutil.resolve_name, names)
    yield from dict.fromkeys(one for one in found if isinstance(one, type) and has(one))


@pytest.mark.parametrize("kind", list(public_classes()), ids=lambda kind: kind.__name__)
def test_each_field_has_a_text(kind: type) -> None:
    """Each public field of a public class is named in the docstring of the class, or has a docstring of its own."""
    bases = [base for base in kind.__mro__ if base is not object]
    documented = " ".join(inspect.getdoc(base) or "" for base in bases)
    own = "".join(inspect.getsource(base) for base in bases if "<attrs" not in str(base))
    for name in (field.name for field in fields(kind) if not field.name.startswith("_")):
        has_own = re.search(rf'^    {name}: .*\n    """', own, re.MULTILINE)
        assert f"``{name}" in documented or has_own, name


def references() -> Iterator[tuple[str, str]]:
    """Yield module and target of every reference in the docstrings of the package."""
    package = PACKAGE
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        if parts[-1] == "__main__":
            continue
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for target in re.findall(r":(?:class|mod|meth|attr|func):`~?([\w.]+)`", path.read_text("utf-8")):
            yield module, target


def resolves(module: str, target: str) -> bool:
    """Tell whether a target exists: by full name, in the module, or in a class of the module."""
    if target.startswith("emay_voice_async."):
        with contextlib.suppress(ImportError):
            return importlib.import_module(target) is not None
        module, _, target = target.rpartition(".")
    home = importlib.import_module(module)
    if hasattr(home, target.partition(".")[0]):  # also a name that the module imports at its first use
        return True
    classes = (vars(member) for member in vars(home).values() if isinstance(member, type))
    places = [vars(errors), vars(builtins), *classes]
    return any(target.partition(".")[0] in place for place in places)


def test_references_in_docstrings_are_valid() -> None:
    """Every reference in a docstring of the package names an existing object."""
    found = list(references())
    assert len(found) > 50
    assert [one for one in found if not resolves(*one)] == []
