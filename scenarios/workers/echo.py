#!/usr/bin/env python3
"""A worker for poolbench in Python: docs/workers.md has the protocol (frames).

echo ARGS        answers ARGS
sleep {"ms": 5}  answers after so long
fail {"kind": "client" or "server", "message": "..."}
leak {"bytes": 1048576}   keeps so much memory for good, and answers how much it has by now
crash            does not answer: the process dies
"""
import json
import os
import struct
import sys
import time

kept = []


class ClientError(Exception):
    """The request itself was at fault."""


def leak(args):
    kept.append(bytearray(os.urandom(1)) * int(args["bytes"]))
    return sum(len(block) for block in kept)


def fail(args):
    raise (ClientError if args["kind"] == "client" else RuntimeError)(args.get("message", "as asked for"))


COMMANDS = {
    "echo": lambda args: args,
    "sleep": lambda args: time.sleep(args["ms"] / 1000),
    "fail": fail,
    "leak": leak,
    "crash": lambda args: os.abort(),
}


def read_message():
    head = sys.stdin.buffer.read(4)
    if len(head) < 4:
        return None  # poolbench is gone
    return json.loads(sys.stdin.buffer.read(struct.unpack(">I", head)[0]))


def write_message(**message):
    body = json.dumps(message).encode()
    sys.stdout.buffer.write(struct.pack(">I", len(body)) + body)
    sys.stdout.buffer.flush()


def serve_request(number, command, args):
    before = time.process_time_ns()
    try:
        if command not in COMMANDS:
            raise ClientError("unknown command " + command)
        value = COMMANDS[command](args)
        write_message(type="result", id=number, value=value, stats={"cpu_ns": time.process_time_ns() - before})
    except ClientError as error:
        write_message(type="error", id=number, kind="client", message=str(error))
    except Exception as error:  # whatever goes wrong: an answer, and the worker lives on
        write_message(type="error", id=number, kind="server", message=repr(error))


while (message := read_message()) is not None:
    if message["type"] == "init":
        write_message(type="ready")
    elif message["type"] == "request":
        serve_request(message["id"], message["command"], message.get("args"))
    elif message["type"] == "ping":
        write_message(type="pong", id=message["id"])
    elif message["type"] == "shutdown":
        break
    # A cancel needs no answer: this worker does one thing at a time and cannot stop in the middle.
