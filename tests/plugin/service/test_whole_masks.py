"""A mask of the whole picture: for a backend that restores, and for no other."""

from pathlib import Path

import numpy as np
import pytest
from inpaint_lens.backends.nets.nafnet import NafNet
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.imaging.reading import Limits
from inpaint_lens.plugin.service.schema import JobRequest
from inpaint_lens.plugin.service.uploads import Upload
from inpaint_lens.plugin.service.work import submit
from safetensors.torch import save_file

from .conftest import npy, photograph

LIMITS = Limits(1_000_000, 1_000_000)
LIMIT_S = 20.0


@pytest.fixture
def restorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights for the backend `restore`, as this machine's settings name them."""
    path = tmp_path / "restorer.safetensors"
    save_file(NafNet(4, (1,), 1, (1,)).state_dict(), path)
    monkeypatch.setenv("INPAINT_LENS_WEIGHTS", f"restore={path}")


def everything(backend: str) -> tuple[Upload, JobRequest]:
    mask = np.ones((60, 70), bool)
    request = JobRequest.model_validate({"fill": {"backend": backend, "feather_px": 0, "device": "cpu"}})
    return Upload(npy(photograph()), npy(mask)), request


def test_a_whole_picture_is_restored(make_jobs, restorer):
    job = submit(make_jobs(), *everything("restore"), LIMITS)
    assert job.wait(LIMIT_S) and job.state == "done"


def test_a_whole_picture_is_not_filled_and_nothing_is_queued(make_jobs):
    jobs = make_jobs()
    with pytest.raises(InputError, match="covers the whole picture"):
        submit(jobs, *everything("telea"), LIMITS)
    assert jobs.counts()["waiting"] == jobs.counts()["running"] == 0
