"""An object store that speaks S3, and has the bad days of one.

`with serving_s3() as s3:` serves one bucket on loopback, in a thread of its own. Signatures are checked as S3 checks them.
`s3.bad(…)` says what goes wrong next. `s3.environment` is what whoever uses it needs in theirs.
"""

import hashlib
import hmac
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.etree import ElementTree as Tree
from xml.sax.saxutils import escape

BUCKET, ACCESS_KEY, SECRET_KEY, REGION = "shelf", "AKIASTUB", "a secret/that+nobody=guesses", "us-east-1"
LEAST_PART = 5 << 20
"""S3 takes no smaller part, but for the last."""


@dataclass
class Kept:
    """An object."""

    data: bytes
    modified: datetime

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data, usedforsecurity=False).hexdigest()}"'


@dataclass
class Asked:
    """A request. `what` is its method, and what it does where that says more: `PUT part`, `POST complete`, `GET list`."""

    what: str
    key: str
    query: dict[str, str]
    headers: Any
    body: bytes


@dataclass
class Bad:
    """A bad day: for the next `times` requests that `when` fits (all of them: None)."""

    when: Callable[[Asked], bool]
    times: int | None = 1
    status: int = 0
    """Answer so, and do nothing."""
    code: str = ""
    drops: bool = False
    """Close the connection without an answer, having done nothing."""
    loses_reply: bool = False
    """Do it, and close the connection without an answer."""
    cuts: int = 0
    """Answer with so many bytes less than were announced."""
    hold: threading.Event | None = None
    """Answer once this is set."""
    met: threading.Event = field(default_factory=threading.Event)
    """Set when a request has met it."""


