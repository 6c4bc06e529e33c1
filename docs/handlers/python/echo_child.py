"""An echo bot as a child process: it answers each post with its text. Python 3.9, no packages.

    [sinks.echo]
    type = "exec"
    command = ["python3", "/opt/bots/echo_child.py"]
    events = ["posted"]
    ignore_bots = true
"""

import json
import sys


def send(**line):
    print(json.dumps(line), flush=True)  # A line that is not flushed does not arrive.


def handle(event, about):
    """Answer an event. If it comes again, after a crash, the key keeps the answer from being posted twice."""
    if event["type"] == "com.mattermost.posted" and not event["own"]:
        text = "You said: " + event["data"]["post"]["message"]
        send(action="reply", key="echo", text=text, in_thread=True, **about)


for line in sys.stdin:
    event = json.loads(line)
    # Two accounts may receive the same post, so only id and source together identify the event.
    id, source = event["id"], event["source"]
    try:
        handle(event, {"to": id, "source": source})
        print("received", id, file=sys.stderr, flush=True)  # Standard error goes to the log.
        send(ack=id, source=source)
    except Exception as error:
        send(reject=id, source=source, cause=repr(error))  # It is kept, with the cause, and the next one is handled.
