"""The control API as an OpenAPI document, made from the routes and the schemas that check the input."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen
from starlette.routing import BaseRoute
from starlette.schemas import BaseSchemaGenerator

from emay_voice_async.sandbox.control.schemas import FAULT, FAULT_KINDS, Schema

__all__ = ["Described", "Description", "described_fault"]

JSON: Final = "application/json"
_ERROR: Final[Schema] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["status", "field", "message"],
            "properties": {
                "status": {"type": "integer"},
                "field": {"type": ["string", "null"]},
                "message": {"type": "string"},
            },
        }
    },
}


@frozen(kw_only=True)
class Described:
    """The description of an operation in the document, in addition to path and docstring."""

    body: Schema | None = None
    query: Mapping[str, Schema] = {}
    path: Mapping[str, Schema] = {}
    status: int = 200
    content_type: str = JSON
    errors: tuple[int, ...] = ()


class Description(BaseSchemaGenerator):
    """Makes the document from routes whose endpoints are listed in ``described`` by name."""

    def __init__(self, described: Mapping[str, Described]) -> None:
        self._described = described

    def get_schema(self, routes: list[BaseRoute]) -> dict[str, Any]:
        """Return the document."""
        paths: dict[str, dict[str, Any]] = {}
        for endpoint in self.get_endpoints(routes):
            described = self._described.get(endpoint.func.__name__)
            if described is not None:
                operation = _operation(endpoint.func.__name__, endpoint.func.__doc__ or "", described)
                paths.setdefault(endpoint.path, {})[endpoint.http_method] = operation
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Control API of the local Emay voice service",
                "version": "1",
                "description": "Steers the local service: nobody is called. Errors are JSON and name the field.",
            },
            "servers": [{"url": ".."}],
            "paths": paths,
            "components": {"schemas": {"Error": _ERROR}},
        }


def described_fault() -> Schema:
    """Return the schema of a planned fault with the schemas of all kinds."""
    return {**FAULT, "properties": {**FAULT["properties"], "fault": {"oneOf": list(FAULT_KINDS.values())}}}


def _operation(name: str, doc: str, described: Described) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": doc.strip().partition("\n")[0],
        "responses": {
            str(described.status): {
                "description": "Done.",
                "content": {described.content_type: {}},
            }
        }
        | {str(status): _error(status) for status in (403, *described.errors)},
    }
    parameters = [
        {"name": name, "in": place, "required": place == "path", "schema": schema}
        for place, group in (("path", described.path), ("query", described.query))
        for name, schema in group.items()
    ]
    if parameters:
        operation["parameters"] = parameters
    if described.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": described.body}}}
    return operation


def _error(status: int) -> dict[str, Any]:
    return {
        "description": _REASONS[status],
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


_REASONS: Final = {
    400: "The body is no JSON in UTF-8.",
    403: "The Host or Origin header is foreign.",
    404: "Unknown, or not recorded any more.",
    409: "The report is ready.",
    413: "The body is too long.",
    415: "The content type is not JSON.",
    422: "A field breaks a rule.",
    503: "Too many streams are open.",
}
