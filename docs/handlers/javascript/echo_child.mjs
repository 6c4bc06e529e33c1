// An echo bot as a child process: it answers each post with its text. Node 18, no packages.
//
//     [sinks.echo]
//     type = "exec"
//     command = ["node", "/opt/bots/echo_child.mjs"]
//     events = ["posted"]
//     ignore_bots = true

import { createInterface } from "node:readline";

const send = (line) => console.log(JSON.stringify(line));

// Answers an event. If it comes again, after a crash, the key keeps the answer from being posted twice.
function handle(event, about) {
  if (event.type !== "com.mattermost.posted" || event.own) return;
  const text = `You said: ${event.data.post.message}`;
  send({ action: "reply", key: "echo", text, in_thread: true, ...about });
}

for await (const line of createInterface({ input: process.stdin })) {
  const event = JSON.parse(line);
  // Two accounts may receive the same post, so only id and source together identify the event.
  const { id, source } = event;
  try {
    handle(event, { to: id, source });
    console.error("received", id); // Standard error goes to the log.
    send({ ack: id, source });
  } catch (error) {
    send({ reject: id, source, cause: String(error) }); // It is kept, with the cause, and the next one is handled.
  }
}
