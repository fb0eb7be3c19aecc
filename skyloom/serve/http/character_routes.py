"""The routes of characters."""

from anyio import to_thread
from fastapi import APIRouter, Request

from skyloom.serve.http import schemas, views
from skyloom.serve.http.body import read_body
from skyloom.serve.http.forms import checked, described, seen
from skyloom.serve.http.service import Authorised, Serviced
from skyloom.serve.intake.inputs import Inputs
from skyloom.serve.problem import NO_RETRY, Problem, missing
from skyloom.serve.store.characters import MOST, Character

router = APIRouter(prefix="/v1/videos/characters", tags=["characters"])


@router.post("", openapi_extra=described(schemas.CreateCharacter))
async def create(request: Request, service: Serviced, key: Authorised) -> schemas.Character:
    """Keep somebody or something that later videos are to show."""
    body = await read_body(request, key.limits.largest_body)

    def work() -> Character:
        asked = checked(schemas.CreateCharacter, body.values)
        again = service.retries.key_for(key.name, seen(request, body.digest), request.headers)
        if len(service.characters.all(key.name)) >= MOST:
            raise Problem(
                429,
                f"There are {MOST} characters, and no more are kept: delete one first.",
                code="too_many_characters",
                headers=NO_RETRY,
            )
        inputs = Inputs(service.uploads, service.fetcher, service.jobs, key)
        try:
            usage = service.jobs.usage(key.name)
            key.limits.check_storage(usage, service.characters.stored(key.name))
            file = inputs.take(asked.video, "video", "characters")
            return service.characters.add(key.name, asked.name, file.key, file.size, again)
        except BaseException:
            inputs.discard()
            raise
        finally:
            body.close()

    return views.character(await to_thread.run_sync(work, limiter=service.upload_turns))


@router.get("")
def list_characters(service: Serviced, key: Authorised) -> schemas.CharacterPage:
    """All characters, the newest first."""
    found = service.characters.all(key.name)
    return schemas.CharacterPage(data=[views.character(each) for each in found])


@router.get("/{character_id}")
def retrieve(character_id: str, service: Serviced, key: Authorised) -> schemas.Character:
    """A character."""
    found = service.characters.get(character_id, key.name)
    if found is None:
        raise missing("character", character_id)
    return views.character(found)


@router.delete("/{character_id}")
def delete(character_id: str, service: Serviced, key: Authorised) -> schemas.DeletedCharacter:
    """Forget a character; videos that were made with it stay."""
    if not service.characters.delete(character_id, key.name):
        raise missing("character", character_id)
    return schemas.DeletedCharacter(id=character_id)
