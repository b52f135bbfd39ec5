"""An S3 endpoint for tests: objects in memory, on a port of this machine.

It takes what boto3 sends for putting (also in parts), getting (also in ranges), asking for, listing
and deleting objects, and looks at no signature. It is no server: no versions, rights or checksums.
"""

from __future__ import annotations

import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class S3Server(ThreadingHTTPServer):
    """``with S3Server() as server: boto3.client("s3", endpoint_url=server.url)``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.buckets: dict[str, dict[str, bytes]] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.refuse = False
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3Server

    def _place(self) -> tuple[str, str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        return bucket, key, parse_qs(parts.query, keep_blank_values=True)

    def do_POST(self) -> None:
        """Begins and ends an upload in parts."""
        bucket, key, asked = self._place()
        self._body()
        if "uploads" in asked:
            number = f"upload-{len(self.server.parts)}"
            self.server.parts[number] = {}
            text = f"<R><Bucket>{bucket}</Bucket><UploadId>{number}</UploadId></R>"
        else:
            parts = self.server.parts[asked["uploadId"][0]]
            self.server.buckets[bucket][key] = b"".join(parts[n] for n in sorted(parts))
            text = f"<R><Key>{escape(key)}</Key><ETag>x</ETag></R>"
        self._send(200, text.encode())

    def do_PUT(self) -> None:
        bucket, key, asked = self._place()
        body = self._body()
        if self.server.refuse:
            self._fail(403, "AccessDenied")
        elif not key:
            self.server.buckets.setdefault(bucket, {})
            self._send(200)
        elif bucket not in self.server.buckets:
            self._fail(404, "NoSuchBucket")
        elif "uploadId" in asked:
            self.server.parts[asked["uploadId"][0]][int(asked["partNumber"][0])] = body
            self._send(200, ETag='"x"')
        else:
            self.server.buckets[bucket][key] = body
            self._send(200, ETag='"x"')

    def do_GET(self) -> None:
        bucket, key, asked = self._place()
        held = self.server.buckets.get(bucket)
        if self.server.refuse:
            self._fail(403, "AccessDenied")
        elif held is None:
            self._fail(404, "NoSuchBucket")
        elif not key:
            self._list(held, asked)
        elif key not in held:
            self._fail(404, "NoSuchKey")
        elif span := self.headers.get("Range", "").removeprefix("bytes="):
            first, _, last = span.partition("-")
            end = min(int(last) if last else len(held[key]), len(held[key]) - 1)
            said = f"bytes {first}-{end}/{len(held[key])}"
            self._send(206, held[key][int(first) : end + 1], Content_Range=said, **_FACTS)
        else:
            self._send(200, held[key], **_FACTS)

    do_HEAD = do_GET

    def do_DELETE(self) -> None:
        bucket, key, _ = self._place()
        self.server.buckets.get(bucket, {}).pop(key, None)
        self._send(204)

    def _list(self, held: dict[str, bytes], asked: dict[str, list[str]]) -> None:
        prefix = asked.get("prefix", [""])[0]
        found = [key for key in sorted(held) if key.startswith(prefix)]
        start = int(asked.get("continuation-token", ["0"])[0])
        page = found[start : start + 3]  # short pages, so that clients have to ask on
        more = start + 3 < len(found)
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(held[key])}</Size></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{start + 3}</NextContinuationToken>" if more else ""
        text = (
            f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}"
            "</ListBucketResult>"
        )
        self._send(200, text.encode())

    def _body(self) -> bytes:
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _send(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _fail(self, code: int, name: str) -> None:
        text = f"<Error><Code>{name}</Code><Message>{name} for user:hunter2@host</Message></Error>"
        self._send(code, text.encode())

    def log_message(self, *_: Any) -> None:
        pass


_FACTS = {"Last_Modified": formatdate(0, usegmt=True), "ETag": '"x"'}
