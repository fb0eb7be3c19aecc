import numpy as np

from skyloom.world.surface import TEXTURES
from skyloom.world.textures import METRES, TINTS, build_atlas, mip_level


def test_every_texture_has_a_size_a_tint_and_no_mean() -> None:
    atlas = build_atlas()
    assert set(METRES) == set(TINTS) == set(TEXTURES)
    u, v = np.meshgrid(np.linspace(0, 1, 64, False), np.linspace(0, 1, 64, False))
    u, v = u.astype(np.float32), v.astype(np.float32)
    for number, name in enumerate(TEXTURES):
        texels = atlas.sample(number, u, v, np.zeros(1, np.int32))
        assert abs(float(texels.mean())) < 0.1
        assert (float(texels.std()) > 0.1) == (name != "plain")
        far = atlas.sample(number, u, v, mip_level(np.full(1, 1e6, np.float32)))
        assert float(far.std()) < 0.5 * max(float(texels.std()), 0.01)


def test_textures_repeat_seamlessly() -> None:
    atlas = build_atlas()
    at = np.linspace(0, 1, 50, dtype=np.float32)
    for number in range(len(TEXTURES)):
        a = atlas.sample(number, at, np.float32(0.25) + 0 * at, np.ones(1, np.int32))
        b = atlas.sample(number, at + 3, at * 0 - np.float32(1.75), np.ones(1, np.int32))
        np.testing.assert_allclose(a, b, atol=1e-3)
