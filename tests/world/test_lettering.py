import numpy as np

from skyloom.world.lettering import word_bitmap


def test_a_word_fits_its_face_whatever_the_shape() -> None:
    for text in ("A", "SORA", "LONGWORD9"):
        for aspect in (0.8, 2.0, 5.0):
            bitmap = word_bitmap(text, aspect)
            height, width = bitmap.shape
            assert abs(width / height / aspect - 1) < 0.05
            assert set(np.unique(bitmap)) == {0.0, 1.0}
            edge = np.concatenate([bitmap[0], bitmap[-1], bitmap[:, 0], bitmap[:, -1]])
            assert edge.max() == 0


def test_letters_differ_and_what_has_no_glyph_is_a_question_mark() -> None:
    letters = {c: word_bitmap(c, 1.0).tobytes() for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!-"}
    assert len(set(letters.values())) == len(letters)
    np.testing.assert_array_equal(word_bitmap("é", 1.0), word_bitmap("?", 1.0))
    np.testing.assert_array_equal(word_bitmap("sora", 2.0), word_bitmap("SORA", 2.0))
