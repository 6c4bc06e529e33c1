"""An exec handler that reads the files of posts: the host saves them in its directory, the `dir` of its sink."""

import json
import os
import sys

waiting = {}  # The files of each event that are not saved yet.


def send(**line):
    print(json.dumps(line), flush=True)


def take(event):
    about = {"to": event["id"], "source": event["source"]}
    own = event["own"] or event["type"] != "com.mattermost.posted"
    files = [] if own else event["data"]["post"].get("file_ids") or []
    if not files:
        send(ack=event["id"], source=event["source"])
        return
    waiting[event["id"]] = (event["source"], set(files))
    for file in files:
        # A name of our own: that of the file is any text. If the event comes again, the file may be there already.
        if os.path.exists(f"{file}.in"):
            os.remove(f"{file}.in")
        send(action="get_file", id=file, file=file, path=f"{file}.in", **about)


def go_on(result):
    source, files = waiting[result["to"]]
    file = result["id"]
    if result["status"] == 200:
        with open(f"{file}.in", "rb") as saved:
            text = f"{result['found']['name']} has {sum(1 for _ in saved)} lines."
        os.remove(f"{file}.in")
    else:
        text = f"I cannot read a file: {result['detail']}"
    send(action="reply", to=result["to"], source=source, text=text)
    files.discard(file)
    if not files:
        del waiting[result["to"]]
        send(ack=result["to"], source=source)


for line in sys.stdin:
    line = json.loads(line)
    if "result" in line:
        go_on(line["result"])
    else:
        take(line)
