"""Checks of the built distributions: ``python tests/support/distributions.py FOLDER``; a broken rule ends it with 1.

The standard library is enough, so that the check runs where nothing but the build tools is installed.
"""

import re
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SOURCES = (
    "README.rst", "README.zh-CN.rst", "LICENSE", "CHANGELOG.rst", "pyproject.toml", "noxfile.py", ".ci/run",
    "docs/distribution.py", "docs/index.rst", "docs/examples/worker.py", "tests/conftest.py",
    "benchmarks/results.rst",
)  # fmt: skip
"""Files that the source distribution must have."""


def problems(folder: Path) -> list[str]:
    """Return a sentence for each rule that the wheel or the source distribution breaks."""
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    found: list[str] = []
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [about] = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(about))
    package = ROOT / "emay_voice_async"
    wanted = {
        str(path.relative_to(ROOT))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in names if not name.startswith(about.partition("/")[0])}
    found += [f"the wheel lacks {name}" for name in sorted(wanted - held)]
    found += [f"the wheel has {name}, which is no part of the package" for name in sorted(held - wanted)]
    with tarfile.open(sdist) as source:
        files = {name.partition("/")[2] for name in source.getnames()}
    found += [f"the source distribution lacks {name}" for name in SOURCES if name not in files]
    found += [f"the source distribution has {name}" for name in files if "__pycache__" in name]
    text = (package / "model" / "version.py").read_text("utf-8")
    if f'__version__: str = "{metadata["Version"]}"' not in text:
        found.append(f"the version of the wheel is {metadata['Version']}, not that of the package")
    for label in ("Homepage", "Documentation", "Changelog", "Issues", "Source"):
        if not any(url.startswith(f"{label}, https://") for url in metadata.get_all("Project-URL", [])):
            found.append(f"the metadata have no address for {label}")
    page = str(metadata.get_payload())
    found += [
        f"a link of the description is relative: {link}" for link in re.findall(r"<(?!\w+:)\S+?>`_", page)
    ]
    for path in re.findall(r"/blob/v[\w.]+/(\S+?)>`_", page):
        if path not in files:
            found.append(f"a link of the description leads to no file: {path}")
    return found


if __name__ == "__main__":
    broken = problems(Path(sys.argv[1]))
    print("\n".join(broken) or "The distributions are complete.")
    sys.exit(1 if broken else 0)
