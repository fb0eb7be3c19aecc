"""From what a request says to an `Order`: names, inputs and their roles."""

from collections.abc import Mapping
from typing import Any

from skyloom.serve.access.keys import Key
from skyloom.serve.http.schemas import CreateVideo, EditVideo, ExtendVideo, Settings
from skyloom.serve.http.service import Service, as_problems
from skyloom.serve.intake.inputs import Inputs
from skyloom.serve.intake.uploads import Part, Stored
from skyloom.serve.order import NEEDED, Operation, Order
from skyloom.serve.problem import invalid, missing, shown

TAKES: Mapping[str, tuple[str, ...]] = {
    "animate": ("picture",),
    "extend": ("video",),
    "loop": ("video",),
    "connect": ("video", "second"),
    "blend": ("video", "second"),
    "fill": ("video",),
    "restyle": ("video", "mask"),
}
"""Roles of the inputs that an operation can use."""
GIVEN = ("input_reference", "video", "second", "mask")
"""Fields that are inputs."""


def create(
    asked: CreateVideo, named: Mapping[str, Part], inputs: Inputs, service: Service, key: Key
) -> Order:
    """The order of a new video.

    Args:
        named: all parts of the form; the storyboard may name them.

    Raises:
        Problem: it cannot be, see `Order`.
    """
    story, roles, used = _story(asked.storyboard, named, inputs)
    given = {name: getattr(asked, name) for name in GIVEN if name not in used}
    spare = sorted(set(named) - used - set(GIVEN))
    if spare:
        name = shown(spare[0])
        raise invalid(f"There is no field '{name}'.", name, "unknown_parameter")
    taken = {name: inputs.take(value, name) for name, value in given.items() if value is not None}
    operation = asked.operation or _operation(asked, taken)
    roles |= _roles(operation, taken)
    for number, id in enumerate(asked.characters):
        character = service.characters.get(id, key.name)
        if character is None:
            raise missing("character", id)
        roles[f"character:{number}"] = inputs.copy(character.file)
    said = _settings(asked, service.model(asked.model))
    if asked.strength is not None:
        said["strength"] = asked.strength
    with as_problems():
        return Order(
            operation=operation,
            prompt=asked.prompt,
            size=asked.size,
            seconds=asked.seconds,
            camera=asked.camera,
            backward=asked.backward,
            at=asked.at,
            keep=asked.keep,
            trim=asked.trim,
            path=asked.path,
            loop=asked.loop,
            story=story,
            inputs={role: stored.key for role, stored in roles.items()},
            **said,
        )


def edit(asked: EditVideo, inputs: Inputs, service: Service) -> Order:
    """The order of a clip in other words."""
    roles = {"video": inputs.take(asked.video, "video").key}
    if asked.mask is not None:
        roles["mask"] = inputs.take(asked.mask, "mask").key
    said = _settings(asked, service.model(asked.model))
    if asked.strength is not None:
        said["strength"] = asked.strength
    with as_problems():
        return Order(operation="restyle", prompt=asked.prompt, inputs=roles, **said)


def extend(asked: ExtendVideo, inputs: Inputs, service: Service) -> Order:
    """The order of a clip that goes on."""
    roles = {"video": inputs.take(asked.video, "video").key}
    with as_problems():
        return Order(
            operation="extend",
            prompt=asked.prompt,
            seconds=asked.seconds,
            backward=asked.backward,
            inputs=roles,
            **_settings(asked, service.model(asked.model)),
        )


def _settings(asked: Settings, model: str) -> dict[str, Any]:
    return {
        "model": model,
        "seed": asked.seed,
        "steps": asked.steps,
        "guidance": asked.guidance_scale,
        "negative": asked.negative_prompt,
        "solver": asked.solver,
        "fps": asked.fps,
        "preview": asked.preview,
    }


def _operation(asked: CreateVideo, taken: Mapping[str, Stored]) -> Operation:
    """What is meant where it is not said: told by what is given."""
    if asked.storyboard is not None:
        return "storyboard"
    if "mask" in taken or (asked.strength is not None and "video" in taken):
        return "restyle"
    if "second" in taken:
        return "connect"
    if asked.keep:
        return "fill"
    first = taken.get("video") or taken.get("input_reference")
    if first is not None:
        return "animate" if first.kind == "picture" else "extend"
    return "image" if asked.seconds == 0 else "generate"


def _roles(operation: str, taken: Mapping[str, Stored]) -> dict[str, Stored]:
    """What each input is for.

    Raises:
        Problem: 400, the operation has no use for it, or it is of the wrong kind.
    """
    useful = TAKES.get(operation, ())
    roles: dict[str, Stored] = {}
    for name, stored in taken.items():
        first = useful[0] if useful else name
        role = first if name in ("input_reference", "video") else name
        if role not in useful:
            raise invalid(f"The operation '{operation}' has no use for '{name}'.", name)
        if role in roles:
            raise invalid("'input_reference' and 'video' are both given: send one.", name)
        if role == "picture" and stored.kind != "picture":
            raise invalid("A clip cannot be animated: extend it, or send a picture.", name)
        moving = role in ("video", "second") and operation not in ("restyle", "loop")
        if moving and stored.kind == "picture":
            raise invalid(
                f"The operation '{operation}' needs a clip, and '{name}' is a picture.", name
            )
        roles[role] = stored
    for role in NEEDED.get(operation, ()):
        if role not in roles:
            name = "input_reference" if role == "picture" else role
            raise invalid(
                f"The operation '{operation}' needs a '{name}': send a file.",
                name,
                "missing_required_parameter",
            )
    return roles


def _story(
    story: dict[str, Any] | None, named: Mapping[str, Part], inputs: Inputs
) -> tuple[dict[str, Any] | None, dict[str, Stored], set[str]]:
    """The story with a role in place of each picture and clip, the file of each role, and the parts
    that it names."""
    roles: dict[str, Stored] = {}
    used: dict[str, str] = {}
    shots = story.get("shots") if story is not None else ()
    if not isinstance(shots, list | tuple) or len(shots) > 100:
        raise invalid("A storyboard has 1 to 100 shots.", "storyboard")
    placed = []
    for number, shot in enumerate(shots, 1):
        if not isinstance(shot, dict):
            raise invalid(f"Shot {number} of the storyboard is no object.", "storyboard")
        shot = dict(shot)
        for key in ("picture", "clip"):
            value = shot.get(key)
            if value is None:
                continue
            param = f"storyboard.shots[{number - 1}].{key}"
            if isinstance(value, str) and value in used:
                shot[key] = used[value]
                continue
            role = f"story:{len(roles)}"
            part = named.get(value) if isinstance(value, str) else None
            roles[role] = inputs.take(value if part is None else part, param)
            if isinstance(value, str):
                used[value] = role
            shot[key] = role
        placed.append(shot)
    return (None if story is None else {**story, "shots": placed}), roles, set(used)
