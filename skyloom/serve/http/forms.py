"""Reading a request's body into one of the declared forms, and describing that form in OpenAPI."""

import copy
import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from skyloom.serve.http.schemas import FILE_SCHEMA
from skyloom.serve.intake.uploads import Part
from skyloom.serve.problem import Problem, invalid, shown

Form = TypeVar("Form", bound=BaseModel)


def checked(form: type[Form], values: Mapping[str, Any]) -> Form:
    """The values as the form declares them.

    Raises:
        Problem: 400, which names the first field that is wrong and what would work.
    """
    try:
        return form.model_validate(dict(values))
    except ValidationError as error:
        raise _problem(form, error) from None


def without_spare_parts(form: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values but for files under names that the form does not have: a storyboard names them."""
    known = form.model_fields
    return {k: v for k, v in values.items() if k in known or not isinstance(v, Part)}


def _problem(form: type[BaseModel], error: ValidationError) -> Problem:
    first = error.errors(include_url=False, include_input=False)[0]
    path = [str(part) for part in first["loc"]]
    param = shown(".".join(path)) or None
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], form.model_fields, n=1)
        hint = f": did you mean '{near[0]}'?" if near else "."
        return invalid(f"There is no field '{param}'{hint}", param, "unknown_parameter")
    if first["type"] == "missing":
        return invalid(f"The field '{param}' is missing.", param, "missing_required_parameter")
    said = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    return invalid(f"'{param}' is not right: {said[:1].lower()}{said[1:]}.", param)


def described(form: type[BaseModel]) -> dict[str, Any]:
    """The body of a request in OpenAPI's words, for `openapi_extra`."""
    multipart = form.model_json_schema()
    plain = copy.deepcopy(multipart)
    for name, field in multipart["properties"].items():
        if field.get("anyOf") == FILE_SCHEMA["anyOf"]:
            about = {"description": FILE_SCHEMA["description"]}
            by_id, by_url = FILE_SCHEMA["anyOf"][1:]
            multipart["properties"][name] = {"type": "string", "format": "binary", **about}
            plain["properties"][name] = {"anyOf": [by_id, by_url, {"type": "string"}], **about}
    content = {
        "multipart/form-data": {"schema": multipart},
        "application/json": {"schema": plain},
    }
    return {"requestBody": {"required": True, "content": content}}


def seen(request: Request, digest: str) -> str:
    """What a request asks, for telling whether it came before."""
    return f"{request.method} {request.url.path} {digest}"
