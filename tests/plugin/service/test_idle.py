import gc
import weakref

from inpaint_lens.backends import registry
from inpaint_lens.plugin.service.settings import ServiceSettings


def test_models_are_unloaded_when_nobody_has_asked_for_a_while(connect, until):
    with connect(ServiceSettings(idle_unload_s=1.0)) as client:
        job = client.done()
        assert ("telea", "cpu", "") in registry._loaded
        assert until(lambda: not registry._loaded)
        assert client.get(f"{job}/result.png").status_code == 200


def test_results_keep_no_model_in_memory(client, until):
    client.done(explained=True)
    model = weakref.ref(registry.load("telea", "cpu"))
    registry.unload()
    assert until(lambda: gc.collect() is not None and model() is None)
