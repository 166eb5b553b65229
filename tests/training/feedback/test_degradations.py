import json

import numpy as np
import pytest
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.training.feedback.degradations import KINDS, apply, draw
from inpaint_lens.training.feedback.importing import likeness

from .conftest import drawing


@pytest.mark.parametrize("kind", KINDS)
def test_stored_parameters_make_the_same_picture_again(kind):
    picture, parameters = drawing(1), draw(kind, 7)
    stored = json.loads(json.dumps(parameters))
    np.testing.assert_array_equal(apply(picture, kind, parameters), apply(picture, kind, stored))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_a_degradation_changes_the_picture_but_not_what_it_shows(kind, seed):
    picture = drawing(seed)
    before, faulty = picture.copy(), apply(picture, kind, draw(kind, seed))
    assert faulty.shape == picture.shape and faulty.dtype == np.uint8
    assert (faulty != picture).any() and (picture == before).all()
    assert likeness(faulty, picture) > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_draw_different_parameters(kind):
    assert draw(kind, 1) == draw(kind, 1) != draw(kind, 2)


def test_blur_lowers_and_noise_raises_the_energy_of_detail():
    def detail(picture):
        return float(np.abs(np.diff(picture.astype(float), axis=1)).mean())

    sharp = drawing(3)
    assert (
        detail(apply(sharp, "blur", draw("blur", 0))) < detail(sharp) < detail(apply(sharp, "noise", draw("noise", 0)))
    )


def test_an_unknown_degradation_is_named_with_those_that_exist():
    with pytest.raises(InputError, match=r"no degradation 'rain'.*blur, noise"):
        draw("rain", 0)
