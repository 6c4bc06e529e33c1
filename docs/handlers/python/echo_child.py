"""An exec handler that echoes posts: each line of standard input is an event, each line of standard output an answer."""

import json
import sys


def send(**answer):
    print(json.dumps(answer), flush=True)


for line in sys.stdin:
    event = json.loads(line)
    # Two accounts may receive the same post, so only id and source together identify the event.
    source = {"source": event["source"]}
    if event["type"] == "com.mattermost.posted" and not event["own"]:
        text = "You said: " + event["data"]["post"]["message"]
        send(reply={"to": event["id"], **source, "text": text, "in_thread": True})
    print("received", event["id"], file=sys.stderr, flush=True)
    send(ack=event["id"], **source)
