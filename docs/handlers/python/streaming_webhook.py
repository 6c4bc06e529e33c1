"""A bot that answers slowly and bit by bit, as a language model does, as a webhook. Python 3.9, no packages.

It takes an event by 202, and answers by the API of the host, with the reply token of the event. Start it with the sink's
secret and the address of [admin]: HOOK_SECRET=$(cat hook.secret) python3 streaming_webhook.py 8000 http://127.0.0.1:8466

    [sinks.model]
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
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["HOOK_SECRET"].removeprefix("whsec_"))
if not KEY:
    sys.exit("HOOK_SECRET must hold the secret of the sink")
API_URL = sys.argv[2]
TOLERANCE_S = 300  # An older request may be a recorded one, sent again.
MAX_BODY_BYTES = 16 * 1024 * 1024  # Larger than any post with its attachments.
MAX_TAKEN = 10_000
taken = {}  # The last events: one that comes again, after a kill of the host, is being answered already.
free = threading.Semaphore(16)  # The most questions at work; others wait at the host.
lock = threading.Lock()


def is_signed(headers, body):
    """Return True if one of the signatures matches the body and the request is recent."""
    id, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not sent.isdecimal() or abs(time.time() - float(sent)) > TOLERANCE_S:
        return False
    digest = hmac.new(KEY, f"{id}.{sent}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    signatures = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(expected.encode(), signature.encode()) for signature in signatures)


def take(event, token):
    """Begin to answer an event, and return the status. Two accounts may receive the same post, with the same id."""
    name = (event["source"], event["id"])
    with lock:
        if event["type"] != "com.mattermost.posted" or event["own"] or name in taken:
            return 202
        # Without [admin] there is no token to answer with.
        if not token or not free.acquire(blocking=False):
            return 503
        if len(taken) >= MAX_TAKEN:
            del taken[next(iter(taken))]
        taken[name] = True
    threading.Thread(target=answer, args=(event, token), daemon=True).start()
    return 202


def act(token, **action):
    """Take an action in answer to the event of the token. Each has a key, so it may be repeated until it succeeds."""
    headers = {"authorization": "Bearer " + token, "content-type": "application/json"}
    request = urllib.request.Request(API_URL + "/v1/replies", json.dumps(action).encode(), headers)
    for pause in (1, 2, 4, 8, 16, None):
        try:
            with urllib.request.urlopen(request, timeout=300):
                return
        except OSError as error:
            # A refusal is final; a host that restarts is back soon.
            status = getattr(error, "code", 503)
            if pause is None or (status < 500 and status != 429):
                print(f"{action['action']} failed: {error}\n", end="", file=sys.stderr, flush=True)
                return
            time.sleep(pause)


def think(question):
    """Yield the answer as it grows. Put your model here."""
    words = f"You asked: {question} Let me think about that for a while.".split()
    for n in range(1, len(words) + 1):
        time.sleep(0.05)
        yield " ".join(words[:n])


def answer(event, token):
    try:
        act(token, action="reply", key="answer", text="…")
        for text in think(event["data"]["post"]["message"]):
            # Only the newest text is sent, at most twice a second. The model need not wait for it.
            act(token, action="update", key="answer", text=text, wait=False)
        act(token, action="update", key="answer", text=text)
    except Exception:
        act(token, action="update", key="answer", text="I cannot answer that.")
        raise  # Shown on standard error.
    finally:
        free.release()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # Keeps connections open.

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or float(length) > MAX_BODY_BYTES:
            self.close_connection = True  # The body is not read.
            return self.answer(413)
        body = self.rfile.read(int(length))
        if not is_signed(self.headers, body):
            return self.answer(401)
        try:
            self.answer(take(json.loads(body), self.headers["matterhost-reply-token"]))
        except (ValueError, LookupError, TypeError):
            self.answer(400)  # The event is put aside.

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("listening", server.server_port, flush=True)
server.serve_forever()
