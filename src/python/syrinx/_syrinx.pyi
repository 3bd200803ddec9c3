import os
from typing import Optional, Union, final

__version__: str

class Error(Exception):
    kind: str

@final
class Model:
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
    def __new__(
        cls,
        folder: Union[str, os.PathLike[str]],
        *,
        threads: int,
        parallel: int,
        verify: bool,
        commercial: bool,
        memory_budget_bytes: Optional[int],
        prefix_folder: Optional[Union[str, os.PathLike[str]]],
    ) -> Model: ...
    def speech(
        self,
        text: Optional[str],
        *,
        voice: Optional[str],
        seed: Optional[int],
        steps: Optional[int],
        guidance: Optional[float],
        max_frames: Optional[int],
        whole_sentences: Optional[bool],
        language: Optional[str],
        lexicon: Optional[Union[str, os.PathLike[str]]],
        strict: Optional[bool],
        speed: Optional[float],
        volume: Optional[float],
    ) -> Speech: ...
    def warm(self, voice: Optional[str]) -> None: ...

@final
class Speech:
    @property
    def position(self) -> int: ...
    def push(self, text: str) -> None: ...
    def finish(self) -> None: ...
    def flush(self) -> None: ...
    def next(self) -> Union[bytearray, tuple[str, int], float, None, str]: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...
    def take_words(self) -> list[tuple[str, int, int, int, int]]: ...

def int16(samples: bytes) -> bytes: ...
