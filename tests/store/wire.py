"""A MongoDB endpoint for tests: the wire protocol over mongomock, on a port of this machine.

It takes what pymongo 4 sends (OP_MSG, and OP_QUERY for the first greeting) for the commands that
interlith, maggma, jobflow and FireWorks use, and refuses documents over 16 MiB as a server does.
It is no server: no authentication, transactions, change streams, read or write concerns, and its
query language is mongomock's.
"""

from __future__ import annotations

import itertools
import socketserver
import struct
import threading
from typing import Any

import bson
import mongomock_ng as mongomock
from bson.codec_options import CodecOptions

MAX_BSON = 16 * 1024 * 1024
BATCH = 101
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
OPTIONS: CodecOptions[Any] = CodecOptions(tz_aware=False)


class WireServer(socketserver.ThreadingTCPServer):
    """``with WireServer() as server: pymongo.MongoClient(server.uri)``."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.store = mongomock.MongoClient()
        self.lock = threading.Lock()
        self.cursors: dict[int, list[Any]] = {}
        self.numbers = itertools.count(1)
        self.commands: list[str] = []
        self.refuse = False
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    server: WireServer

    def handle(self) -> None:
        while (header := self._read(16)) is not None:
            length, request, _, code = struct.unpack("<iiii", header)
            body = self._read(length - 16)
            if body is None:
                return
            if code == OP_QUERY:
                self._answer_query(request, body)
            elif code == OP_MSG:
                self._answer_message(request, body)
            else:
                return

    def _read(self, count: int) -> bytes | None:
        parts = b""
        while len(parts) < count:
            try:
                got = self.request.recv(min(1 << 20, count - len(parts)))
            except OSError:
                return None
            if not got:
                return None
            parts += got
        return parts

    def _answer_query(self, request: int, body: bytes) -> None:
        end = body.index(b"\0", 4)
        reply = bson.encode(self._run(bson.decode(_first(body[end + 9 :]), OPTIONS)))
        rest = struct.pack("<iqii", 8, 0, 0, 1) + reply
        head = struct.pack("<iiii", 16 + len(rest), request + 1, request, OP_REPLY)
        self.request.sendall(head + rest)

    def _answer_message(self, request: int, body: bytes) -> None:
        (flags,) = struct.unpack_from("<I", body)
        end = len(body) - (4 if flags & 1 else 0)
        command: dict[str, Any] = {}
        place, lists = 4, {}
        while place < end:
            kind, place = body[place], place + 1
            if kind == 0:
                (size,) = struct.unpack_from("<i", body, place)
                command = bson.decode(body[place : place + size], OPTIONS)
                place += size
                continue
            (size,) = struct.unpack_from("<i", body, place)
            stop = place + size
            name_end = body.index(b"\0", place + 4)
            name = body[place + 4 : name_end].decode()
            lists[name] = _documents(body[name_end + 1 : stop])
            place = stop
        reply = bson.encode(self._run(command | lists))
        if flags & 2:  # the client wants no answer
            return
        rest = struct.pack("<I", 0) + b"\0" + reply
        head = struct.pack("<iiii", 16 + len(rest), request + 1, request, OP_MSG)
        self.request.sendall(head + rest)

    def _run(self, command: dict[str, Any]) -> dict[str, Any]:
        name = next(iter(command))
        with self.server.lock:
            self.server.commands.append(name)
            if self.server.refuse and name.lower() not in ("hello", "ismaster"):
                return _failure(13, "not authorized for mongodb://user:hunter2@host/db")
            try:
                handler = getattr(self, f"_do_{name.lower()}", None)
                if handler is None:
                    return _failure(59, f"no such command: '{name}'")
                return {**handler(command), "ok": 1.0}
            except _TooLarge as error:
                return _failure(10334, str(error))
            except (mongomock.OperationFailure, NotImplementedError, ValueError) as error:
                return _failure(getattr(error, "code", None) or 2, str(error))

    def _collection(self, command: dict[str, Any]) -> Any:
        return self.server.store[command["$db"]][next(iter(command.values()))]

    def _do_hello(self, command: dict[str, Any]) -> dict[str, Any]:
        return {
            "ismaster": True,
            "isWritablePrimary": True,
            "helloOk": True,
            "maxBsonObjectSize": MAX_BSON,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000,
            "minWireVersion": 0,
            "maxWireVersion": 17,
            "readOnly": False,
        }

    _do_ismaster = _do_hello

    def _do_ping(self, command: dict[str, Any]) -> dict[str, Any]:
        return {}

    _do_endsessions = _do_ping
    _do_killcursors = _do_ping

    def _do_buildinfo(self, command: dict[str, Any]) -> dict[str, Any]:
        return {"version": "6.0.0", "versionArray": [6, 0, 0, 0], "maxBsonObjectSize": MAX_BSON}

    def _do_insert(self, command: dict[str, Any]) -> dict[str, Any]:
        collection = self._collection(command)
        errors: list[dict[str, Any]] = []
        done = 0
        for place, document in enumerate(command["documents"]):
            try:
                collection.insert_one(_checked(document))
                done += 1
            except mongomock.DuplicateKeyError as error:
                errors.append({"index": place, "code": 11000, "errmsg": str(error)})
                if command.get("ordered", True):
                    break
        return {"n": done, **({"writeErrors": errors} if errors else {})}

    def _do_update(self, command: dict[str, Any]) -> dict[str, Any]:
        collection = self._collection(command)
        matched = modified = 0
        upserted = []
        for place, one in enumerate(command["updates"]):
            change, upsert = one["u"], one.get("upsert", False)
            if isinstance(change, list):
                done = _through(collection, one["q"], change, many=one.get("multi", False))
                matched, modified = matched + done, modified + done
                continue
            if change and next(iter(change)).startswith("$"):
                work = collection.update_many if one.get("multi") else collection.update_one
                result = work(one["q"], change, upsert=upsert)
            else:
                result = collection.replace_one(one["q"], _checked(change), upsert=upsert)
            matched += result.matched_count
            modified += result.modified_count or 0
            if result.upserted_id is not None:
                upserted.append({"index": place, "_id": result.upserted_id})
        n = matched + len(upserted)
        return {"n": n, "nModified": modified, **({"upserted": upserted} if upserted else {})}

    def _do_delete(self, command: dict[str, Any]) -> dict[str, Any]:
        collection, count = self._collection(command), 0
        for one in command["deletes"]:
            work = collection.delete_one if one.get("limit") == 1 else collection.delete_many
            count += work(one["q"]).deleted_count
        return {"n": count}

    def _do_find(self, command: dict[str, Any]) -> dict[str, Any]:
        cursor = self._collection(command).find(
            command.get("filter") or {}, command.get("projection")
        )
        if command.get("sort"):
            cursor = cursor.sort(list(command["sort"].items()))
        found = list(cursor.skip(command.get("skip", 0)).limit(abs(command.get("limit", 0))))
        single = command.get("singleBatch", False)
        return self._batch(command, found, command.get("batchSize"), single)

    def _do_aggregate(self, command: dict[str, Any]) -> dict[str, Any]:
        found = list(self._collection(command).aggregate(command["pipeline"]))
        return self._batch(command, found, command.get("cursor", {}).get("batchSize"))

    def _batch(
        self, command: dict[str, Any], found: list[Any], size: int | None, single: bool = False
    ) -> dict[str, Any]:
        first, rest = _split(found, BATCH if size is None else size)
        number = 0
        if rest and not single:
            number = next(self.server.numbers)
            self.server.cursors[number] = rest
        space = f"{command['$db']}.{next(iter(command.values()))}"
        return {"cursor": {"id": bson.Int64(number), "ns": space, "firstBatch": first}}

    def _do_getmore(self, command: dict[str, Any]) -> dict[str, Any]:
        number = command["getMore"]
        first, rest = _split(
            self.server.cursors.pop(number, []), command.get("batchSize") or 100_000
        )
        if rest:
            self.server.cursors[number] = rest
        space = f"{command['$db']}.{command['collection']}"
        left = bson.Int64(number if rest else 0)
        return {"cursor": {"id": left, "ns": space, "nextBatch": first}}

    def _do_count(self, command: dict[str, Any]) -> dict[str, Any]:
        return {"n": self._collection(command).count_documents(command.get("query") or {})}

    def _do_distinct(self, command: dict[str, Any]) -> dict[str, Any]:
        wanted = command.get("query") or {}
        return {"values": self._collection(command).distinct(command["key"], wanted)}

    def _do_findandmodify(self, command: dict[str, Any]) -> dict[str, Any]:
        collection = self._collection(command)
        sort = list(command["sort"].items()) if command.get("sort") else None
        shown = command.get("fields")
        if command.get("remove"):
            value = collection.find_one_and_delete(command["query"], shown, sort=sort)
        else:
            change = command["update"]
            if isinstance(change, list):
                value = self._through_one(command, collection, change)
                return {"value": value, "lastErrorObject": {"n": int(value is not None)}}
            plain = not next(iter(change)).startswith("$")
            work = collection.find_one_and_replace if plain else collection.find_one_and_update
            value = work(
                command.get("query") or {},
                change,
                projection=shown,
                sort=sort,
                upsert=command.get("upsert", False),
                return_document=command.get("new", False),
            )
        return {"value": value, "lastErrorObject": {"n": int(value is not None)}}

    def _through_one(
        self, command: dict[str, Any], collection: Any, stages: list[dict[str, Any]]
    ) -> Any:
        """``findAndModify`` with a pipeline, which mongomock has not."""
        sort = list(command["sort"].items()) if command.get("sort") else None
        found = collection.find_one(command.get("query") or {}, sort=sort)
        if found is None:
            return None
        shown = command.get("fields")
        before = collection.find_one({"_id": found["_id"]}, shown)
        _through(collection, {"_id": found["_id"]}, stages)
        return collection.find_one({"_id": found["_id"]}, shown) if command.get("new") else before

    def _do_createindexes(self, command: dict[str, Any]) -> dict[str, Any]:
        collection = self._collection(command)
        for index in command["indexes"]:
            collection.create_index(
                list(index["key"].items()), name=index["name"], unique=index.get("unique", False)
            )
        return {}

    def _do_dropindexes(self, command: dict[str, Any]) -> dict[str, Any]:
        if command["index"] != "*":
            self._collection(command).drop_index(command["index"])
            return {}
        self._collection(command).drop_indexes()
        return {}

    def _do_listindexes(self, command: dict[str, Any]) -> dict[str, Any]:
        held = self._collection(command).index_information()
        found = [{"v": 2, "key": dict(i["key"]), "name": name} for name, i in held.items()]
        return self._batch(command, found, None)

    def _do_listcollections(self, command: dict[str, Any]) -> dict[str, Any]:
        names = self.server.store[command["$db"]].list_collection_names()
        found = [{"name": name, "type": "collection", "options": {}} for name in names]
        return self._batch(command, found, None)

    def _do_drop(self, command: dict[str, Any]) -> dict[str, Any]:
        self._collection(command).drop()
        return {}

    def _do_dropdatabase(self, command: dict[str, Any]) -> dict[str, Any]:
        self.server.store.drop_database(command["$db"])
        return {}


class _TooLarge(ValueError):
    """A document over the limit."""


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    size = len(bson.encode(document))
    if size > MAX_BSON:
        raise _TooLarge(f"BSONObj size: {size} is invalid. Size must be between 0 and {MAX_BSON}")
    return document


def _through(
    collection: Any, wanted: dict[str, Any], stages: list[dict[str, Any]], many: bool = False
) -> int:
    """Update documents by a pipeline; the endpoint runs one command at a time."""
    numbers = [found["_id"] for found in collection.find(wanted, {"_id": 1})]
    for number in numbers if many else numbers[:1]:
        (made,) = collection.aggregate([{"$match": {"_id": number}}, *stages])
        collection.replace_one({"_id": number}, made)
    return len(numbers if many else numbers[:1])


def _failure(code: int, reason: str) -> dict[str, Any]:
    return {"ok": 0.0, "errmsg": reason, "code": code}


def _first(data: bytes) -> bytes:
    (size,) = struct.unpack_from("<i", data)
    return data[:size]


def _documents(data: bytes) -> list[dict[str, Any]]:
    found = []
    while data:
        one = _first(data)
        found.append(bson.decode(one, OPTIONS))
        data = data[len(one) :]
    return found


def _split(found: list[Any], count: int) -> tuple[list[Any], list[Any]]:
    """So many documents, and no more than fit into one message."""
    size = 0
    for place, one in enumerate(found):
        size += len(bson.encode(one))
        if place >= count or (place and size > MAX_BSON):
            return found[:place], found[place:]
    return found, []
