"""The OpenAPI 3.1 document of the HTTP face, derived from the protobuf descriptors."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from protos.reward.v1 import reward_pb2 as pb

Schema = dict[str, Any]

_SCALARS: dict[int, Schema] = {
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": (1 << 32) - 1},
    FieldDescriptor.TYPE_UINT64: {"type": "integer", "minimum": 0, "maximum": (1 << 64) - 1},
}
# Where the JSON side translates (see json_wire).
_SPECIAL_FIELDS: dict[str, Schema] = {
    "reward.v1.CallCase.args": {"type": "array", "description": "positional arguments, any JSON values"},
    "reward.v1.CallCase.expected": {"description": "any JSON value"},
    "reward.v1.Execution.stdout": {"type": "string"},
    "reward.v1.Execution.stderr": {"type": "string"},
}
_BATCH: Schema = {
    "type": "object",
    "required": ["requests"],
    "properties": {"requests": {"type": "array", "items": {"$ref": "#/components/schemas/VerifyRequest"}}},
}
_VERDICTS: Schema = {
    "type": "object",
    "properties": {"verdicts": {"type": "array", "items": {"$ref": "#/components/schemas/Verdict"}}},
}
_PROBLEM: Schema = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("type", "title", "code", "detail", "field")},
        "status": {"type": "integer"},
    },
}


def schema(version: str) -> Schema:
    """The whole document for this server's version."""
    messages = {name: _message(found) for name, found in pb.DESCRIPTOR.message_types_by_name.items()}
    enums = {
        name: {"type": "string", "enum": [value.name for value in found.values]}
        for name, found in pb.DESCRIPTOR.enum_types_by_name.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Reward server", "version": version},
        "paths": _paths(),
        "components": {"schemas": {**messages, **enums, "Problem": _PROBLEM}},
    }


def _paths() -> Schema:
    verify = _operation("One completion, one verdict", _ref("Verdict"), _ref("VerifyRequest"))
    batch = _operation("Many completions", _VERDICTS, _BATCH)
    batch["requestBody"]["content"]["application/x-ndjson"] = {"schema": _ref("VerifyRequest")}
    batch["responses"]["200"]["content"]["application/x-ndjson"] = {"schema": _ref("Verdict")}
    tests = _operation("Keep a test set under its content hash", _ref("TestSetRef"), _ref("TestSet"))
    execute = _operation("Run a program, judge nothing", _ref("ExecuteResult"), _ref("ExecuteRequest"))
    check = _operation("Check a task before use", _ref("TaskReport"), _ref("CheckTaskRequest"))
    plain = {"type": "object"}
    return {
        "/v1/verify": {"post": verify},
        "/v1/verify/batch": {"post": batch},
        "/v1/tests": {"put": tests},
        "/v1/execute": {"post": execute},
        "/v1/check": {"post": check},
        "/v1/capabilities": {"get": _operation("What this server can do", _ref("Capabilities"))},
        "/health": {"get": _operation("The process answers", plain)},
        "/ready": {"get": _operation("200 when warm; 503 before and while draining", plain)},
        "/version": {"get": _operation("Versions of the server and of the API", plain)},
        "/metrics": {
            "get": _operation("Metrics in Prometheus' text format", {"type": "string"}, media="text/plain")
        },
    }


def _operation(
    summary: str, answer: Schema, request: Schema | None = None, media: str = "application/json"
) -> Schema:
    operation: Schema = {
        "summary": summary,
        "responses": {
            "200": {"description": "the answer", "content": {media: {"schema": answer}}},
            "default": {
                "description": "the request cannot be taken",
                "content": {"application/problem+json": {"schema": _ref("Problem")}},
            },
        },
    }
    if request is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": request}}}
    return operation


def _message(descriptor: Descriptor) -> Schema:
    properties = {field.name: _field(field) for field in descriptor.fields}
    if descriptor.name == "Execution":
        encoded = {"type": "string", "contentEncoding": "base64", "description": "only if not UTF-8"}
        properties |= {"stdout_base64": encoded, "stderr_base64": encoded}
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"oneOf": [{"type": "string"}, found]} if descriptor.name == "Checker" else found


def _field(field: FieldDescriptor) -> Schema:
    if field.full_name in _SPECIAL_FIELDS:
        return _SPECIAL_FIELDS[field.full_name]
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return {"type": "object", "additionalProperties": _single(message.fields_by_name["value"])}
    if field.is_repeated:
        return {"type": "array", "items": _single(field)}
    return _or_null(_single(field)) if _is_optional_scalar(field) else _single(field)


def _is_optional_scalar(field: FieldDescriptor) -> bool:
    """Written as null where it is absent."""
    return field.message_type is None and field.has_presence and _is_declared_optional(field)


def _is_declared_optional(field: FieldDescriptor) -> bool:
    oneof = field.containing_oneof
    return oneof is not None and len(oneof.fields) == 1 and oneof.name == f"_{field.name}"


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _single(field: Any) -> Schema:
    if field.message_type is not None:
        return _ref(field.message_type.name)
    if field.enum_type is not None:
        return _ref(field.enum_type.name)
    return _SCALARS[field.type]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
