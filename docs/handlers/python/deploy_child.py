"""A deploy bot as a child process: /deploy shows buttons, a menu and a dialog. Python 3.9, no packages.

It needs [hooks] and the command /deploy of its account: see ../../hooks.md.

    [sinks.deploy]
    type = "exec"
    command = ["python3", "/opt/bots/deploy_child.py"]
    events = ["slash_command", "button", "menu", "dialog"]
"""

import json
import sys

PLACES = ("staging", "production")


def choices(place):
    """Return props with a button, a menu and a button that opens a dialog. matterhost fills in where they lead to."""
    context, versions = {"place": place}, [{"text": version, "value": version} for version in ("1.0", "1.1")]
    return {"attachments": [{"text": "Which version?", "actions": [
        {"id": "newest", "name": "The newest", "context": context},
        {"id": "version", "name": "Another", "context": context, "options": versions},
        {"id": "reason", "name": "With a reason", "context": context},
    ]}]}


def deploy(version, place, person, reason=""):
    """Deploy, and return what to tell. Put your deployment here: quick ones, or those that you only begin."""
    return f"Deployed {version} to {place} for @{person}.{reason}"


def handle(event):
    """Return the action that answers an event. matterhost has verified it; who may deploy is for you to decide."""
    kind, data = event["type"].removeprefix("com.mattermost."), event["data"]
    if kind == "slash_command":
        if data["text"] not in PLACES:
            text = f"Say {data['command']} {' or '.join(PLACES)}."
            return {"action": "reply", "text": text, "response_type": "ephemeral"}
        key = f"deploy-{event['id']}"
        return {"action": "post", "key": key, "text": f"Deploying to {data['text']}.", "props": choices(data["text"])}
    if kind == "button" and data["id"] == "reason":
        return {"action": "open_dialog", "dialog": {"title": "Why?", "state": data["context"]["place"], "elements": [
            {"display_name": "Reason", "name": "reason", "type": "text"},
        ]}}
    if kind in ("button", "menu"):
        version = data["selected_option"] if kind == "menu" else "1.1"
        # The new props have no buttons, so nobody presses them again.
        text = deploy(version, data["context"]["place"], data["user_name"])
        return {"action": "update", "text": text, "props": {}}
    if kind == "dialog" and not data["cancelled"]:
        reason = data["submission"].get("reason") or ""
        if len(reason) < 5:
            return {"action": "reply", "errors": {"reason": "Write a few words."}}
        text = deploy("1.1", data["state"], data["user_name"], f" Reason: {reason}")
        return {"action": "post", "key": f"deploy-{event['id']}", "text": text}
    return None


def send(**line):
    print(json.dumps(line), flush=True)


for line in sys.stdin:
    event = json.loads(line)
    this = {"source": event["source"]}
    try:
        action = handle(event)
        if action:
            send(to=event["id"], **this, **action)
        send(ack=event["id"], **this)
    except Exception as error:
        send(reject=event["id"], cause=repr(error), **this)  # The person reads that the bot cannot answer now.
