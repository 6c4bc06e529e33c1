"""A child process's handler that echoes: each line of standard input is an event, each line of output an answer."""

import json
import sys


def say(**answer):
    print(json.dumps(answer), flush=True)


for line in sys.stdin:
    event = json.loads(line)
    # Two accounts may hear the same post: its id and its source together are one.
    this = {"source": event["source"]}
    if event["type"] == "com.mattermost.posted" and not event["own"]:
        text = "You said: " + event["data"]["post"]["message"]
        say(reply={"to": event["id"], **this, "text": text, "in_thread": True})
    print("heard", event["id"], file=sys.stderr, flush=True)
    say(ack=event["id"], **this)
