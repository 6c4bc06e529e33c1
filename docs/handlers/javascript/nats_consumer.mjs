// Takes events from a stream of NATS: node nats_consumer.mjs nats://127.0.0.1:4222 NAME. Node 20, with
// @nats-io/transport-node and @nats-io/jetstream.
//
// Processes with the same name share the events; each further name gets all of them.

import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";

const stream = "matterhost_events";

// Handles an event. It may come twice, with the same source and id.
function handle(event) {
  if (!event.own) {
    console.log(`${event.account} received ${event.id}: ${event.data.post.message}`);
  }
}

const [servers, name] = process.argv.slice(2);
const client = await connect({ servers });
const manager = await jetstreamManager(client);
// The consumer goes on where it was. An event that is not acknowledged within ack_wait comes again.
await manager.consumers.add(stream, {
  durable_name: name,
  filter_subject: "matterhost.events.*.*.posted",
  ack_policy: AckPolicy.Explicit,
  ack_wait: nanos(30_000),
  max_deliver: 10,
});
const consumer = await jetstream(client).consumers.get(stream, name);
for await (const message of await consumer.consume()) {
  handle(message.json());
  message.ack();
}
