"""Every error that the core raises on purpose.

    ElboRoomError
    ├── ConfigError          a setting that cannot be: unknown name, wrong range, impossible combination
    ├── DataError            images that cannot be read or lie outside their support
    │   ├── DownloadError    data that could not be fetched
    │   └── DataChanged      not the data that a run was made with
    ├── TrainingDiverged     the loss stopped being a finite number
    ├── ModelUnreadable      a file of a model of yours that cannot be read, or is not read on purpose
    ├── ProjectionError      codes that a method cannot lay out in two dimensions
    ├── DecoderUnsupported   a decoder that the page cannot run; the server decodes instead
    │   └── DecoderInexact   it can, but its pixels would differ from the model's
    ├── EngineError          where runs are to be trained cannot be reached or will not take them
    └── RunError             a run directory that cannot be opened, written or continued
        ├── RunNotFound
        ├── RunDamaged       a file is cut off, altered or does not fit its config
        ├── RunUnwritable    its folder takes nothing any more, not even this sentence
        └── RunBusy          another process is training it

A message names the thing, what was expected, what came, and what to try next. Pages and the command line show
it as it stands; anything that is not an ElboRoomError is a bug.
"""


class ElboRoomError(Exception):
    """Base of all errors with a message meant for the user."""


class ConfigError(ElboRoomError, ValueError):
    """A setting that cannot be."""


class DataError(ElboRoomError):
    """Images that cannot be read or lie outside their support."""


class DownloadError(DataError):
    """Data that could not be fetched."""


class DataChanged(DataError):
    """Not the data that a run was made with."""


class TrainingDiverged(ElboRoomError):
    """The loss stopped being a finite number at `step`."""

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step


class ModelUnreadable(ElboRoomError):
    """A file of somebody's model that cannot be read, or is not read because opening it would run code."""


class ProjectionError(ElboRoomError):
    """Codes that a method cannot lay out in two dimensions."""


class DecoderUnsupported(ElboRoomError):
    """The page cannot run this decoder."""


class DecoderInexact(DecoderUnsupported):
    """The packed decoder's pixels differ from the model's by more than the precision's limit."""


class EngineError(ElboRoomError):
    """Where runs are to be trained cannot be reached, or will not take them."""


class RunError(ElboRoomError):
    """A run directory that cannot be opened, written or continued."""


class RunNotFound(RunError):
    """No run of that name."""


class RunDamaged(RunError):
    """A file of the run is cut off, altered, or does not fit its config."""


class RunBusy(RunError):
    """Another process is training the run."""


class RunUnwritable(RunError):
    """The run's folder takes nothing any more, not even the sentence that says so. `cause`: what the system says."""

    def __init__(self, message: str, cause: OSError) -> None:
        super().__init__(message)
        self.cause = cause


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether memory ran out; torch says so by a RuntimeError, in words of several kinds."""
    words = ("out of memory", "can't allocate", "not enough memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(one in str(error) for one in words)
    )
