import pytest
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.plugin.service.settings import ServiceSettings, auth_from, default_spool, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_needs_no_password(host):
    assert is_loopback(host)
    ServiceSettings(host=host).check()


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.2", "example.org", "localhost.example.org", "127.0.0.1.nip.io"]
)
def test_other_addresses_need_a_password_or_the_word(host):
    with pytest.raises(InputError, match="--allow-remote"):
        ServiceSettings(host=host).check()
    ServiceSettings(host=host, auth="me:secret").check()
    ServiceSettings(host=host, token="abc").check()
    ServiceSettings(host=host, allow_remote=True).check()


@pytest.mark.parametrize("auth", ["", "me", "me:", ":secret"])
def test_a_password_has_a_form_and_is_never_told(auth):
    with pytest.raises(InputError, match="USER:PASSWORD") as caught:
        ServiceSettings(auth=auth).check()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"port": -1}, {"port": 65536}, {"max_pixels": 0}, {"queue": -1}])
def test_senseless_numbers_are_refused(wrong):
    with pytest.raises(InputError, match="--"):
        ServiceSettings(**wrong).check()


def test_secrets_do_not_show():
    assert "secret" not in repr(ServiceSettings(auth="me:secret", token="secret"))


def test_the_password_may_come_from_the_environment():
    environment = {"INPAINT_LENS_AUTH": "me:secret"}
    assert auth_from(None, environment) == "me:secret"
    assert auth_from("you:other", environment) == "you:other"
    assert auth_from(None, {}) is None


def test_every_address_has_results_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("INPAINT_LENS_CACHE", str(tmp_path))
    assert default_spool("127.0.0.1", 7860) == tmp_path / "service" / "127.0.0.1-7860"
    place = default_spool("../../x", 1)
    assert place is not None and place.parent == tmp_path / "service"
    assert default_spool("127.0.0.1", 0) is None
