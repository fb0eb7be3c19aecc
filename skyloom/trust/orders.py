"""The guards of a server: they are asked about each order before it is taken."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from skyloom.trust.guard import Guards
from skyloom.trust.session import read

if TYPE_CHECKING:
    from skyloom.serve.order import Order


def check_order(guards: Guards) -> "Callable[[Order], None]":
    """What `serve.jobs.Jobs` takes as `allow`; safe to call from many threads.

    The one that it returns raises a `session.Refused`, a UserError, where the words of an order
    are against policy, or a guard could not say.
    """

    def allow(order: "Order") -> None:
        read(guards, order.guarded)

    return allow
