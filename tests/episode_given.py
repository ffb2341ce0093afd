"""What tests of episodes begin with: a talk on four things, and a transcript of it."""

import io
import math
import struct
import wave

from worker.kinds.episode.page import Episode
from worker.kinds.episode.said import Line, Transcript

PARTS = (
    """Welcome to the harbour hour, the weekly round from the town hall. My name is Ines and with me is Tom.
    The harbour wall has stood for ninety years, and the winter storms have opened a gap in its northern end.
    Engineers measured the gap in the harbour wall last week and found it is four metres wide.
    The council wants to close the gap before the autumn storms come back.
    Stone for the harbour wall will come by barge from the quarry across the bay.
    Fishing boats can use the southern entrance of the harbour while the wall is repaired.
    The repair of the wall costs two million, and half of that is paid by the state.
    Without the wall the fishing boats would have no shelter in a northern storm.""",
    """Let us turn to the buses. The number nine bus will run every ten minutes from Monday.
    Passengers had complained that the bus was late on four days out of five.
    New bus lanes on Mill Street should make the bus faster than the car for the first time.
    The bus company has bought twelve electric buses, and the drivers have been trained on them.
    An electric bus makes half the noise of a diesel bus, which people on Mill Street will like.
    Tickets for the bus stay at two euros until the end of the year.
    Drivers of the bus company voted for the new timetable by a wide margin.
    Passengers can read the timetable on a screen at every bus stop.""",
    """Our next subject is the library. The library opens on Sundays from the first of March.
    Readers had asked for Sundays in a survey to which nine hundred of them replied.
    The library will be staffed by volunteers on Sundays, and books are returned at a machine.
    Children can borrow as many books as they can carry, says the librarian.
    The reading room of the library gets forty new desks and better lamps.
    A collection of old maps of the town was given to the library by a reader's family.
    The librarian hopes that the maps will be scanned before the summer.
    Volunteers for the library can sign up at the desk or by telephone.""",
    """And finally, the bees. There are now sixty hives of bees on the roofs of the town.
    Beekeepers say the bees find more flowers in the town than in the fields around it.
    A hive of bees on the theatre roof gave thirty kilos of honey last summer.
    The beekeepers sell the honey at the market, and the theatre gets a share.
    Schools can visit the hives with a beekeeper from April on.
    Nobody has been stung on a visit so far, the beekeepers told us.
    Honey from the town is darker than honey from the fields, because of the lime trees.
    That was the harbour hour, and we are back next week.""",
)


def talk(seconds_a_word: float = 0.4, pause_s: float = 2.0) -> list[Line]:
    """The talk as lines with times, with a pause between its parts."""
    lines, at = [], 0.0
    for part in PARTS:
        for sentence in (each.strip() for each in part.replace("\n", " ").split(". ")):
            text = " ".join(sentence.split()).rstrip(".") + "."
            length = seconds_a_word * len(text.split())
            lines.append(Line(start=round(at, 2), end=round(at + length, 2), text=text))
            at += length + 0.2
        at += pause_s
    return lines


def transcript() -> Transcript:
    return Transcript(language="en", engine="whisper tiny.en", lines=talk())


def episode() -> Episode:
    lines = talk()
    peaks = [round(35 + 60 * abs(math.sin(n / 7) * math.cos(n / 3))) for n in range(400)]
    return Episode(
        title="The harbour hour",
        source="file:harbour.mp3",
        duration_s=lines[-1].end,
        transcript=transcript(),
        peaks=peaks,
    )


def tone(seconds: float, rate: int = 8000) -> bytes:
    """A WAV of a soft tone."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(rate)
        whole = bytes(round(128 + 20 * math.sin(n / 8)) for n in range(rate))
        sound.writeframes((whole * (int(seconds) + 1))[: int(seconds * rate)])
    return file.getvalue()


def silence(seconds: float, rate: int = 16000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(struct.pack("<h", 0) * int(seconds * rate))
    return file.getvalue()
