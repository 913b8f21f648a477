"""Workbooks of Excel, read and written: ``pip install "emay_voice_async[excel]"``."""

from emay_voice_async.model.extras import missing_extra

try:
    import python_calamine  # noqa: F401
    import xlsxwriter  # noqa: F401
except ModuleNotFoundError as _error:
    raise ImportError(missing_extra(_error.name, "excel"), name=_error.name) from _error

__all__: list[str] = []
