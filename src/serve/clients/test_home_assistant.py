"""Home Assistant's own files for Wyoming (data.py, tts.py and stt.py, as its package has them): they find the voices, speak whole texts and
pieces, hear, and wait for nothing after a refusal. They need a newer Python with all of Home Assistant around them; what they import of that
is stood in for, the wyoming client is the real one."""

import asyncio
import importlib
import io
import pathlib
import sys
import types
import wave
import zipfile

import openai
import pytest

TEXT = "Turn left in 300 m. Then go straight on."
WHEELS = pathlib.Path(__file__).parents[3] / "target/clients/homeassistant"
PACKAGE = "homeassistant.components.wyoming"


class AnyName(type):
    """A class whose unknown attributes are their own names: members of enumerations."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class Record(metaclass=AnyName):
    """Keeps what it is made of."""

    def __init__(self, *values, **named):
        self.values = values
        self.__dict__.update(named)


class StandIn(types.ModuleType):
    """A module that has every name."""

    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (Record,), {})
        setattr(self, name, made)
        return made


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """The modules by name."""
    (wheel,) = WHEELS.glob("homeassistant-*.whl")
    folder = tmp_path_factory.mktemp("homeassistant")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith(PACKAGE.replace(".", "/"))])
    for name in ["", ".components", ".components.tts", ".components.stt", ".config_entries", ".const", ".core", ".exceptions", ".helpers"]:
        sys.modules[f"homeassistant{name}"] = StandIn(f"homeassistant{name}")
    for name in ["homeassistant.helpers.entity_platform", f"{PACKAGE}.devices"]:
        sys.modules[name] = StandIn(name)
    sys.modules["homeassistant.core"].callback = lambda function: function
    sys.modules["homeassistant.exceptions"].HomeAssistantError = type("HomeAssistantError", (Exception,), {})
    components = sys.modules["homeassistant.components"]
    components.tts, components.stt = (sys.modules[f"homeassistant.components.{kind}"] for kind in ["tts", "stt"])
    package = types.ModuleType(PACKAGE)  # without its __init__, which sets up an installation
    package.__path__ = [str(folder / PACKAGE.replace(".", "/"))]
    sys.modules[PACKAGE] = package
    names = ["const", "error", "data", "models", "tts", "stt"]
    yield types.SimpleNamespace(**{name: importlib.import_module(f"{PACKAGE}.{name}") for name in names}, core=components)
    for name in [name for name in sys.modules if name.split(".")[0] == "homeassistant"]:
        del sys.modules[name]


class Entry:
    """A configuration's entry, as far as it is asked for."""

    entry_id = "one"

    def async_create_background_task(self, hass, task, name):
        self.task = asyncio.get_running_loop().create_task(task, name=name)


async def provider_of(files, service):
    found = await files.data.WyomingService.create(*service.wyoming)
    provider = files.tts.WyomingTtsProvider(Entry(), found)
    provider.hass = None
    return provider


def samples(sound):
    """Of a WAV file as Home Assistant makes it, whatever length its header gives."""
    with wave.open(io.BytesIO(sound)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (24000, 2, 1)
    return sound[44:]


def test_its_voices_are_found_and_that_it_takes_pieces(files, service):
    async def ask():
        found = await files.data.WyomingService.create(*service.wyoming)
        return found, await provider_of(files, service)

    found, provider = asyncio.run(ask())
    assert found.has_services() and found.platforms == ["TTS"] and found.get_name() == "syrinx"
    assert provider._attr_supported_languages == ["en"] and provider.async_supports_streaming_input()
    assert "us-male" in [voice.voice_id for voice in provider.async_get_supported_voices("en")]


def test_a_text_is_the_samples_of_http(files, service):
    http = openai.OpenAI(base_url=f"{service.http}/v1", api_key="-").audio.speech
    expected = http.create(model="wren", voice="us-male", input=TEXT, response_format="pcm").read()

    async def ask():
        options = {files.core.tts.ATTR_VOICE: "us-male"}
        return await (await provider_of(files, service)).async_get_tts_audio(TEXT, "en", options)

    kind, sound = asyncio.run(ask())
    assert kind == "wav" and samples(sound) == expected


def test_a_language_models_pieces_are_heard_before_they_are_complete(files, service):
    async def ask():
        heard = asyncio.Event()

        async def pieces():
            for piece in ["Turn ", "left in 3", "00", " m. Then"]:
                yield piece
            await asyncio.wait_for(heard.wait(), 30)  # the rest comes only when something was heard
            yield " go straight on."

        provider = await provider_of(files, service)
        request = Record(options={}, message_gen=pieces())
        kind, stream = (await provider.async_stream_tts_audio(request)).values
        sound = b""
        async for piece in stream:
            sound += piece
            if len(sound) > 44:
                heard.set()
        await provider.config_entry.task
        return kind, sound

    kind, sound = asyncio.run(ask())
    assert kind == "wav" and len(samples(sound)) > 2 * 24000 * 2


def test_a_refusal_is_not_waited_for(files, service):
    async def ask():
        options = {files.core.tts.ATTR_VOICE: "nobody"}
        provider = await provider_of(files, service)
        return await asyncio.wait_for(provider.async_get_tts_audio(TEXT, "en", options), 5)

    kind, sound = asyncio.run(ask())
    assert not sound


def test_what_is_heard_is_the_text_of_http(files, listening):
    client = openai.OpenAI(base_url=f"{listening.http}/v1", api_key="-")
    sound = client.audio.speech.create(
        model="wren", voice="us-male", input=TEXT, response_format="wav", extra_body={"stream": False, "sample_rate": 16000}
    ).read()
    expected = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", sound)).text

    with wave.open(io.BytesIO(sound)) as file:
        recorded = file.readframes(file.getnframes())

    async def pieces():
        for at in range(0, len(recorded), 2048):
            yield recorded[at : at + 2048]

    async def ask():
        found = await files.data.WyomingService.create(*listening.wyoming)
        assert found.platforms == ["STT", "TTS"]
        provider = files.stt.WyomingSttProvider(Entry(), found)
        return await asyncio.wait_for(provider.async_process_audio_stream(Record(language="en"), pieces()), 60)

    text, state = asyncio.run(ask()).values
    assert (text, state) == (expected, "SUCCESS") and text
