"""An exec handler that answers with a file: it writes the file into its directory and names it."""

import csv
import json
import sys

counts = {}  # The words that each person has written.


def send(**line):
    print(json.dumps(line), flush=True)


def write_report(path):
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["person", "words"])
        rows.writerows(sorted(counts.items()))


for line in sys.stdin:
    event = json.loads(line)
    about = {"to": event["id"], "source": event["source"]}
    if event["type"] == "com.mattermost.posted" and not event["own"]:
        post = event["data"]["post"]
        counts[post["user_id"]] = counts.get(post["user_id"], 0) + len(post["message"].split())
        if post["message"].strip() == "report":
            # The file is opened when the line is read, so the next report may replace it after the acknowledgement.
            write_report("report.csv")
            send(action="reply", text="Here is the report.", files=["report.csv"], **about)
    send(ack=event["id"], source=event["source"])
