"""Pulling from a real HTTP server, a real S3 server and a folder: whole, resumed, checked, and every way to fail."""

import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from localhub import CONFIG, PUBLISHED, REVISION, WEIGHTS

from narcis import settings, store
from narcis.errors import NarcisError, NotFound, Unavailable
from narcis.portrait import weights
from narcis.supply import pull as pulling
from narcis.supply.sources import Hub, Kept, sources


def silent(file: str, done: int, of: int | None) -> None: ...


def pulled(models: Path, *asked, tell=silent) -> Path:
    (place,) = pulling.pull(["toy"], asked, [models], tell)
    return place


def refused(models: Path, *asked) -> str:
    with pytest.raises(NarcisError) as error:
        pulled(models, *asked)
    assert "\n" not in str(error.value) and error.value.exit_code in (4, 5)
    return str(error.value)


def there(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ------------------------------------------------------------------------------------------ what works
def test_all_files_come_and_their_hashes_are_written_down(toy, hub, models):
    told = []
    place = pulled(models, Hub(hub.url), tell=lambda *event: told.append(event))
    found = there(place)
    assert json.loads(found.pop("hashes.json")) == {k: hashlib.sha256(v).hexdigest() for k, v in PUBLISHED.items()}
    assert place == models / "toy" and found == PUBLISHED
    assert told[0] == ("toy/config.json", len(CONFIG), len(CONFIG)) and told[-1][1:] == (len(WEIGHTS), len(WEIGHTS))


def test_what_is_here_is_not_pulled_again_and_no_hub_is_asked(toy, hub, models):
    pulled(models, Hub(hub.url))
    hub.stop()
    hub.start()
    hub.asked.clear()
    assert pulled(models, Hub("http://127.0.0.1:9")) == models / "toy" and hub.asked == []


def test_a_mount_that_has_it_all_is_used_where_it_is(toy, hub, models, tmp_path):
    mount = tmp_path / "mount"
    shutil.copytree(pulled(models, Hub(hub.url)), mount / "toy")
    shutil.rmtree(models)
    assert pulling.pull(["toy"], [], [models, mount], silent) == [mount / "toy"]


def test_a_connection_that_breaks_is_gone_on_from_where_it_broke(toy, hub, models):
    hub.breaks_after = 1_200_000
    assert there(pulled(models, Hub(hub.url)))["unet/x.safetensors"] == WEIGHTS
    assert hub.asked[1:] == ["bytes=0-", "bytes=1200000-", "bytes=2400000-"]


def test_a_pull_that_was_given_up_is_gone_on_from_by_the_next(toy, hub, models):
    part = models / "toy" / "unet" / ".x.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS[:2_000_000])
    hub.breaks_after = 0
    said = refused(models, Hub(hub.url))
    assert "toy/unet/x.safetensors has come as far as 2,000,000 of 3,000,000 bytes: 127.0.0.1" in said
    assert "broke off: " in said and said.endswith("pull again to go on from there")
    hub.breaks_after = None
    hub.asked.clear()
    assert there(pulled(models, Hub(hub.url)))["unet/x.safetensors"] == WEIGHTS
    assert hub.asked == ["bytes=2000000-"] and not part.exists()


def test_a_server_without_ranges_sends_all_of_it_and_the_rest_is_taken(toy, hub, models):
    hub.breaks_after, hub.breaks, hub.ranges = 1_200_000, 1, False
    assert there(pulled(models, Hub(hub.url)))["unet/x.safetensors"] == WEIGHTS


def test_a_damaged_file_is_fetched_anew_and_the_good_one_stays(toy, hub, models):
    place = pulled(models, Hub(hub.url))
    (place / "unet" / "x.safetensors").write_bytes(WEIGHTS[:5])
    hub.asked.clear()
    pulled(models, Hub(hub.url))
    assert there(place)["unet/x.safetensors"] == WEIGHTS and hub.asked == ["bytes=0-"]


def test_a_file_whose_hash_nobody_recorded_is_held_to_what_the_hub_says(toy, hub, models, monkeypatch):
    said = Hub(hub.url).facts(toy, toy.files[0])
    assert (said.size, said.sha256) == (len(CONFIG), hashlib.sha256(CONFIG).hexdigest())


# ------------------------------------------------------------------------------------------ other sources
@pytest.fixture(params=["folder", "bucket"])
def kept(request, tmp_path, monkeypatch) -> Kept:
    """The toy as ENTRY/FILE in a store."""
    if request.param == "folder":
        opened = store.open_store(tmp_path / "mirror")
    else:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "nobody")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        opened = store.open_store(f"s3://models-{os.urandom(4).hex()}/weights", request.getfixturevalue("s3_server"))
        assert isinstance(opened, store.Bucket)
        opened.client.create_bucket(Bucket=opened.bucket)
    for name, content in PUBLISHED.items():
        opened.put(f"toy/{name}", content)
    return Kept(opened)