class Refused(Exception):
    """An S3 error."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


class S3:
    """The store. `asked` has every request, in order."""

    def __init__(self) -> None:
        self.objects: dict[str, Kept] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        """What was begun in parts, and neither completed nor aborted."""
        self.asked: list[Asked] = []
        self.has_bucket = self.knows_conditions = True
        self.page = 1000
        self._bad: list[Bad] = []
        self._number = count(1)
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who asked may have been killed

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
        }

    def bad(self, what: str = "", *, key: str = "", times: int | None = 1, **more: Any) -> Bad:
        """What goes wrong with the next requests whose `what` begins so and whose key holds `key`."""
        bad = Bad(lambda asked: asked.what.startswith(what) and key in asked.key, times, **more)
        with self._lock:
            self._bad.append(bad)
        return bad

    def good(self) -> None:
        """Nothing goes wrong any more; whatever was held goes on."""
        with self._lock:
            bad, self._bad = self._bad, []
        for each in bad:
            if each.hold:
                each.hold.set()

    def listed(self, prefix: str = "") -> list[str]:
        """The keys of what is there."""
        with self._lock:
            return sorted(key for key in self.objects if key.startswith(prefix))

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self.good()
        self._server.shutdown()
        self._server.server_close()

    def met(self, asked: Asked) -> Bad | None:
        """What goes wrong with this request."""
        with self._lock:
            self.asked.append(asked)
            bad = next((each for each in self._bad if each.when(asked)), None)
            if bad and bad.times is not None:
                bad.times -= 1
                if not bad.times:
                    self._bad.remove(bad)
        if bad:
            bad.met.set()
            if bad.hold:
                bad.hold.wait(60)
        return bad

    # -------------------------------------------------------------------------------------------------- what it does

    def do(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body. Raises Refused."""
        if not self.has_bucket:
            raise Refused(404, "NoSuchBucket")
        with self._lock:
            return getattr(self, f"_{asked.what.replace(' ', '_').lower()}")(asked)  # type: ignore[no-any-return]

    def _put(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if asked.headers.get("If-None-Match") and not self.knows_conditions:
            raise Refused(501, "NotImplemented")
        if asked.headers.get("If-None-Match") == "*" and asked.key in self.objects:
            raise Refused(412, "PreconditionFailed")
        return self._keep(asked.key, asked.body)

    def _keep(self, key: str, data: bytes) -> tuple[int, dict[str, str], bytes]:
        self.objects[key] = Kept(data, datetime.now(UTC))
        return 200, {"ETag": self.objects[key].etag}, b""

    def _get(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        kept = self._found(asked.key)
        headers = {"ETag": kept.etag, "Last-Modified": format_datetime(kept.modified, usegmt=True)}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.headers.get("Range", ""))
        if not wanted:
            return 200, headers, kept.data
        start, end = int(wanted[1]), min(int(wanted[2] or len(kept.data)) + 1, len(kept.data))
        if start >= len(kept.data):
            raise Refused(416, "InvalidRange")
        return 206, headers | {"Content-Range": f"bytes {start}-{end - 1}/{len(kept.data)}"}, kept.data[start:end]

    def _head(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        return self._get(asked)

    def _delete(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        self.objects.pop(asked.key, None)
        return 204, {}, b""

    def _post_delete(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        named = [each.text or "" for each in Tree.fromstring(asked.body).iter() if each.tag.endswith("Key")]
        for key in named:
            self.objects.pop(key, None)
        return _xml("DeleteResult", "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in named))

    def _get_list(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        prefix = asked.query.get("prefix", "")
        after = asked.query.get("continuation-token") or asked.query.get("start-after", "")
        found = [key for key in sorted(self.objects) if key.startswith(prefix) and key > after]
        page = found[: min(self.page, int(asked.query.get("max-keys", 1000)))]
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if len(page) < len(found) else ""
        listed = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{self.objects[key].modified:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
            f"<ETag>{escape(self.objects[key].etag)}</ETag><Size>{len(self.objects[key].data)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key in page
        )
        about = f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
        return _xml("ListBucketResult", f"{about}<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{listed}")

    def _post_begin(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        upload = f"upload-{next(self._number)}"
        self.parts[upload] = {}
        about = f"<Bucket>{BUCKET}</Bucket><Key>{escape(asked.key)}</Key><UploadId>{upload}</UploadId>"
        return _xml("InitiateMultipartUploadResult", about)

    def _put_part(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        self._begun(asked)[int(asked.query["partNumber"])] = asked.body
        return 200, {"ETag": f'"{hashlib.md5(asked.body, usedforsecurity=False).hexdigest()}"'}, b""

    def _post_complete(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        parts = self._begun(asked)
        told = Tree.fromstring(asked.body)
        numbers = [int(each.text or 0) for each in told.iter() if each.tag.endswith("PartNumber")]
        if numbers != sorted(parts) or numbers != list(range(1, len(numbers) + 1)):
            raise Refused(400, "InvalidPart")
        if any(len(parts[number]) < LEAST_PART for number in numbers[:-1]):
            raise Refused(400, "EntityTooSmall")
        _, headers, _ = self._keep(asked.key, b"".join(parts[number] for number in numbers))
        del self.parts[asked.query["uploadId"]]
        return _xml("CompleteMultipartUploadResult", f"<ETag>{escape(headers['ETag'])}</ETag>")

    def _delete_parts(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        self._begun(asked)
        del self.parts[asked.query["uploadId"]]
        return 204, {}, b""

    def _begun(self, asked: Asked) -> dict[int, bytes]:
        if asked.query["uploadId"] not in self.parts:
            raise Refused(404, "NoSuchUpload")
        return self.parts[asked.query["uploadId"]]

    def _found(self, key: str) -> Kept:
        if key not in self.objects:
            raise Refused(404, "NoSuchKey")
        return self.objects[key]


def _handler(s3: S3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            address = urlsplit(self.path)
            query = dict(parse_qsl(address.query, keep_blank_values=True))
            _, _, key = unquote(address.path).removeprefix("/").partition("/")
            asked = Asked(_what(self.command, query), key, query, self.headers, body)
            bad = s3.met(asked)
            if bad and bad.drops:
                return self._close()
            try:
                if bad and bad.status:
                    raise Refused(bad.status, bad.code)
                _check_signature(self.command, address.path, query, self.headers, body)
                if not address.path.startswith(f"/{BUCKET}"):
                    raise Refused(404, "NoSuchBucket")
                status, headers, answer = s3.do(asked)
            except Refused as error:
                status, headers = error.status, {"Content-Type": "application/xml"}
                answer = f"<Error><Code>{error.code}</Code><Message>No.</Message></Error>".encode()
            if bad and bad.loses_reply:
                return self._close()
            return self._answer(status, headers, answer, bad.cuts if bad else 0)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815  # names of http.server

        def _answer(self, status: int, headers: dict[str, str], answer: bytes, cuts: int) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer[: len(answer) - cuts])
            if cuts:
                self._close()

        def _close(self) -> None:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(2)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _what(method: str, query: dict[str, str]) -> str:
    match method:
        case "GET" if "list-type" in query:
            return "GET list"
        case "PUT" if "partNumber" in query:
            return "PUT part"
        case "POST":
            return "POST delete" if "delete" in query else "POST begin" if "uploads" in query else "POST complete"
        case "DELETE" if "uploadId" in query:
            return "DELETE parts"
    return method


def _check_signature(method: str, path: str, query: dict[str, str], headers: Any, body: bytes) -> None:
    """Version 4, from the specification."""
    told = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w{64})",
        headers.get("Authorization", ""),
    )
    if not told:
        raise Refused(403, "AccessDenied")
    who, day, region, signed, signature = told.groups()
    if who != ACCESS_KEY:
        raise Refused(403, "InvalidAccessKeyId")
    if region != REGION:
        raise Refused(400, "AuthorizationHeaderMalformed")
    digest = headers["x-amz-content-sha256"]
    if digest not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
        raise Refused(400, "XAmzContentSHA256Mismatch")
    sent_at = headers["x-amz-date"]
    if abs(time.time() - datetime.strptime(sent_at + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()) > 900:
        raise Refused(403, "RequestTimeTooSkewed")
    asked = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))
    named = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in signed.split(";"))
    canonical = f"{method}\n{quote(unquote(path), safe='/-_.~')}\n{asked}\n{named}\n{signed}\n{digest}"
    scope = f"{day}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{sent_at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{SECRET_KEY}".encode()
    for each in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, each.encode(), "sha256")
    if not hmac.compare_digest(signature, hmac.digest(key, text.encode(), "sha256").hex()):
        raise Refused(403, "SignatureDoesNotMatch")


def _xml(name: str, content: str) -> tuple[int, dict[str, str], bytes]:
    body = f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{content}</{name}>'
    return 200, {"Content-Type": "application/xml"}, body.encode()


@contextmanager
def serving_s3() -> Iterator[S3]:
    """The store, until the end of the block."""
    s3 = S3()
    thread = threading.Thread(target=s3.serve, daemon=True)
    thread.start()
    try:
        yield s3
    finally:
        s3.close()
        thread.join()
