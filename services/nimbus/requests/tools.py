"""The functions that a request offers to the model, and which of them it may or must call."""

from __future__ import annotations

from typing import Any

from services.core.errors import invalid
from services.core.store.plain_json import check_plain

MAX_TOOLS = 128
MAX_TOOLS_CHARACTERS = 262_144  # of JSON
TOOL_FIELDS = ("name", "description", "parameters", "strict")


def read_tools(value: Any) -> tuple[dict[str, Any], ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_TOOLS:
        raise invalid(f"tools must be an array of at most {MAX_TOOLS} functions", field="tools")
    if value:
        check_plain(value, "tools", MAX_TOOLS_CHARACTERS)
    for index, tool in enumerate(value):
        named = isinstance(tool, dict) and tool.get("type") == "function" and isinstance(tool.get("name"), str)
        if not named or not tool["name"] or not isinstance(tool.get("parameters") or {}, dict):
            raise invalid(f"tools[{index}] must be a function with name and parameters", field=f"tools[{index}]")
        if not isinstance(tool.get("description"), str | None):
            raise invalid(f"tools[{index}].description must be a string", field=f"tools[{index}].description")
        if not isinstance(tool.get("strict"), bool | None):
            raise invalid(f"tools[{index}].strict must be true or false", field=f"tools[{index}].strict")
    return tuple({"type": "function"} | {name: tool.get(name) for name in TOOL_FIELDS} for tool in value)


def read_tool_choice(value: Any, tools: tuple[dict[str, Any], ...]) -> str | dict[str, Any]:
    if value is None:
        return "auto"
    if value == "required" and not tools:
        raise invalid("tool_choice: required needs tools to call", field="tool_choice")
    if value in ("auto", "none", "required"):
        return value
    known = {tool["name"] for tool in tools}
    if isinstance(value, dict) and value.get("type") == "allowed_tools":
        return _allowed_tools(value, known)
    name = value.get("name") if isinstance(value, dict) and value.get("type") == "function" else None
    if not isinstance(name, str) or name not in known:
        raise invalid("tool_choice must be auto, none, required or one of the functions in tools", field="tool_choice")
    return {"type": "function", "name": name}


def _allowed_tools(value: dict[str, Any], known: set[str]) -> dict[str, Any]:
    mode, tools = value.get("mode", "auto"), value.get("tools")
    if mode not in ("auto", "none", "required"):
        raise invalid("tool_choice.mode must be auto, none or required", field="tool_choice.mode")
    names = [tool.get("name") if isinstance(tool, dict) else None for tool in tools] if isinstance(tools, list) else []
    if not names or not all(isinstance(name, str) and name in known for name in names):
        raise invalid("tool_choice.tools must name functions in tools", field="tool_choice.tools")
    return {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": name} for name in names]}
