"""`/docs`: the OpenAPI document as one plain page, without script and without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code { font: 0.9em ui-monospace, monospace }
table { border-collapse: collapse; width: 100% }
td { padding: 0.2rem 0.8rem 0.2rem 0; vertical-align: top; border-top: 1px solid #8884 }
"""

Schema = dict[str, Any]


def render(document: Schema) -> str:
    """The page of an OpenAPI document as `server.faces.openapi` makes it."""
    info = document["info"]
    title = f"{info['title']} {info['version']}"
    schemas = document["components"]["schemas"]
    return "".join(
        (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>',
            f"<style>{_STYLE}</style><h1>{escape(title)}</h1>",
            '<p>As a document: <a href="/openapi.json">/openapi.json</a></p><h2>Operations</h2><table>',
            *_operations(document["paths"]),
            "</table><h2>Messages</h2>",
            *(_message(name, schema) for name, schema in sorted(schemas.items())),
        )
    )


def _operations(paths: Schema) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            asked, answer = _content(operation.get("requestBody")), _content(operation["responses"]["200"])
            yield f"<tr><td><code>{method.upper()} {escape(path)}</code><td>{escape(operation['summary'])}"
            yield f"<td>{asked} &rarr; {answer}</tr>" if asked else f"<td>{answer}</tr>"


def _content(holder: Schema | None) -> str:
    for media in (holder or {}).get("content", {}).values():
        return _type(media["schema"])
    return ""


def _message(name: str, schema: Schema) -> str:
    if "enum" in schema:
        body = f"<p>{', '.join(f'<code>{escape(value)}</code>' for value in schema['enum'])}</p>"
    else:
        fields = next((one for one in schema.get("oneOf", ()) if "properties" in one), schema)
        rows = (
            _row(f"<code>{escape(field)}</code>", _type(kind), escape(kind.get("description", "")))
            for field, kind in fields["properties"].items()
        )
        body = f"<table>{''.join(rows)}</table>"
    return f'<h3 id="{escape(name)}">{escape(name)}</h3>{body}'


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{cell}' for cell in cells)}</tr>"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map to {_type(schema['additionalProperties'])}"
    fields = schema.get("properties", {})
    if schema.get("type") == "object" and fields:
        return ", ".join(f"<code>{escape(name)}</code>: {_type(kind)}" for name, kind in fields.items())
    kind = schema.get("type", "any JSON value")
    return escape(kind if isinstance(kind, str) else " or ".join(kind))
