"""The project's checks: ``nox -s tests``, ``nox -s demo``, and so on; ``nox -l`` lists them."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nox

SUPPORTED = ("3.11", "3.12", "3.13", "3.14", "3.15")

# A test file runs in one process: some tests stop a server that other tests of the file use.
PARALLEL = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile")
BENCH = (
    "aiolimiter",
    "httpx-aiohttp",
    "limits",
    "matplotlib",
    "msgspec",
    "opentelemetry-sdk",
    "pydantic",
    "pyrate-limiter",
    "throttled-py",
)

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["lint", "types", "tests", "docs", "demo", "build"]

# Into a file, output has no escape sequences, neither from nox nor from the programs that it runs.
if not (sys.stdout.isatty() and sys.stderr.isatty()) and not os.environ.get("FORCE_COLOR"):
    os.environ["NO_COLOR"] = "1"


def _runs(version: str) -> bool:
    """Run this Python: pyenv has a command on the path also for versions that are not installed."""
    python = shutil.which(f"python{version}")
    if python is None:
        return False
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0  # noqa: S603


def _pythons() -> list[str]:
    current = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = [version for version in SUPPORTED if version == current or _runs(version)]
    return found or [current]


PYTHONS = _pythons()
USED: list[str] = []


def _report_pythons() -> None:
    missing = [version for version in SUPPORTED if version not in PYTHONS]
    print(  # noqa: T201 - after the log of nox itself
        f"Tests ran on Python {', '.join(USED)}; not found on this machine: {', '.join(missing) or 'none'}.",
        flush=True,
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff, and the layers of the package with import-linter."""
    session.install(".", "import-linter>=2.17", "ruff>=0.6")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check types strictly: all files with mypy, the examples and the use of the whole API with pyright and ty."""
    session.install(
        ".[test]",
        "celery-types",
        "django-stubs>=5",
        "mypy>=1.11",
        "nox",
        "playwright>=1.45",
        "schemathesis>=4.20",
        "pyright[nodejs]>=1.1.400",
        "ty",
        "types-docutils",
        "types-pygments",
    )
    # arq asks for an older redis package than the tests use.
    session.run("python", "-m", "pip", "install", "-q", "--no-deps", "arq>=0.26")
    session.run("mypy")
    session.run("pyright")
    # Fails unless the types of all public names are known.
    session.run("pyright", "--verifytypes", "emay_voice_async", "--ignoreexternal")
    session.run("ty", "check", "--python", session.virtualenv.location)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run all tests against the installed package; every branch of the package must be covered."""
    if not USED:
        atexit.register(_report_pythons)
    USED.append(str(session.python))
    session.install(".[test]")
    data = {"COVERAGE_FILE": str(Path(session.create_tmp()) / "coverage")}
    if session.posargs:
        session.run("pytest", *session.posargs)
    else:
        session.run("pytest", *PARALLEL, "--cov", "--cov-report=", env=data)
        # Modules that need a server cannot be covered on a machine without it.
        missing = session.run("python", "tests/support/servers.py", silent=True)
        omitted = [f"--omit={str(missing).strip()}"] if str(missing).strip() else []
        session.run("coverage", "report", *omitted, env=data)


@nox.session(reuse_venv=True)
def quick(session: nox.Session) -> None:
    """Run all but the slow tests, without coverage, and print the seconds that they took."""
    session.install("-e", ".[test]")
    start = time.monotonic()
    session.run(
        "pytest", "-q", "-m", "not slow", "--hypothesis-profile", "quick", *PARALLEL, *session.posargs
    )
    session.log(f"The quick tests took {time.monotonic() - start:.0f} seconds.")


@nox.session
def fast(session: nox.Session) -> None:
    """Run all tests with the extra ``fast``: the results must be the same."""
    session.install(".[test,fast]")
    session.run("pytest", *(session.posargs or PARALLEL))


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run all but the slow tests with the oldest versions that pyproject.toml allows, on the oldest Python found."""
    session.install("uv")
    pins = str(Path(session.create_tmp()) / "pins.txt")
    compiling = ("--resolution", "lowest-direct", "--extra", "fast", "--extra", "test", "--python-version")
    session.run("uv", "pip", "compile", "-q", "pyproject.toml", *compiling, str(session.python), "-o", pins)
    # arq asks for a redis package below 6, so that only this session has it.
    session.install("-r", pins, "-e", ".[fast,test]", "arq>=0.26")
    session.run(
        "pytest", "-q", "-m", "not slow", "--hypothesis-profile", "quick", *PARALLEL, *session.posargs
    )
    if not session.posargs:
        session.run("pytest", "-q", "tests/test_task_queues.py")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site; run the examples of all pages; check markup, links, tables, and references in docstrings."""
    session.install(".[docs,test]")
    site = Path(session.create_tmp()) / "site"
    build = ("sphinx-build", "-q", "-W", "--keep-going", "-E", "-c", "docs")
    session.run(*build, "docs", str(site))
    session.run(
        *build, "-D", "language=zh_CN", "docs/zh", str(site / "zh"), silent=True
    )  # jieba logs its loading
    session.log(f"The site: {site / 'index.html'}, in Chinese {site / 'zh' / 'index.html'}")
    session.run("codespell", "-L", "datas", "README.rst", "CHANGELOG.rst", "docs", "emay_voice_async")
    session.run("pytest", "tests/test_pages.py", "-v")


