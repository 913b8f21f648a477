"""Data files of the package, and the modules that are imported by name."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

datas = collect_data_files("emay_voice_async", excludes=["**/*.pyi", "**/*.po"])
by_name = ["fcntl", "emay_voice_async.cli.report.page", "emay_voice_async.sql"]
hiddenimports = [*by_name, *collect_submodules("emay_voice_async.cli.commands", on_error="ignore")]
