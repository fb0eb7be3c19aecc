"""Captioned videos whose truth is known exactly, from real engines.

    from skyloom.world import render_clip, sample_scene
    clip = render_clip(sample_scene(seed=0))

Importing this imports neither MuJoCo nor Crafter.
"""

from skyloom.world.clip import Clip, render_clip
from skyloom.world.holdout import held_out_triples, is_held_out
from skyloom.world.sampling import sample_scene
from skyloom.world.scene import Action, Camera, Relation, Scene, Subject, Word

__all__ = [
    "Action",
    "Camera",
    "Clip",
    "Relation",
    "Scene",
    "Subject",
    "Word",
    "held_out_triples",
    "is_held_out",
    "render_clip",
    "sample_scene",
]
