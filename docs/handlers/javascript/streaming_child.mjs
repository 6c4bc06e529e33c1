// A bot that answers slowly and bit by bit, as a language model does, as a child process. Node 18, no packages.
//
//     [sinks.model]
//     type = "exec"
//     command = ["node", "/opt/bots/streaming_child.mjs"]
//     events = ["posted"]
//     ignore_bots = true
//     in_flight = 16  # The most questions at work.

import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const send = (line) => console.log(JSON.stringify(line));

// Yields the answer as it grows. Put your model here.
async function* think(question) {
  const words = `You asked: ${question} Let me think about that for a while.`.split(" ");
  for (let n = 1; n <= words.length; n++) {
    await sleep(50);
    yield words.slice(0, n).join(" ");
  }
}

async function answer({ id, source, data }) {
  const about = { to: id, source, key: "answer" };
  try {
    // If the event comes again, after a crash, the reply is there already, and the updates go on with it.
    send({ action: "reply", text: "…", ...about });
    // Only the newest text is sent, at most twice a second, so a handler need not hold back.
    for await (const text of think(data.post.message)) send({ action: "update", text, ...about });
    send({ ack: id, source });
  } catch (error) {
    send({ action: "update", text: "I cannot answer that.", ...about });
    send({ reject: id, source, cause: String(error) });
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const event = JSON.parse(line);
  const { id, source } = event;
  if (event.type === "com.mattermost.posted" && !event.own) {
    // Without this line, the event would be delivered again after answer_timeout.
    send({ working: id, source, for: "10m" });
    answer(event); // Not awaited: other events are read meanwhile.
  } else {
    send({ ack: id, source });
  }
}
process.exit(); // The host has ended.
