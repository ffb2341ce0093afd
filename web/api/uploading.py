"""A file as it arrives: as the body of a request, or in a form."""

from collections.abc import AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from agent_tools.files import Sent
from agent_tools.jobs.errors import BadRequest, Problem
from web.api.problems import Malformed

_MOST_BESIDE = 1_000_000
"""What a form may hold beside its file."""
_UNNAMED = "file"


async def as_sent(request: Request, name: str | None) -> Sent:
    """The file in a request, read as far as its name. Raises Malformed, BadRequest for a form without a file."""
    said = request.headers.get("content-type", "")
    length = request.headers.get("content-length", "")
    announced = int(length[:20]) if length.isdecimal() and length.isascii() else 0
    kind, options = parse_options_header(said)
    if kind != b"multipart/form-data":
        return Sent(name or _UNNAMED, request.stream(), said, announced)
    if not options.get(b"boundary"):
        raise Malformed("The form does not say its boundary in Content-Type.")
    form = _Form(request, options[b"boundary"])
    await form.find_the_file()
    return Sent(name or form.name or _UNNAMED, form.chunks(), form.media_type, max(announced - _MOST_BESIDE, 0))


class _Form:
    """A form whose one file is given on as it arrives; all else in it is passed over."""

    def __init__(self, request: Request, boundary: bytes) -> None:
        self._stream = request.stream()
        self.name: str | None = None
        self.media_type = ""
        self._headers: dict[bytes, bytes] = {}
        self._field = b""
        self._is_file = self._has_ended = False
        self._data: list[bytes] = []
        self._beside = 0
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._headers.clear,
                    "on_header_field": self._on_field,
                    "on_header_value": self._on_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers,
                    "on_part_data": self._on_data,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise Malformed(f"The form cannot be read: {error}.") from None

    async def find_the_file(self) -> None:
        """Read as far as its name."""
        while self.name is None and await self._read():
            pass
        if self.name is None:
            raise BadRequest("There is no file in this form.", [Problem("file", "is required.")])

    async def chunks(self) -> AsyncIterator[bytes]:
        """What is in it."""
        while True:
            arrived, self._data = self._data, []
            for chunk in arrived:
                yield chunk
            if not await self._read():
                break
        for chunk in self._data:
            yield chunk
        if not self._has_ended:
            raise Malformed("The form breaks off in the middle. Nothing was kept; send it again.")

    async def _read(self) -> bool:
        """Whether there was more."""
        try:
            chunk = await anext(self._stream)
            self._parser.write(chunk)
        except StopAsyncIteration:
            return False
        except FormParserError as error:
            raise Malformed(f"The form cannot be read: {error}.") from None
        if self._beside > _MOST_BESIDE:
            raise Malformed("There is more than 1 MB in this form beside the file.")
        return True

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        name = self._field.lower()
        self._headers[name] = self._headers.get(name, b"") + data[start:end]

    def _on_header_end(self) -> None:
        self._field = b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._is_file = b"filename" in options
        if not self._is_file:
            return
        if self.name is not None:
            raise BadRequest("There are several files in this form. Send one at a time.")
        self.name = options[b"filename"].decode("utf-8", "replace")
        self.media_type = self._headers.get(b"content-type", b"").decode("latin-1")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._data.append(data[start:end])
        else:
            self._beside += end - start

    def _on_end(self) -> None:
        self._has_ended = True
