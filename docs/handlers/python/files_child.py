"""A file bot as a child process: it counts the lines of the files of a post, and answers with a table. Python 3.9, no packages.

The host saves the files in the directory of the sink, and posts the table from there. Make the directory, and keep nothing
else in it.

    [sinks.files]
    type = "exec"
    command = ["python3", "/opt/bots/files_child.py"]
    dir = "files"
    events = ["posted"]
    ignore_bots = true
"""

import csv
import json
import os
import shutil
import sys
from collections import Counter

MAX_DOWNLOADS = 4  # At once, of each account: the host refuses more.
jobs = {}  # The events at work, by source and id: two accounts may receive the same post, with the same id.
waiting = []  # The files that are not asked for yet, each with its event.
downloads = Counter()  # The downloads under way of each source.


def send(**line):
    print(json.dumps(line), flush=True)


def dir_of(key):
    """Return the name of a directory for the files of an event."""
    source, event = key
    return f"{source.rsplit('/', 1)[1]}-{event}"


def take(event):
    key = (event["source"], event["id"])
    is_ours = event["type"] == "com.mattermost.posted" and not event["own"]
    files = event["data"]["post"].get("file_ids") if is_ours else None
    if not files:
        send(ack=event["id"], source=event["source"])
    elif key not in jobs:  # Else it came again while it is at work.
        shutil.rmtree(dir_of(key), ignore_errors=True)  # An earlier process may have left it there.
        os.mkdir(dir_of(key))
        jobs[key] = {"files": {file: None for file in files}, "again": False}
        waiting.extend((key, file) for file in files)
    if files:
        # Without this line, the event would be delivered again after answer_timeout.
        send(working=event["id"], source=event["source"], **{"for": "10m"})


def ask():
    """Ask for the files that wait, as many as may be downloaded. The result of each has the file's id."""
    for key, file in list(waiting):
        source, event = key
        if downloads[source] < MAX_DOWNLOADS:
            downloads[source] += 1
            waiting.remove((key, file))
            # A name of our own: that of the file may be any text.
            send(action="get_file", id=file, file=file, path=f"{dir_of(key)}/{file}", to=event, source=source)


def go_on(result):
    key = (result["source"], result["to"])
    if result["id"] == "table":
        return finish(key, ack=result["to"])  # What cannot be posted is kept by the host, as a dead letter.
    job = jobs[key]
    downloads[result["source"]] -= 1
    job["again"] |= result["status"] == 429 or result["status"] >= 500  # Too many at a time, or the server is away.
    job["files"][result["id"]] = row(result, f"{dir_of(key)}/{result['id']}")
    if all(job["files"].values()):
        answer(key, job)


def row(result, path):
    if result["status"] != 200:
        return (result["id"], result["detail"])
    with open(path, "rb") as file:
        lines = sum(1 for _ in file)
    os.remove(path)
    return (result["found"]["name"], lines)


def answer(key, job):
    source, event = key
    if job["again"]:
        return finish(key, retry=event, after="5s")
    table = f"{dir_of(key)}/lines.csv"
    with open(table, "w", newline="") as file:
        csv.writer(file).writerows([("file", "lines"), *job["files"].values()])
    # The key belongs to the event: the table is posted once, also if the event comes again.
    reply = {"action": "reply", "key": "table", "text": "I counted the lines.", "files": [table]}
    send(id="table", to=event, source=source, **reply)


def finish(key, **line):
    del jobs[key]
    shutil.rmtree(dir_of(key))
    send(source=key[0], **line)


for line in sys.stdin:
    line = json.loads(line)
    if "result" in line:
        go_on(line["result"])
    else:
        try:
            take(line)
        except (LookupError, TypeError, AttributeError, OSError) as error:
            send(reject=line["id"], source=line["source"], cause=repr(error))
    ask()
