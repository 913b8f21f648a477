"""The project's checks: ``nox -s tests``, ``nox -s demo``, and so on; ``nox -l`` lists them."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import nox

SUPPORTED = ("3.11", "3.12", "3.13")

# A file of tests is one process's: some stop servers and cut connections that others of it have made.
PARALLEL = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile")
BENCH = (
    "aiolimiter",
    "httpx-aiohttp",
    "limits",
    "matplotlib",
    "msgspec",
    "pydantic",
    "pyrate-limiter",
    "throttled-py",
)

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["lint", "types", "tests", "docs", "demo", "build"]


def _runs(version: str) -> bool:
    """Tell whether this Python is here. Finding its name is not enough: version managers leave shims."""
    python = shutil.which(f"python{version}")
    if python is None:
        return False
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0  # noqa: S603


def _pythons() -> list[str]:
    current = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = [version for version in SUPPORTED if version == current or _runs(version)]
    return found or [current]


PYTHONS = _pythons()


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff, and the layers of the package with import-linter."""
    session.install(".", "import-linter>=2.17", "ruff>=0.6")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy, strictly, in the package, its tests and the use of its whole API."""
    session.install(".[test]", "mypy>=1.11", "nox", "types-docutils", "types-pygments")
    session.run("mypy")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests against the installed package; every branch of it must be covered."""
    session.install(".[test]")
    data = {"COVERAGE_FILE": str(Path(session.create_tmp()) / "coverage")}
    if session.posargs:
        session.run("pytest", *session.posargs)
    else:
        session.run("pytest", *PARALLEL, "--cov", "--cov-report=", env=data)
        # What needs a server that this machine has not got cannot be covered here.
        missing = session.run("python", "tests/support/servers.py", silent=True)
        omitted = [f"--omit={str(missing).strip()}"] if str(missing).strip() else []
        session.run("coverage", "report", *omitted, env=data)


@nox.session
def fast(session: nox.Session) -> None:
    """Run the tests with the extra ``fast``: nothing may be different."""
    session.install(".[test,fast]")
    session.run("pytest", *(session.posargs or PARALLEL))


@nox.session
def docs(session: nox.Session) -> None:
    """Run the examples of the README; check its markup, links and tables, and the docstrings' references."""
    session.install(".[test]")
    session.run("pytest", "tests/test_readme.py", "-v")


@nox.session
def demo(session: nox.Session) -> None:
    """Show the main job, run against the local service that comes with the package."""
    session.install(".[demo]")
    session.run("python", "-m", "emay_voice_async", "demo", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz the decoding of pushes, guided by coverage; not part of the default run."""
    session.install(".", "atheris")
    session.run("python", "benchmarks/fuzz_push.py", *(session.posargs or ["-runs=200000"]))


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the speed against others', or one question of it; all of it writes benchmarks/results.rst."""
    session.install(".", *BENCH)
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the distributions; the wheel must work by itself and hold what it should."""
    session.install("build", "twine")
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "build", "--outdir", folder)
        session.run("twine", "check", "--strict", *map(str, Path(folder).iterdir()))
        [wheel] = Path(folder).glob("*.whl")
        names = zipfile.ZipFile(wheel).namelist()
        if "emay_voice_async/py.typed" not in names or any(name.startswith("tests") for name in names):
            session.error(f"the wheel holds the wrong files: {names}")
        session.install(str(wheel))
        # Without any extra: only what the wheel itself asks for.
        session.run(
            "python", "-I", "-c", "from emay_voice_async import *; import emay_voice_async.journal.sqlite"
        )
