"""A webhook handler that takes an event and answers it later, bit by bit: python3 streaming_webhook.py PORT API_URL.

It answers by the API of the host, with the reply token of the event. It does not check signatures; echo_webhook.py shows how."""

import json
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API_URL = sys.argv[2]
MAX_TAKEN = 10_000
taken = {}  # The ids of the last events: one that comes again, after a kill of the host, is being answered already.
lock = threading.Lock()


def is_new(id):
    with lock:
        if id in taken:
            return False
        if len(taken) >= MAX_TAKEN:
            del taken[next(iter(taken))]
        taken[id] = True
        return True


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
    """Yield the answer as it grows."""
    words = f"You asked: {question} Let me think about that for a while.".split()
    for n in range(1, len(words) + 1):
        time.sleep(0.05)
        yield " ".join(words[:n])


def answer(event, token):
    act(token, action="reply", key="answer", text="…")
    for text in think(event["data"]["post"]["message"]):
        # Only the newest text is sent, at most twice a second. The model need not wait for it.
        act(token, action="update", key="answer", text=text, wait=False)
    act(token, action="update", key="answer", text=text)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # Keeps connections open.

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        token = self.headers["matterhost-reply-token"]
        if event["type"] == "com.mattermost.posted" and not event["own"] and is_new(event["id"]):
            threading.Thread(target=answer, args=(event, token), daemon=True).start()
        self.send_response(202)  # Taken; the answer comes later.
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("listening", server.server_port, flush=True)
server.serve_forever()