@nox.session
def demo(session: nox.Session) -> None:
    """Send a campaign to the local service of the package, and show the progress."""
    session.install(".[demo]")
    session.run("python", "-m", "emay_voice_async", "demo", *session.posargs)


@nox.session
def catalogue(session: nox.Session) -> None:
    """Add new messages of the command line to the Chinese catalogue, and compile it; fails without Chinese."""
    session.install("attrs", "babel>=2.12")
    session.run("python", "tests/support/catalogue.py")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz the decoding of pushes, guided by coverage; not part of the default run."""
    session.install(".", "atheris")
    session.run("python", "benchmarks/fuzz_push.py", *(session.posargs or ["-runs=200000"]))


@nox.session
def chaos(session: nox.Session) -> None:
    """Run campaigns through a disturbed network for ten minutes, or as the arguments say; not part of the default run.

    ``nox -s chaos -- --seed 1 --minutes 60``; the seed and ``--only`` with the number repeat a campaign.
    """
    session.install(".[test]")
    # Without a wheel of uvloop the campaigns run on the loops of asyncio.
    session.run("python", "-m", "pip", "install", "-q", "--only-binary=:all:", "uvloop", success_codes=[0, 1])
    session.run("python", "tests/support/chaos.py", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session
def security(session: nox.Session) -> None:
    """Scan the package with bandit; test frames of errors for secrets, the modes of files, and damaged requests."""
    session.install(".[test]", "bandit[toml]>=1.8")
    session.run("bandit", "-q", "-c", "pyproject.toml", "-r", "emay_voice_async")
    tests = (
        "tests/test_frames.py",
        "tests/journal/test_files.py",
        "tests/reports/test_spool.py",
        "tests/test_http_fuzz.py",
    )
    session.run("pytest", *tests, *session.posargs)


@nox.session(reuse_venv=True)
def browser(session: nox.Session) -> None:
    """Test the pages in Chromium, which must be installed, with axe of npm; push random requests to the control API."""
    session.install(".[test]", "playwright>=1.45", "schemathesis>=4.20")
    folder = session.create_tmp()
    session.run("npm", "install", "--silent", "--no-save", "--prefix", folder, "axe-core@4", external=True)
    axe = Path(folder) / "node_modules" / "axe-core" / "axe.min.js"
    parallel = ("-n", "2", "--dist", "worksteal")
    session.run("pytest", "tests/browser", *parallel, *session.posargs, env={"EMAY_VOICE_TEST_AXE": str(axe)})


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed against other packages; without arguments, write all results to benchmarks/results.rst."""
    session.install(".[otel]", *BENCH)
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the distributions; check files, metadata and links, and import the wheel without any extra."""
    session.install("build", "check-wheel-contents", "twine")
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "build", "--outdir", folder)
        session.run("twine", "check", "--strict", *map(str, Path(folder).iterdir()))
        [wheel] = Path(folder).glob("*.whl")
        # W004: PyInstaller wants a hyphen in the name of its hook.
        session.run("check-wheel-contents", "--ignore", "W004", str(wheel))
        session.run("python", "tests/support/distributions.py", folder)
        session.install(str(wheel))
        session.run(
            "python", "-I", "-c", "from emay_voice_async import *; import emay_voice_async.journal.sqlite"
        )


@nox.session
def frozen(session: nox.Session) -> None:
    """Build a program with PyInstaller, and run it; not part of the default run."""
    session.install(".[cli,redis,sandbox]", "pyinstaller>=6")
    folder = session.create_tmp()
    places = ("--distpath", folder, "--workpath", f"{folder}/work", "--specpath", folder)
    session.run("pyinstaller", "--noconfirm", "--log-level", "ERROR", *places, "tests/support/frozen_app.py")
    program = f"{folder}/frozen_app/frozen_app"
    for arguments in (["--version"], ["send", "notice", "--help"], ["check"]):
        session.run(program, *arguments, external=True)


@nox.session
def sbom(session: nox.Session) -> None:
    """Write the bill of materials of the package with all extras for users: dist/sbom.cdx.json (CycloneDX)."""
    session.install("cyclonedx-bom>=4")
    extras = nox.project.load_toml()["project"]["optional-dependencies"]
    extras = ",".join(name for name in extras if name not in ("dev", "docs", "test"))
    folder = Path(session.create_tmp()) / "environment"
    session.run("python", "-m", "venv", "--clear", "--without-pip", str(folder))
    python = str(folder / "bin" / "python")
    session.run("python", "-m", "pip", "--python", python, "install", "-q", f".[{extras}]")
    bill = Path("dist", "sbom.cdx.json")
    bill.parent.mkdir(exist_ok=True)
    output = ("--output-reproducible", "--of", "JSON", "-o", str(bill))
    session.run("cyclonedx-py", "environment", python, "--pyproject", "pyproject.toml", *output)
    # The version is not in pyproject.toml, from which the tool reads what the bill is for.
    command = "import emay_voice_async as package; print(package.__version__)"
    version = str(session.run(python, "-c", command, silent=True, external=True)).strip()
    content = json.loads(bill.read_text("utf-8"))
    content["metadata"]["component"]["version"] = version
    bill.write_text(json.dumps(content, indent=2), "utf-8")
