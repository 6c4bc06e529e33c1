"""Acts as an account by NATS: python3 nats_action.py nats://127.0.0.1:4222 ACCOUNT TARGET TEXT KEY. Python 3.9, with nats-py."""

import asyncio
import json
import sys
from urllib.parse import quote

import nats


async def act(client, account, action, within=30):
    """Put an action into the queue, and return its result. A post with a key is made once, however often it is sent."""
    inbox = client.new_inbox()
    results = await client.subscribe(inbox, max_msgs=1)
    subject = "matterhost.actions." + quote(account, safe="").replace(".", "%2E")
    headers = {"Matterhost-Reply-To": inbox}
    await client.jetstream().publish(subject, json.dumps(action).encode(), headers=headers)
    # From now on it is stored, and done by the member that hosts the account, also if another one has to take over.
    return json.loads((await results.next_msg(timeout=within)).data)


async def main(server, account, target, text, key):
    client = await nats.connect(server)
    print(json.dumps(await act(client, account, {"action": "post", "target": target, "text": text, "key": key})))
    await client.close()


asyncio.run(main(*sys.argv[1:]))
