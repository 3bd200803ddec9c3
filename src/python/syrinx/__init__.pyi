import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, NamedTuple, Optional, Union

import numpy
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Ears",
    "Error",
    "Heard",
    "HeardWord",
    "Listener",
    "Mark",
    "Model",
    "Speech",
    "Word",
    "__version__",
    "default_pack",
    "to_int16",
]
__version__: str

class Error(Exception):
    kind: str

class Word(NamedTuple):
    text: str
    start: float
    end: float
    position: int
    position_end: int

class Mark(NamedTuple):
    name: str
    time: float

class Speech(Iterator[NDArray[numpy.float32]], AsyncIterator[NDArray[numpy.float32]]):
    @property
    def position(self) -> int: ...
    @property
    def words(self) -> list[Word]: ...
    @property
    def marks(self) -> list[Mark]: ...
    @property
    def ending(self) -> Optional[str]: ...
    def push(self, text: str) -> None: ...
    def finish(self) -> None: ...
    def flush(self) -> None: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...
    def samples(self) -> NDArray[numpy.float32]: ...
    def __iter__(self) -> Speech: ...
    def __next__(self) -> NDArray[numpy.float32]: ...
    def __aiter__(self) -> Speech: ...
    async def __anext__(self) -> NDArray[numpy.float32]: ...
    async def aclose(self) -> None: ...
    def __enter__(self) -> Speech: ...
    def __exit__(self, *exception: object) -> None: ...
    async def __aenter__(self) -> Speech: ...
    async def __aexit__(self, *exception: object) -> None: ...

class Model:
    def __init__(
        self,
        folder: Optional[Union[str, os.PathLike[str]]] = None,
        *,
        threads: int = 1,
        parallel: int = 1,
        verify: bool = True,
        commercial: bool = False,
        memory_budget_bytes: Optional[int] = None,
        prefix_folder: Optional[Union[str, os.PathLike[str]]] = None,
    ) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def languages(self) -> list[str]: ...
    @property
    def voices(self) -> list[str]: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def block_samples(self) -> int: ...
    def speak(
        self,
        text: Optional[Union[str, Iterable[str], AsyncIterable[str]]] = None,
        *,
        voice: Optional[str] = None,
        seed: Optional[int] = None,
        steps: Optional[int] = None,
        guidance: Optional[float] = None,
        max_seconds: Optional[float] = None,
        whole_sentences: Optional[bool] = None,
        language: Optional[str] = None,
        lexicon: Optional[Union[str, os.PathLike[str]]] = None,
        ssml: Optional[str] = None,
        speed: Optional[float] = None,
        volume: Optional[float] = None,
    ) -> Speech: ...
    def save(self, path: Union[str, os.PathLike[str]], text: Union[str, Iterable[str]], **options: Any) -> float: ...
    def warm(self, voice: Optional[str] = None) -> None: ...

class HeardWord(NamedTuple):
    text: str
    start: float
    end: float

class Heard(NamedTuple):
    text: str
    words: list[HeardWord]
    start: float
    end: float
    is_final: bool
    language: Optional[str]

class Ears:
    def __init__(
        self,
        folder: Optional[Union[str, os.PathLike[str]]] = None,
        *,
        threads: int = 1,
        verify: bool = True,
        commercial: bool = False,
    ) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def languages(self) -> list[str]: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def delay(self) -> float: ...
    def listener(
        self,
        *,
        delay: Optional[float] = None,
        pause: float = 0.8,
        recall: Optional[float] = None,
        phrases: Union[str, Iterable[str]] = (),
        phrase_bonus: float = 2.0,
        language: Optional[str] = None,
    ) -> Listener: ...

class Listener:
    def feed(self, samples: ArrayLike) -> list[Heard]: ...
    def flush(self) -> list[Heard]: ...
    def set_delay(self, seconds: float) -> list[Heard]: ...
    def reset(self) -> None: ...
    def texts(self, pieces: Iterable[ArrayLike]) -> Iterator[Heard]: ...

def default_pack() -> str: ...
def to_int16(samples: NDArray[numpy.float32]) -> NDArray[numpy.int16]: ...
