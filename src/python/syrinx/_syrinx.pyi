import os
from typing import Optional, Union

__version__: str

class Error(Exception):
    kind: str

class Model:
    name: str
    version: str
    licence: str
    languages: list[str]
    voices: list[str]
    sample_rate: int
    block_samples: int
    def __init__(
        self,
        folder: Union[str, os.PathLike[str]],
        *,
        threads: int,
        parallel: int,
        verify: bool,
        commercial: bool,
        memory_budget_bytes: Optional[int],
        prefix_folder: Optional[Union[str, os.PathLike[str]]],
    ) -> None: ...
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
    ) -> Speech: ...
    def warm(self, voice: Optional[str]) -> None: ...

class Speech:
    position: int
    def push(self, text: str) -> None: ...
    def finish(self) -> None: ...
    def flush(self) -> None: ...
    def next(self) -> Union[bytearray, float, None, str]: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...
    def take_words(self) -> list[tuple[str, int, int, int, int]]: ...

def int16(samples: bytes) -> bytes: ...
