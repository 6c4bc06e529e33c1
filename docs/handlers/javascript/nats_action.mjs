// Acts as an account by NATS: node nats_action.mjs nats://127.0.0.1:4222 ACCOUNT TARGET TEXT KEY. Node 20, with
// @nats-io/transport-node and @nats-io/jetstream.

import { jetstream } from "@nats-io/jetstream";
import { connect, createInbox, headers } from "@nats-io/transport-node";

// Puts an action into the queue, and returns its result. A post with a key is made once, however often it is sent.
async function act(client, account, action) {
  const inbox = createInbox();
  const results = client.subscribe(inbox, { max: 1, timeout: 30_000 });
  const sent = headers();
  sent.set("Matterhost-Reply-To", inbox);
  const subject = "matterhost.actions." + encodeURIComponent(account).replaceAll(".", "%2E");
  await jetstream(client).publish(subject, JSON.stringify(action), { headers: sent });
  // From now on it is stored, and done by the member that hosts the account, also if another one has to take over.
  for await (const result of results) {
    return result.json();
  }
}

const [servers, account, target, text, key] = process.argv.slice(2);
const client = await connect({ servers });
console.log(JSON.stringify(await act(client, account, { action: "post", target, text, key })));
await client.close();
