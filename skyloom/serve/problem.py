"""What a client is told when something cannot be done: one shape, the official API's own.

{"error": {"message": "...", "type": "invalid_request_error", "param": "size", "code": null}}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NO_RETRY: Mapping[str, str] = {"x-should-retry": "false"}
"""Tells the official client that asking again changes nothing."""


@dataclass(eq=False)
class Problem(Exception):
    """A request that cannot be carried out.

    Attributes:
        status: of the HTTP response, 4xx or 5xx.
        message: a sentence for people; never a path of this machine.
        param: the field that is at fault.
        code: a word for programs.
        headers: of the response besides.
    """

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """The official API's word for this kind of error."""
        if self.status in (401, 403):
            return "authentication_error" if self.status == 401 else "permission_error"
        if self.status == 429:
            return "rate_limit_error"
        return "invalid_request_error" if self.status < 500 else "server_error"

    def body(self) -> dict[str, Any]:
        """What is sent."""
        told = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": told}


def invalid(message: str, param: str | None = None, code: str = "invalid_value") -> Problem:
    """The request itself is wrong."""
    return Problem(400, message, param, code)


def missing(what: str, id: str) -> Problem:
    """There is no such thing, or it is somebody else's: nobody can tell which."""
    return Problem(404, f"There is no {what} '{shown(id)}'.", code="not_found")


def shown(text: str, longest: int = 60) -> str:
    """What a client sent, short enough and plain enough to be said back."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    return plain if len(plain) <= longest else f"{plain[:longest]}..."
