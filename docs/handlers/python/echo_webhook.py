"""An echo bot as a webhook: it answers each post with its text. Python 3.9, no packages.

Start it with the sink's secret: HOOK_SECRET=$(cat hook.secret) python3 echo_webhook.py 8000

    [sinks.echo]
    type = "webhook"
    url = "http://127.0.0.1:8000/"
    secret_file = "hook.secret"
    events = ["posted"]
    ignore_bots = true
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["HOOK_SECRET"].removeprefix("whsec_"))
if not KEY:
    sys.exit("HOOK_SECRET must hold the secret of the sink")
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


def handle(event):
    """Return the answer. If the event comes again, after a crash, the key keeps it from being posted twice."""
    if event["type"] != "com.mattermost.posted" or event["own"]:
        return {}
    text = "You said: " + event["data"]["post"]["message"]
    return {"action": "reply", "key": "echo", "text": text, "in_thread": True}


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
            event = json.loads(body)
            # A single write, because each request has a thread of its own.
            print(f"received {event['id']}\n", end="", flush=True)
            self.answer(200, handle(event))
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
