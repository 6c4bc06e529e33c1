"""Posts from crontab, once for each key however often it runs. Python 3.9, no packages.

Its arguments are API_URL ACCOUNT TARGET KEY TEXT. The line of crontab is 0 9 * * 1-5 and CRON_TOKEN=$(cat cron.token)
python3 cron_post.py http://127.0.0.1:8466 helpdesk crew/town-square morning-$(date -I) "Good morning!". A text that needs no
program is posted by matterhost post helpdesk crew/town-square "Good morning!" --key morning-$(date -I).

    [admin.tokens.cron]
    scope = "act"
    accounts = ["helpdesk"]
    token_file = "cron.token"
"""

import json
import os
import sys
import time
import urllib.parse
import urllib.request


def post(api, account, target, key, text):
    """Post as an account. Requests with the same key create the post once, so this repeats them until one succeeds."""
    url = f"{api}/v1/accounts/{urllib.parse.quote(account, safe='')}/actions"
    body = json.dumps({"action": "post", "target": target, "text": text}).encode()
    headers = {"authorization": "Bearer " + os.environ["CRON_TOKEN"], "idempotency-key": key}
    headers["content-type"] = "application/json"
    for pause in (1, 4, 16, 60, None):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=300):
                return
        except OSError as error:
            # A refusal is final, and says why; a host that restarts is back soon.
            status = getattr(error, "code", 503)
            if pause is None or (status < 500 and status != 429):
                sys.exit(f"{error}: {error.read().decode()}" if hasattr(error, "read") else str(error))
            time.sleep(pause)


if __name__ == "__main__":
    post(*sys.argv[1:])
