"""Errors of the control API: an HTTP status, and a JSON body that names the field and the rule."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse

__all__ = ["ControlError"]


class ControlError(Exception):
    """A request that is refused; nothing was changed."""

    def __init__(
        self,
        status: HTTPStatus,
        message: str,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, field, headers)
        self.status = status
        self.message = message
        self.field = field
        self.headers: dict[str, str] = dict(headers or {})

    def response(self) -> JSONResponse:
        """Make the response."""
        error = {"status": int(self.status), "field": self.field, "message": self.message}
        return JSONResponse({"error": error}, self.status, self.headers)
