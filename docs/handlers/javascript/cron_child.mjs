// A daily post by a child process, which the host starts and restarts. Node 18, no packages.
//
// It is posted once a day, by its key, however often the child starts; a day's post that was missed is made when it starts
// after that time. Where crontab is at hand, cron_post.mjs is simpler.
//
//     [sinks.morning]
//     type = "exec"
//     command = ["node", "/opt/bots/cron_child.mjs", "http://127.0.0.1:8466", "helpdesk", "crew/town-square",
//                "09:00", "Good morning!"]
//     pass_env = ["CRON_TOKEN"]
//
//     [admin.tokens.cron]
//     scope = "act"
//     accounts = ["helpdesk"]
//     token_env = "CRON_TOKEN"

import { createInterface } from "node:readline";

const [api, account, target, at, text] = process.argv.slice(2);
const LOOK_EVERY_MS = 5000; // Instead of one long timer, which a clock that is set, or a machine that sleeps, would make wrong.
let posted = ""; // The day of the last post.

async function post(key) {
  const url = `${api}/v1/accounts/${encodeURIComponent(account)}/actions`;
  const headers = { authorization: `Bearer ${process.env.CRON_TOKEN}`, "idempotency-key": key };
  headers["content-type"] = "application/json";
  const body = JSON.stringify({ action: "post", target, text });
  const response = await fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(300_000) });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
}

async function look() {
  const now = new Date();
  const day = now.toLocaleDateString("sv"); // As in ISO 8601, in local time.
  if (now.toTimeString().slice(0, 5) >= at && posted !== day) {
    try {
      await post(`daily-${at}-${day}`);
      posted = day;
      console.error(`posted daily-${at}-${day}`); // Standard error goes to the log.
    } catch (error) {
      console.error(`the post of ${at} has to wait:`, error);
    }
  }
  setTimeout(look, LOOK_EVERY_MS);
}

look();
for await (const line of createInterface({ input: process.stdin })) {
  const { id, source } = JSON.parse(line);
  console.log(JSON.stringify({ ack: id, source }));
}
process.exit(); // The host has ended.
