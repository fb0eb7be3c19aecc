"""Jobs and characters as clients see them."""

from pathlib import Path

from skyloom.request import Request
from skyloom.serve.http import schemas
from skyloom.serve.job import PREVIEW, TYPES, VIDEO, Job
from skyloom.serve.store.characters import Character


def video(job: Job, ahead: int | None = None) -> schemas.Video:
    """A job in the official API's form, with what that does not have under `skyloom`.

    Args:
        ahead: jobs that wait before it, where that was counted.
    """
    order, delivered = job.order, job.delivered
    seconds = delivered.seconds if delivered else order.seconds
    if seconds is None:
        seconds = Request.seconds
    size = delivered.size if delivered else order.size or Request.size
    error = job.error
    return schemas.Video(
        id=job.id,
        status=job.status,
        progress=job.progress,
        created_at=job.created_at,
        completed_at=job.completed_at,
        expires_at=job.expires_at,
        model=order.model,
        prompt=order.prompt,
        seconds=f"{seconds:g}",
        size=_size(size),
        remixed_from_video_id=order.remixed_from,
        error=schemas.VideoError(code=error.code, message=error.message) if error else None,
        skyloom=_extras(job, ahead),
    )


def _extras(job: Job, ahead: int | None) -> schemas.Extras:
    order, delivered = job.order, job.delivered
    told = None
    if delivered is not None:
        told = schemas.Delivered(
            size=_size(delivered.size),
            seconds=delivered.seconds,
            fps=delivered.fps,
            frames=delivered.frames,
            made=_size(delivered.made),
        )
    return schemas.Extras(
        operation=order.operation,
        seed=order.seed,
        steps=order.steps,
        guidance_scale=order.guidance,
        negative_prompt=order.negative,
        solver=order.solver,
        fps=order.fps,
        strength=order.strength,
        camera=order.camera,
        loop=order.loop,
        backward=order.backward,
        at=order.at,
        keep=[list(stretch) for stretch in order.keep],
        trim=None if order.trim is None else list(order.trim),
        storyboard=order.story,
        characters=len(order.characters),
        notes=list(delivered.notes) if delivered else [],
        delivered=told,
        has_preview=PREVIEW in job.outputs,
        previews=job.previews,
        ahead=ahead,
        media_type=media_type(job),
    )


def media_type(job: Job, variant: str = VIDEO) -> str | None:
    """What a result is, None where there is none."""
    if variant not in job.outputs:
        return None
    return TYPES.get(Path(job.outputs[variant]).suffix, "application/octet-stream")


def character(there: Character) -> schemas.Character:
    """A character as clients see it."""
    return schemas.Character(id=there.id, name=there.name, created_at=there.created_at)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
