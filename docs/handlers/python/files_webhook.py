"""A file bot as a webhook: it counts the lines of the files of a post, and answers with a table. Python 3.9, no packages.

It downloads and uploads by the API of the host, with the reply token of the event. Start it with the sink's secret and the
address of [admin]: HOOK_SECRET=$(cat hook.secret) python3 files_webhook.py 8000 http://127.0.0.1:8466

    [sinks.files]
    type = "webhook"
    url = "http://127.0.0.1:8000/"
    secret_file = "hook.secret"
    events = ["posted"]
    ignore_bots = true
    timeout = "5m"
    concurrency = 4  # The most downloads of an account at once.
"""

import base64
import csv
import hashlib
import hmac
import io
import json
import os
import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["HOOK_SECRET"].removeprefix("whsec_"))
if not KEY:
    sys.exit("HOOK_SECRET must hold the secret of the sink")
API_URL = sys.argv[2]
TOLERANCE_S = 300  # An older request may be a recorded one, sent again.
MAX_BODY_BYTES = 16 * 1024 * 1024  # Larger than any post with its attachments.


def is_signed(headers, body):
    """Return True if one of the signatures matches the body and the request is recent."""
    id, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not sent.isdecimal() or abs(time.time() - float(sent)) > TOLERANCE_S:
        return False
    digest = hmac.new(KEY, f"{id}.{sent}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    signatures = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(expected.encode(), signature.encode()) for signature in signatures)


def call(token, path, body=None, headers={}):
    """Send a request to the API with the reply token of the event, and return the open response."""
    headers = {"authorization": "Bearer " + token, **headers}
    return urllib.request.urlopen(urllib.request.Request(API_URL + path, body, headers), timeout=60)


def count_lines(token, file):
    """Count the lines of a file piece by piece, however long it is."""
    lines = 0
    try:
        with call(token, "/v1/replies/files/" + file["id"]) as content:
            while piece := content.read(64 * 1024):
                lines += piece.count(b"\n")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return "deleted"
    return lines


def handle(event, token):
    """Return the answer to an event. It is acknowledged only then, so it comes again if the handler is killed."""
    is_ours = event["type"] == "com.mattermost.posted" and not event["own"]
    files = event["data"]["post"].get("metadata", {}).get("files") if is_ours else None
    if not files:
        return {}
    table = io.StringIO()
    csv.writer(table).writerows([("file", "lines"), *((file["name"], count_lines(token, file)) for file in files)])
    # Each key belongs to the event, so nothing is posted twice if the event comes again.
    headers = {"idempotency-key": "table", "content-type": "text/csv"}
    with call(token, "/v1/replies/files?name=lines.csv", table.getvalue().encode(), headers) as uploaded:
        ids = json.load(uploaded)["files"]
    return {"action": "reply", "key": "table", "text": "I counted the lines.", "files": ids}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # Keeps connections open.

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or float(length) > MAX_BODY_BYTES:
            self.close_connection = True  # The body is not read.
            return self.answer(413, {"error": "the body is too long"})
        body = self.rfile.read(int(length))
        if not is_signed(self.headers, body):
            return self.answer(401, {"error": "the signature is wrong"})
        try:
            self.answer(200, handle(json.loads(body), self.headers["matterhost-reply-token"]))
        except OSError as error:
            # The event comes again later; but what the host has refused is put aside, with the cause.
            is_final = 400 <= getattr(error, "code", 503) < 500 and error.code != 429
            self.answer(422 if is_final else 503, {"error": repr(error)})
        except (ValueError, LookupError, TypeError) as error:
            self.answer(400, {"error": repr(error)})  # The event is put aside, with the cause.

    def answer(self, status, answer):
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("listening", server.server_port, flush=True)
server.serve_forever()
