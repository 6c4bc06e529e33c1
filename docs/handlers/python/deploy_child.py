"""A deploy bot as a child process: /deploy shows buttons, a menu and a dialog. Python 3.9, no packages. See ../../hooks.md."""

import json
import sys


def write(message):
    print(json.dumps(message), flush=True)


def answer(event, **action):
    write({"to": event["id"], **action})


def choices():
    """Return props with a button, a menu and a button that opens a dialog. matterhost fills in where they lead to."""
    versions = [{"text": version, "value": version} for version in ("1.0", "1.1")]
    return {"attachments": [{"text": "Which version?", "actions": [
        {"id": "newest", "name": "The newest", "context": {"version": "1.1"}},
        {"id": "version", "name": "Another", "options": versions},
        {"id": "reason", "name": "With a reason"},
    ]}]}


def deploy(event, version):
    # The new props have no buttons, so nobody presses them again.
    answer(event, action="update", text=f"Deployed {version} for @{event['data']['user_name']}.", props={})


def handle(event):
    kind, data = event["type"].removeprefix("com.mattermost."), event["data"]
    if kind == "slash_command":
        if data["text"] not in ("", "staging", "production"):
            return answer(event, action="reply", text="Say /deploy staging or /deploy production.", response_type="ephemeral")
        answer(event, action="post", text="Deploying.", props=choices())
    elif kind == "menu":
        deploy(event, data["selected_option"])
    elif kind == "button" and data["id"] == "newest":
        deploy(event, data["context"]["version"])
    elif kind == "button":
        answer(event, action="open_dialog", dialog={"title": "Why?", "state": "1.1", "elements": [
            {"display_name": "Reason", "name": "reason", "type": "text"},
        ]})
    elif kind == "dialog" and not data["cancelled"]:
        reason = data["submission"].get("reason") or ""
        if len(reason) < 5:
            return answer(event, action="reply", errors={"reason": "Write a few words."})
        answer(event, action="post", text=f"Deployed {data['state']}: {reason}")


for line in sys.stdin:
    event = json.loads(line)
    handle(event)
    write({"ack": event["id"]})
