import importlib.util
import logging
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from inpaint_lens.backends import devices, registry
from inpaint_lens.backends.protocol import Backend, BackendInfo
from inpaint_lens.imaging.errors import InputError, MissingError

TOY = BackendInfo("toy", "a toy", "toy_backends:load", "MIT", True)


@pytest.fixture
def toy_module(monkeypatch) -> Any:
    """A module of another package, with backends that count how often they are loaded."""
    module: Any = ModuleType("toy_backends")
    module.INFO = TOY
    module.loaded = []

    def load(info: BackendInfo, device: str):
        module.loaded.append((info.name, device))
        return SimpleNamespace(info=info, device=device)

    module.load = load
    monkeypatch.setitem(sys.modules, "toy_backends", module)
    return module


@pytest.fixture
def offer(monkeypatch, toy_module):
    """Offer `toy_backends` attributes as entry points."""

    def points(*attributes: str) -> None:
        found = [EntryPoint(name, f"toy_backends:{name}", registry.GROUP) for name in attributes]
        monkeypatch.setattr(registry, "entry_points", lambda group: found)
        registry.backends.cache_clear()

    return points


def test_an_unknown_name_gets_the_nearest_one_proposed():
    with pytest.raises(InputError, match="did you mean 'patchmatch'"):
        registry.info("pathmatch")


def test_a_name_like_nothing_gets_all_names_listed():
    with pytest.raises(InputError, match=r"take one of lens-small, .*telea"):
        registry.load("xyzzy")


def test_another_package_adds_a_backend_by_an_entry_point(offer, toy_module):
    offer("INFO")
    assert registry.load("toy").info is TOY
    assert toy_module.loaded == [("toy", "cpu")]
    assert "telea" in registry.backends()


@pytest.mark.parametrize("broken", ["absent", "number", "namesake", "explosive"])
def test_a_broken_entry_point_is_left_out_with_a_warning_and_harms_no_other(offer, toy_module, caplog, broken):
    toy_module.number = 7
    toy_module.namesake = replace(TOY, name="telea")
    toy_module.__getattr__ = lambda name: 1 / 0 if name == "explosive" else toy_module.__getattribute__(name)
    with caplog.at_level(logging.WARNING):
        offer(broken, "INFO")
        known = registry.backends()
    assert "toy" in known
    assert known["telea"].title.startswith("Fast marching")
    assert broken in caplog.text


def test_a_backend_whose_package_is_missing_says_how_to_install_it(offer, toy_module):
    toy_module.INFO = replace(TOY, modules=("no_such_module",), extra="toys")
    offer("INFO")
    assert registry.status(toy_module.INFO).ready is False
    with pytest.raises(MissingError, match=r"toy needs a package: pip install 'inpaint-lens\[toys\]'"):
        registry.load("toy")
    assert toy_module.loaded == []


def test_missing_weights_are_named_with_the_command_that_fetches_them(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    state = registry.status(registry.info("migan"))
    assert state == registry.Status(False, "needs weights: inpaint-lens download migan")


def test_unusable_weights_make_a_status_and_no_crash(monkeypatch, tmp_path):
    monkeypatch.setenv("INPAINT_LENS_WEIGHTS", f"migan={tmp_path / 'absent.onnx'}")
    state = registry.status(registry.info("migan"))
    assert not state.ready
    assert "absent.onnx" in state.reason


def test_a_backend_is_loaded_once_and_shared_by_threads(offer, toy_module):
    offer("INFO")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: registry.load("toy"), range(16)))
    assert all(backend is found[0] for backend in found)
    assert len(toy_module.loaded) == 1


def test_only_a_few_backends_stay_in_memory(offer, toy_module):
    names = [f"toy{i}" for i in range(registry.KEPT + 1)]
    for name in names:
        setattr(toy_module, name, replace(TOY, name=name))
    offer(*names)
    for name in [*names, names[-1], names[0]]:
        registry.load(name)
    assert [name for name, _ in toy_module.loaded] == [*names, names[0]]


def test_unload_lets_go_of_everything(offer, toy_module):
    offer("INFO")
    registry.load("toy")
    registry.unload()
    registry.load("toy")
    assert len(toy_module.loaded) == 2


def test_loading_leaves_the_global_random_state_alone(offer, toy_module):
    def load(info: BackendInfo, device: str):
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        return SimpleNamespace(info=info, device=device)

    toy_module.load = load
    offer("INFO")
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # pyright: ignore[reportArgumentType]
    registry.load("toy")
    registry.load("lens-small")
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]  # pyright: ignore[reportArgumentType]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_an_unknown_device_is_refused_with_the_choices():
    with pytest.raises(InputError, match="auto, cpu, cuda, mps"):
        registry.load("lens-small", "gpu")


def test_a_gpu_for_a_backend_without_one_is_refused():
    with pytest.raises(InputError, match="telea runs on the CPU only"):
        registry.load("telea", "cuda")


@pytest.mark.parametrize(
    ("built_with", "words"), [(None, "built without CUDA"), ("13.0", "finds no usable NVIDIA GPU or driver")]
)
def test_an_explicit_gpu_that_is_not_there_is_an_error_with_the_reason(
    monkeypatch, offer, toy_module, built_with, words
):
    monkeypatch.setattr(torch.version, "cuda", built_with)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    toy_module.INFO = replace(TOY, gpu=True)
    offer("INFO")
    with pytest.raises(MissingError, match=words):
        registry.load("toy", "cuda")
    assert toy_module.loaded == []


def test_a_gpu_number_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert devices.unusable("cuda:0") == ""
    assert "only 1 CUDA" in devices.unusable("cuda:1")


@pytest.mark.parametrize(("usable", "taken"), [("cuda", "cuda"), ("mps", "mps"), ("none", "cpu")])
def test_auto_takes_a_usable_gpu_and_logs_what_it_took(monkeypatch, caplog, usable, taken):
    monkeypatch.setattr(devices, "unusable", lambda device: "" if device == usable else "not here.")
    with caplog.at_level(logging.INFO):
        assert devices.resolve("auto", replace(TOY, gpu=True)) == taken
    assert f"toy runs on {taken}" in caplog.text


def test_auto_goes_to_the_cpu_with_a_warning_where_only_the_backend_cannot_use_the_gpu(
    monkeypatch, caplog, offer, toy_module
):
    def load(info: BackendInfo, device: str):
        if device == "mps":
            raise devices.DeviceError("no Metal provider here.")
        return SimpleNamespace(info=info, device=device)

    toy_module.INFO, toy_module.load = replace(TOY, gpu=True), load
    monkeypatch.setattr(devices, "unusable", lambda device: "" if device == "mps" else "not here.")
    monkeypatch.setattr(registry, "_unusable", set())
    offer("INFO")
    with caplog.at_level(logging.WARNING):
        backend = registry.load("toy")
    assert backend.device == "cpu"
    assert "toy runs on the CPU: no Metal provider here." in caplog.text
    assert registry.load("toy") is registry.load("toy", "cpu") is backend
    with pytest.raises(MissingError, match="no Metal provider"):
        registry.load("toy", "mps")


@pytest.mark.parametrize("name", ["lens-small", "telea", "navier-stokes", "patchmatch"])
def test_what_comes_with_the_package_follows_the_protocol(name):
    backend = registry.load(name, "cpu")
    assert isinstance(backend, Backend)
    assert backend.info is registry.info(name)
    assert backend.device == "cpu"


def test_every_loader_of_the_catalog_can_be_found():
    for info in registry.BUILT_IN:
        module = info.loader.partition(":")[0]
        assert importlib.util.find_spec(module) is not None
