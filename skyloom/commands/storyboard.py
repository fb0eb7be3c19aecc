"""The verb `storyboard`: a file of shots to a film."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from skyloom.commands.making import (
    add_flags,
    check_outputs,
    guarded,
    output_paths,
    request_fields,
    warn_of_cuts,
    write_frames,
    write_sheet,
)
from skyloom.commands.parsing import Verbs, add_verb, positive_number

if TYPE_CHECKING:
    from skyloom.pipeline import Frames, Skyloom
    from skyloom.sampler import Progress
    from skyloom.storyboard import Plan, Story
    from skyloom.trust.marking import Marking
    from skyloom.trust.session import Session


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb and its flags."""
    parser = add_verb(
        verbs,
        "storyboard",
        "make a film of several shots with the same subjects",
        "skyloom storyboard story.toml -o film.mp4\n"
        "skyloom storyboard story.toml -o film.mp4 --seed 3 --size 160x96 --sheet",
        run,
    )
    parser.add_argument("story", type=Path, metavar="STORY", help="a TOML file: subjects, style, "
                        "and [[shots]] with seconds, prompt, picture, clip, camera, cut; what "
                        "flags say counts more")  # fmt: skip
    add_flags(parser, "a video file: .mp4, .webm, .gif or .safetensors")
    parser.add_argument("--fps", type=positive_number, help="frames a second")
    parser.set_defaults(seed=None)  # left out, the story's own counts


def run(args: argparse.Namespace) -> None:
    """Read the story, plan it, and write each film as it is made."""
    outputs = output_paths(args.out, args.variations)
    check_outputs(outputs, 2, args.sheet)
    with guarded(args) as session:
        _run(args, outputs, session)


def _run(args: argparse.Namespace, outputs: list[Path], session: "Session") -> None:
    from skyloom.pipeline import Skyloom
    from skyloom.storyboard import read_story
    from skyloom.trust.marking import Marking
    from skyloom.trust.session import words_of

    story = replace(read_story(args.story), **request_fields(args))
    if args.seed is not None:
        story = replace(story, seed=args.seed)
    stories = [replace(story, seed=story.seed + number) for number in range(len(outputs))]
    model = Skyloom.load(args.model)
    plan = model.plan(story)
    for note in plan.notes:
        print(f"skyloom: {note}.", file=sys.stderr)
    warn_of_cuts([request.words for request in plan.requests], model.text.truncated)
    marking = Marking.ready(args.model, hide_prompt=not session.policy.tell_prompt)
    session.ready()
    session.allow_words(words_of(plan.requests))
    for file, clip in plan.inputs:
        session.allow_input(clip, f"'{file}'")
    for number, (varied, output) in enumerate(zip(stories, outputs, strict=True), start=1):
        title = "storyboard" if len(outputs) == 1 else f"storyboard {number} of {len(outputs)}"
        _make(model, varied, plan, output, title, args.sheet, marking, session)


def _make(
    model: "Skyloom",
    story: "Story",
    plan: "Plan",
    output: Path,
    title: str,
    sheet: bool,
    marking: "Marking",
    session: "Session",
) -> None:
    """Write one film, its sound and its contact sheet, and say where they are."""
    from skyloom.sound import carry_sounds
    from skyloom.trust.marking import kept_stretches

    words = "\n".join(request.words for request in plan.requests)
    sources = [shot.given for shot in story.shots if shot.given is not None]
    claim = marking.claim(
        "storyboard", story, sources, [session.begin()], words, {"shots": story.pace}
    )

    def frames(tell: "Progress") -> "Iterator[Frames]":
        made = session.watched(model.film(story, plan, tell), story.fps)
        kept = kept_stretches(plan.given, story.size)
        return marking.mark(made, claim, story.fps, kept=kept)

    shape = plan.frames, story.size, story.fps
    steps = sum(map(model.steps, plan.requests))
    with marking.signed(output, claim) as unfinished:
        pictures, _ = write_frames(frames, shape, steps, unfinished, title)
        if plan.sounds:
            for note in carry_sounds(list(plan.sounds), unfinished).notes:
                print(f"skyloom: {note}.", file=sys.stderr)
    width, height = story.size
    shots = f"{len(story.shots)} shots" if len(story.shots) > 1 else "1 shot"
    print(f"{output}: {width}x{height}, {plan.frames / story.fps:.1f} s, {shots}")
    if sheet:
        write_sheet([pictures], output, marking)
    sys.stdout.flush()
