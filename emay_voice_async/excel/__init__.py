"""Workbooks of Excel, read and written: ``pip install "emay_voice_async[excel]"``."""

from importlib.util import find_spec

from emay_voice_async.model.extras import missing_extra

for _name in ("python_calamine", "xlsxwriter"):
    # Not imported: a process that reads a workbook writes none.
    if find_spec(_name) is None:
        raise ImportError(missing_extra(_name, "excel"), name=_name)

__all__: list[str] = []
