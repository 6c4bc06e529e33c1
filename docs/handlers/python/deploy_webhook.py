"""A deploy bot as a webhook: /deploy shows buttons, a menu and a dialog. Python 3.9, no packages.

It needs [hooks] and the command /deploy of its account: see ../../hooks.md. Start it with the sink's secret:
HOOK_SECRET=$(cat hook.secret) python3 deploy_webhook.py 8000

    [sinks.deploy]
    type = "webhook"
    url = "http://127.0.0.1:8000/"
    secret_file = "hook.secret"
    events = ["slash_command", "button", "menu", "dialog"]
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
PLACES = ("staging", "production")


def is_signed(headers, body):
    """Return True if one of the signatures matches the body and the request is recent."""
    id, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not sent.isdecimal() or abs(time.time() - float(sent)) > TOLERANCE_S:
        return False
    digest = hmac.new(KEY, f"{id}.{sent}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    signatures = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(expected.encode(), signature.encode()) for signature in signatures)


def choices(place):
    """Return props with a button, a menu and a button that opens a dialog. matterhost fills in where they lead to."""
    context, versions = {"place": place}, [{"text": version, "value": version} for version in ("1.0", "1.1")]
    return {"attachments": [{"text": "Which version?", "actions": [
        {"id": "newest", "name": "The newest", "context": context},
        {"id": "version", "name": "Another", "context": context, "options": versions},
        {"id": "reason", "name": "With a reason", "context": context},
    ]}]}


def deploy(version, place, person, reason=""):
    """Deploy, and return what to tell. Put your deployment here: quick ones, or those that you only begin."""
    return f"Deployed {version} to {place} for @{person}.{reason}"


def handle(event):
    """Return the action that answers an event. matterhost has verified it; who may deploy is for you to decide."""
    kind, data = event["type"].removeprefix("com.mattermost."), event["data"]
    if kind == "slash_command":
        if data["text"] not in PLACES:
            text = f"Say {data['command']} {' or '.join(PLACES)}."
            return {"action": "reply", "text": text, "response_type": "ephemeral"}
        key = f"deploy-{event['id']}"
        return {"action": "post", "key": key, "text": f"Deploying to {data['text']}.", "props": choices(data["text"])}
    if kind == "button" and data["id"] == "reason":
        return {"action": "open_dialog", "dialog": {"title": "Why?", "state": data["context"]["place"], "elements": [
            {"display_name": "Reason", "name": "reason", "type": "text"},
        ]}}
    if kind in ("button", "menu"):
        version = data["selected_option"] if kind == "menu" else "1.1"
        # The new props have no buttons, so nobody presses them again.
        text = deploy(version, data["context"]["place"], data["user_name"])
        return {"action": "update", "text": text, "props": {}}
    if kind == "dialog" and not data["cancelled"]:
        reason = data["submission"].get("reason") or ""
        if len(reason) < 5:
            return {"action": "reply", "errors": {"reason": "Write a few words."}}
        text = deploy("1.1", data["state"], data["user_name"], f" Reason: {reason}")
        return {"action": "post", "key": f"deploy-{event['id']}", "text": text}
    return {}


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
            self.answer(200, handle(json.loads(body)))
        except (ValueError, LookupError, TypeError) as error:
            self.answer(400, {"error": repr(error)})  # The person reads that the bot cannot answer now.

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
