"""The page at `/v1/docs`, made from the OpenAPI document; it loads nothing from anywhere."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi.responses import HTMLResponse

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1f;
  background: #fff }
code, pre { font: 0.9rem/1.5 ui-monospace, monospace; background: #f1f1f4; border-radius: 4px; padding: 0.1em 0.3em }
pre { padding: 0.8rem; overflow-x: auto }
h2 { margin-top: 2.2rem; font-size: 1.15rem }
b { display: inline-block; min-width: 4.2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.8rem 0.25rem 0; border-bottom: 1px solid #ddd }
@media (prefers-color-scheme: dark) { body { color: #e6e6ea; background: #1b1b1f } code, pre { background: #2b2b31 } }
"""
_EXAMPLE = """curl -F picture=@photo.png -F mask=@mask.png -F 'options={"explain": {}}' ADDRESS/v1/jobs
curl -N ADDRESS/v1/jobs/ID/events
curl -O ADDRESS/v1/jobs/ID/result.png
curl -O ADDRESS/v1/jobs/ID/layers.ora
curl -X DELETE ADDRESS/v1/jobs/ID"""


def page(document: dict[str, Any]) -> HTMLResponse:
    """The OpenAPI document for people."""
    title = escape(document["info"]["title"])
    calls = [
        _call(method, path, facts) for path, methods in document["paths"].items() for method, facts in methods.items()
    ]
    models = [_model(name, facts) for name, facts in document["components"]["schemas"].items() if _shown(name)]
    body = "\n".join(
        [
            f"<h1>{title} <code>/v1</code></h1>",
            f"<p>{escape(document['info'].get('description', ''))} For programs: "
            '<a href="/v1/openapi.json">the OpenAPI document</a>.</p>',
            f"<pre>{escape(_EXAMPLE)}</pre>",
            *calls,
            "<h1>Requests and answers</h1>",
            *models,
        ]
    )
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} /v1</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>{body}</main></body></html>"
    )
    return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY})


def _call(method: str, path: str, facts: dict[str, Any]) -> str:
    answers = "".join(
        f"<tr><td><code>{escape(code)}</code></td><td>{escape(answer['description'])}</td></tr>"
        for code, answer in sorted(facts["responses"].items())
    )
    return (
        f"<h2><b>{escape(method.upper())}</b> <code>{escape(path)}</code></h2>"
        f"<p>{escape(facts['summary'])}. {escape(facts.get('description', ''))}</p><table>{answers}</table>"
    )


def _shown(name: str) -> bool:
    return not name.startswith(("Body_", "HTTPValidation", "ValidationError"))


def _model(name: str, facts: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{escape(_kind(value))}</td>"
        f"<td>{escape(value.get('description', ''))}</td></tr>"
        for field, value in facts.get("properties", {}).items()
    )
    return f"<h2>{escape(name)}</h2><p>{escape(facts.get('description', ''))}</p><table>{rows}</table>"


def _kind(value: dict[str, Any]) -> str:
    """The type of a field in a few words."""
    if "$ref" in value:
        return value["$ref"].rpartition("/")[2]
    if "enum" in value:
        return " | ".join(str(choice) for choice in value["enum"])
    if options := value.get("anyOf"):
        return " | ".join(_kind(option) for option in options)
    if value.get("type") == "array":
        return f"list of {_kind(value.get('items', {}))}"
    usual = f" = {value['default']}" if "default" in value else ""
    return f"{value.get('type') or value.get('const', 'any')}{usual}"
