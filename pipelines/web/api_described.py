"""What the HTTP API takes, as OpenAPI and as a page to read. Bodies are streamed, so no signature can tell it."""

import html
from typing import Any


def _body(properties: dict[str, Any], formats: list[str]) -> dict[str, Any]:
    fields = {
        "file": {"type": "string", "format": "binary", "description": "the file; its name does not matter"},
        "model": {"type": "string", "description": "a name from /v1/models; without one, the server's own"},
        "response_format": {"type": "string", "enum": formats, "default": "json"},
        **properties,
    }
    schema = {"type": "object", "required": ["file"], "properties": fields}
    answers = {
        "200": "the transcript in the format that was asked for; where the file is damaged, cut off, silent or without "
        "text, one sentence says so in the header X-Recog-Warning, and in JSON as `warning`",
        "400": "a field or the form is wrong",
        "401": "the token is missing or wrong",
        "404": "there is no such model",
        "408": "the upload took too long",
        "413": "the upload is larger than the limit",
        "415": "the request is not multipart/form-data",
        "422": "the file cannot be read, or is longer or larger than the limit",
        "503": "the server is busy, stopping, or lacks the model",
    }
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}},
        "responses": {status: {"description": what} for status, what in answers.items()},
    }


AUDIO = _body(
    {
        "language": {"type": "string", "description": "given back in verbose_json; the model decides what is read"},
        "timestamp_granularities[]": {
            "type": "array",
            "items": {"type": "string", "enum": ["segment", "word"]},
            "default": ["segment"],
            "description": "what verbose_json lists with times",
        },
        "stream": {
            "type": "boolean",
            "default": False,
            "description": "server-sent events: transcript.text.delta for every piece, then transcript.text.done",
        },
    },
    ["json", "text", "srt", "verbose_json", "vtt"],
)
IMAGES = _body({}, ["json", "text", "verbose_json"])


def page(schema: dict[str, Any]) -> str:
    """The OpenAPI description as a plain page without scripts: every route with its fields and its answers."""
    parts = []
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            parts.append(f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>")
            parts.append(f"<p>{html.escape(route.get('summary', ''))}</p>")
            form = route.get("requestBody", {}).get("content", {}).get("multipart/form-data", {}).get("schema", {})
            rows = [_row(name, field, name in form["required"]) for name, field in form.get("properties", {}).items()]
            if rows:
                parts.append(f"<table><tr><th>field</th><th>values</th><th></th></tr>{''.join(rows)}</table>")
            parts.append(
                "<ul>"
                + "".join(
                    f"<li>{status}: {html.escape(answer['description'])}</li>"
                    for status, answer in route["responses"].items()
                )
                + "</ul>"
            )
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
        "td,th{text-align:left;padding:.2rem 1rem .2rem 0;vertical-align:top}code{font-size:1rem;overflow-wrap:anywhere}"
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>recog: HTTP API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{style}</style></head><body>'
        f"<h1>recog: HTTP API</h1><p>{html.escape(schema['info']['description'])} "
        f'As OpenAPI: <a href="openapi.json">openapi.json</a>.</p>{"".join(parts)}</body></html>'
    )


def _row(name: str, field: dict[str, Any], required: bool) -> str:
    values = field.get("enum") or field.get("items", {}).get("enum") or [field["type"]]
    needed = "required" if required else f"default: {field['default']}" if "default" in field else "optional"
    what = "; ".join(part for part in (needed, field.get("description", "")) if part)
    return f"<tr><td><code>{html.escape(name)}</code></td><td>{html.escape(', '.join(values))}</td><td>{html.escape(what)}</td></tr>"
