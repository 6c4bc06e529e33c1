"""A daily post by a child process, which the host starts and restarts. Python 3.9, no packages.

It is posted once a day, by its key, however often the child starts; a day's post that was missed is made when it starts
after that time. Where crontab is at hand, cron_post.py is simpler.

    [sinks.morning]
    type = "exec"
    command = ["python3", "/opt/bots/cron_child.py", "http://127.0.0.1:8466", "helpdesk", "crew/town-square",
               "09:00", "Good morning!"]
    pass_env = ["CRON_TOKEN"]

    [admin.tokens.cron]
    scope = "act"
    accounts = ["helpdesk"]
    token_env = "CRON_TOKEN"
"""

import datetime
import json
import os
import sys
import threading
import time
import urllib.parse
import urllib.request

API_URL, ACCOUNT, TARGET, AT, TEXT = sys.argv[1:]
TOKEN = os.environ["CRON_TOKEN"]
LOOK_EVERY_S = 5  # Instead of one long sleep, which a clock that is set, or a machine that sleeps, would make wrong.


def post(key, text):
    url = f"{API_URL}/v1/accounts/{urllib.parse.quote(ACCOUNT, safe='')}/actions"
    body = json.dumps({"action": "post", "target": TARGET, "text": text}).encode()
    headers = {"authorization": "Bearer " + TOKEN, "idempotency-key": key}
    headers["content-type"] = "application/json"
    urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=300).close()


def post_daily():
    posted = None
    while True:
        now = datetime.datetime.now()
        if now.strftime("%H:%M") >= AT and posted != now.date():
            try:
                post(f"daily-{AT}-{now.date()}", TEXT)
                posted = now.date()
                print(f"posted daily-{AT}-{posted}", file=sys.stderr, flush=True)  # Standard error goes to the log.
            except OSError as error:
                print(f"the post of {AT} has to wait: {error}", file=sys.stderr, flush=True)
        time.sleep(LOOK_EVERY_S)


threading.Thread(target=post_daily, daemon=True).start()
for line in sys.stdin:
    event = json.loads(line)
    print(json.dumps({"ack": event["id"], "source": event["source"]}), flush=True)
