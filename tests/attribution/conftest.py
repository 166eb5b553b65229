import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small pictures are not worth a thread each, least of all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def image():
    """A small picture with soft and fine structure, `[1, 3, 32, 36]`."""
    y, x = np.mgrid[:32, :36]
    soft = [0.5 + 0.25 * np.sin(0.5 * x + channel) * np.cos(0.35 * y) for channel in range(3)]
    fine = np.random.default_rng(3).normal(0, 0.04, (3, 32, 36))
    return torch.tensor(np.clip(np.stack(soft) + fine, 0, 1), dtype=torch.float32)[None]


@pytest.fixture
def hole():
    """A hole of 10 x 9 pixels, `[1, 1, 32, 36]`."""
    hole = torch.zeros(1, 1, 32, 36)
    hole[..., 11:21, 16:25] = 1
    return hole
