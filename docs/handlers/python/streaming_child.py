"""A bot that answers slowly and bit by bit, as a language model does, as a child process. Python 3.9, no packages.

    [sinks.model]
    type = "exec"
    command = ["python3", "/opt/bots/streaming_child.py"]
    events = ["posted"]
    ignore_bots = true
    in_flight = 16  # The most questions at work; each has a thread of its own.
"""

import json
import sys
import threading
import time

lock = threading.Lock()


def send(**line):
    with lock:
        print(json.dumps(line), flush=True)


def think(question):
    """Yield the answer as it grows. Put your model here."""
    words = f"You asked: {question} Let me think about that for a while.".split()
    for n in range(1, len(words) + 1):
        time.sleep(0.05)
        yield " ".join(words[:n])


def answer(event):
    about = {"to": event["id"], "source": event["source"]}
    try:
        # If the event comes again, after a crash, the reply is there already, and the updates go on with it.
        send(action="reply", key="answer", text="…", **about)
        # Only the newest text is sent, at most twice a second, so a handler need not hold back.
        for text in think(event["data"]["post"]["message"]):
            send(action="update", key="answer", text=text, **about)
        send(ack=event["id"], source=event["source"])
    except Exception as error:
        send(action="update", key="answer", text="I cannot answer that.", **about)
        send(reject=event["id"], source=event["source"], cause=repr(error))


for line in sys.stdin:
    event = json.loads(line)
    if event["type"] == "com.mattermost.posted" and not event["own"]:
        # Without this line, the event would be delivered again after answer_timeout.
        send(working=event["id"], source=event["source"], **{"for": "10m"})
        threading.Thread(target=answer, args=(event,), daemon=True).start()
    else:
        send(ack=event["id"], source=event["source"])
