"""A webhook handler that echoes posts: python3 echo_webhook.py PORT, with the secret in HOOK_SECRET. Python 3.9, no packages."""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["HOOK_SECRET"].removeprefix("whsec_"))
TOLERANCE_S = 300  # An older request may be a recorded one, sent again.


def is_signed(headers, body):
    """Return True if one of the signatures matches the body and the request is recent."""
    id, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not sent.isdecimal() or abs(time.time() - int(sent)) > TOLERANCE_S:
        return False
    digest = hmac.new(KEY, f"{id}.{sent}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    signatures = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(expected.encode(), signature.encode()) for signature in signatures)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # Keeps connections open.

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if not is_signed(self.headers, body):
            return self.answer(401, {"error": "the signature is wrong"})
        event = json.loads(body)
        # A single write, because each request has a thread of its own.
        print(f"received {event['id']}\n", end="", flush=True)
        if event["type"] != "com.mattermost.posted" or event["own"]:
            return self.answer(200, {})
        self.answer(200, {"text": "You said: " + event["data"]["post"]["message"], "in_thread": True})

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