def test_a_folder_and_a_bucket_give_the_same_and_are_resumed_too(toy, kept, models):
    part = models / "toy" / "unet" / ".x.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS[:1_000_001])
    told = []
    found = there(pulled(models, kept, tell=lambda *event: told.append(event[1])))
    assert found["unet/x.safetensors"] == WEIGHTS and found["config.json"] == CONFIG
    assert min(done for done in told if done > len(CONFIG)) > 1_000_001


def test_what_the_first_source_has_not_comes_from_the_next(toy, kept, hub, models):
    kept.store.remove("toy/config.json")
    assert there(pulled(models, kept, Hub(hub.url)))["config.json"] == CONFIG
    assert hub.asked == ["bytes=0-"]


def test_sources_are_asked_in_order_and_offline_means_without_the_hub(models, monkeypatch):
    assert [type(source) for source in sources(settings.read())] == [Hub]
    monkeypatch.setenv("NARCIS_MODELS_FROM", "s3://models/weights")
    assert [source.name for source in sources(settings.read())] == ["s3://models/weights", "huggingface.co"]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert [source.name for source in sources(settings.read())] == ["s3://models/weights"]


# ------------------------------------------------------------------------------------------ what fails
def test_wrong_bytes_are_thrown_away(toy, hub, models):
    name = next(name for name in hub.files if name.endswith("x.safetensors"))
    hub.files[name] = WEIGHTS[:-1] + b"!"
    said = refused(models, Hub(hub.url))
    assert "toy/unet/x.safetensors is not what was published: sha256 " in said and "it was thrown away" in said
    assert not list((models / "toy" / "unet").iterdir()) and weights.place(toy, [models]) == models / "toy"


def test_a_source_whose_file_is_too_short_is_told(toy, kept, models):
    kept.store.put("toy/unet/x.safetensors", WEIGHTS[:-10])
    said = refused(models, kept)
    assert "has come as far as 2,999,990 of 3,000,000 bytes" in said and "pull again to go on from there" in said


def test_no_room_is_told_before_anything_is_fetched(toy, hub, models, monkeypatch):
    usage = shutil.disk_usage(models.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2_000_000))
    said = refused(models, Hub(hub.url))
    assert f"{models} has no room: 0.00 GB are still to come and 0.00 GB are free; make room, or name a folder" in said
    assert hub.asked == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_disk_that_fills_up_meanwhile_is_told_too_and_not_tried_again(toy, hub, models):
    (models / "toy").mkdir(parents=True)
    (models / "toy" / ".config.json.part").symlink_to("/dev/full")
    assert "has no room" in refused(models, Hub(hub.url)) and len(hub.asked) == 1


def test_a_folder_that_takes_nothing_is_told(toy, hub, models):
    models.write_text("a file in the way")
    assert f"{models} takes no weights: " in refused(models, Hub(hub.url))


def test_no_network_is_told(toy, models):
    assert refused(models, Hub("http://127.0.0.1:9")).startswith("127.0.0.1:9 cannot be reached: ")


def test_offline_is_told_with_what_to_set(toy, kept, models):
    kept.store.remove("toy/config.json")
    said = refused(models, kept)
    assert "has no toy/config.json; the hub is not asked, because NARCIS_OFFLINE is set" in said
    assert "set NARCIS_MODELS_FROM to a folder or s3://BUCKET/PREFIX" in refused(models)


@pytest.mark.parametrize(
    "status, said",
    [
        (404, f"has no config.json in toys/toy at {REVISION[:7]}"),
        (401, "does not give toys/toy at aaaaaaa to everybody: ask for access on its page, then `hf auth login`"),
        (403, "does not give toys/toy at aaaaaaa to everybody"),
        (503, "answers 503 for config.json in toys/toy at aaaaaaa"),
    ],
)
def test_what_the_hub_refuses_is_told(toy, hub, models, status, said):
    hub.status = status
    assert said in refused(models, Hub(hub.url))


def test_two_pulls_of_one_file_do_not_meet(toy, hub, models):
    part = models / "toy" / ".config.json.part"
    part.parent.mkdir(parents=True)
    with part.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "toy/config.json is being pulled by another process" in refused(models, Hub(hub.url))


def test_unknown_names_and_what_ships_cannot_be_pulled(models, monkeypatch, tmp_path):
    with pytest.raises(NotFound, match="no model 'sdlx'; there are mini, sdxl"):
        pulling.pull(["sdlx"], [], [models], silent)
    monkeypatch.setattr(pulling, "whole", lambda *_: None)
    with pytest.raises(NotFound, match="mini ships with narcis and cannot be pulled"):
        pulling.pull(["mini"], [], [models], silent)


def test_a_bucket_without_a_name_is_told_by_its_own_setting(models, monkeypatch):
    monkeypatch.setenv("NARCIS_MODELS_FROM", "s3:///weights")
    with pytest.raises(NarcisError, match="NARCIS_MODELS_FROM is 's3:///weights': it names no bucket"):
        sources(settings.read())


def test_a_bucket_that_is_away_is_told(toy, models, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("time.sleep", lambda _: None)  # boto3's own retries
    with pytest.raises(Unavailable, match="s3://models cannot be used"):
        pulled(models, Kept(store.open_store("s3://models", "http://127.0.0.1:9")))
