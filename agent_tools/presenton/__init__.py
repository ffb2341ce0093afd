"""A self-hosted Presenton, asked over HTTP: the releases up to 0.9.x, each as it is."""

from agent_tools.presenton.client import Presenton, PresentonRefused, PresentonUnavailable
from agent_tools.presenton.wire import Deck, Failure, Format, Made, Numbers, Task, Tone, complaint, moment

__all__ = [
    "Deck",
    "Failure",
    "Format",
    "Made",
    "Numbers",
    "Presenton",
    "PresentonRefused",
    "PresentonUnavailable",
    "Task",
    "Tone",
    "complaint",
    "moment",
]
