"""`/docs`: the API as a page, from its OpenAPI; nothing is loaded from another host."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

_STYLE = """\
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
code, pre { font: .9rem/1.4 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid GrayText; border-radius: .25rem; }
section { border-top: 1px solid GrayText; margin-top: 1.5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; }
"""


def routes(app: FastAPI) -> APIRouter:
    """The routes."""
    router = APIRouter(include_in_schema=False)
    made: list[str] = []

    @router.get("/docs")
    async def docs() -> Response:
        if not made:
            made.append(page_of(app.openapi()))
        return Response(made[0], media_type="text/html")

    @router.get("/docs/style.css")
    async def style() -> Response:
        return Response(_STYLE, media_type="text/css")

    return router


def page_of(api: dict[str, Any]) -> str:
    """HTML of an OpenAPI document."""
    head = html.escape(f"{api['info']['title']} {api['info']['version']}")
    lines = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{head}</title>",
        '<link rel="stylesheet" href="/docs/style.css"></head><body><main>',
        f"<h1>{head}</h1>",
        '<p>Machine-readable: <a href="/openapi.json">openapi.json</a>. Errors are '
        "<code>{&quot;error&quot;: line}</code>.</p>",
    ]
    for path, methods in api["paths"].items():
        for method, said in methods.items():
            lines += _operation(path, method, said, api)
    lines.append("<h2>Forms</h2>")
    for name, schema in api.get("components", {}).get("schemas", {}).items():
        text = html.escape(json.dumps(schema, indent=2, ensure_ascii=False))
        lines.append(f'<section id="{html.escape(name)}"><h3>{html.escape(name)}</h3>')
        lines.append(f"<pre><code>{text}</code></pre></section>")
    return "\n".join([*lines, "</main></body></html>", ""])


def _operation(path: str, method: str, said: dict[str, Any], api: dict[str, Any]) -> Iterator[str]:
    yield f"<section><h2><code>{method.upper()} {html.escape(path)}</code></h2>"
    yield f"<p>{html.escape(said.get('description', ''))}</p>"
    parameters = said.get("parameters", [])
    if parameters:
        yield "<table><thead><tr><th>name</th><th>in</th><th>form</th><th></th></tr></thead><tbody>"
        for each in parameters:
            schema = html.escape(_brief(each["schema"]))
            about = html.escape(each.get("description", ""))
            yield f"<tr><td><code>{html.escape(each['name'])}</code></td><td>{each['in']}</td>"
            yield f"<td><code>{schema}</code></td><td>{about}</td></tr>"
        yield "</tbody></table>"
    if "requestBody" in said:
        yield f"<p>Body: {_form(said['requestBody'])}</p>"
    answers = ", ".join(
        f"{status} {_form(answer)}".strip() for status, answer in said["responses"].items()
    )
    yield f"<p>Answers: {answers}</p></section>"


def _brief(schema: dict[str, Any]) -> str:
    parts = [str(schema.get("type", "text"))]
    names = {"minimum": "≥", "maximum": "≤", "default": "default"}
    parts += [
        f"{sign} {json.dumps(schema[name])}" for name, sign in names.items() if name in schema
    ]
    return " ".join(parts)


def _form(said: dict[str, Any]) -> str:
    """Links to the forms of a body."""
    schema = said.get("content", {}).get("application/json", {}).get("schema", {})
    refs = [each.get("$ref", "") for each in [schema, *schema.get("anyOf", ())]]
    names = [html.escape(ref.rpartition("/")[2]) for ref in refs if ref]
    return " or ".join(f'<a href="#{name}"><code>{name}</code></a>' for name in names)
