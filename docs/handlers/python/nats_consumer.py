"""Takes events from a stream of NATS: python3 nats_consumer.py nats://127.0.0.1:4222 NAME. Python 3.9, with nats-py.

Processes with the same name share the events; each further name gets all of them."""

import asyncio
import json
import sys

import nats
from nats.js.api import ConsumerConfig

STREAM, SUBJECT = "matterhost_events", "matterhost.events.*.*.posted"


def handle(event):
    """Handle an event. It may come twice, with the same source and id."""
    if not event["own"]:
        print(f"{event['account']} received {event['id']}: {event['data']['post']['message']}", flush=True)


async def main(server, name):
    client = await nats.connect(server)
    # The consumer goes on where it was. An event that is not acknowledged within ack_wait seconds comes again.
    config = ConsumerConfig(ack_wait=30, max_deliver=10)
    events = await client.jetstream().pull_subscribe(SUBJECT, durable=name, stream=STREAM, config=config)
    while True:
        try:
            messages = await events.fetch(50, timeout=30)
        except nats.errors.TimeoutError:
            continue
        for message in messages:
            handle(json.loads(message.data))
            await message.ack()


asyncio.run(main(*sys.argv[1:]))
