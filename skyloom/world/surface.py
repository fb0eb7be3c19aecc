"""How the parts of a scene look: the seam between the stage (physics) and the renderer (light)."""

from dataclasses import dataclass

TEXTURES = ("plain", "grass", "sand", "snow", "regolith", "paving", "planks", "brick", "checker")


@dataclass(frozen=True)
class Surface:
    """The look of one MuJoCo geom.

    Attributes:
        color: linear red, green, blue in 0..1.
        material: one of `scene.MATERIALS`, or "glow" for things that light themselves.
        texture: one of `TEXTURES`; a pattern in world or geom coordinates that varies `color`.
        subject: index of the subject that the geom belongs to, -1 for props, -2 for the ground.
        text: a word that stands on the geom's -y face (facing the first camera), or None.
    """

    color: tuple[float, float, float]
    material: str = "matte"
    texture: str = "plain"
    subject: int = -1
    text: str | None = None
