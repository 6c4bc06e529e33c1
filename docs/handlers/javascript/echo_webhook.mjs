// An echo bot as a webhook: it answers each post with its text. Node 18, no packages.
//
// Start it with the sink's secret: HOOK_SECRET=$(cat hook.secret) node echo_webhook.mjs 8000
//
//     [sinks.echo]
//     type = "webhook"
//     url = "http://127.0.0.1:8000/"
//     secret_file = "hook.secret"
//     events = ["posted"]
//     ignore_bots = true

import { createHmac, timingSafeEqual } from "node:crypto";
import http from "node:http";

const key = Buffer.from((process.env.HOOK_SECRET ?? "").replace(/^whsec_/, ""), "base64");
if (key.length === 0) throw new Error("HOOK_SECRET must hold the secret of the sink");
const TOLERANCE_S = 300; // An older request may be a recorded one, sent again.
const MAX_BODY_BYTES = 16 * 1024 * 1024; // Larger than any post with its attachments.

// Returns true if one of the signatures matches the body and the request is recent.
function isSigned(headers, body) {
  const { "webhook-id": id = "", "webhook-timestamp": sent = "", "webhook-signature": signatures = "" } = headers;
  if (!/^\d+$/.test(sent) || Math.abs(Date.now() / 1000 - Number(sent)) > TOLERANCE_S) return false;
  const digest = createHmac("sha256", key).update(`${id}.${sent}.`).update(body).digest("base64");
  const expected = Buffer.from(`v1,${digest}`);
  const matches = (given) => given.length === expected.length && timingSafeEqual(given, expected);
  return signatures.split(" ").some((text) => matches(Buffer.from(text)));
}

// Returns the answer. If the event comes again, after a crash, the key keeps it from being posted twice.
function handle(event) {
  if (event.type !== "com.mattermost.posted" || event.own) return {};
  return { action: "reply", key: "echo", text: `You said: ${event.data.post.message}`, in_thread: true };
}

// Returns the body of a request; nothing if it is too long or not signed, which is answered.
async function read(request, response) {
  if (!(Number(request.headers["content-length"]) <= MAX_BODY_BYTES)) {
    return answer(response.setHeader("connection", "close"), 413, { error: "the body is too long" });
  }
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts);
  return isSigned(request.headers, body) ? body : answer(response, 401, { error: "the signature is wrong" });
}

function answer(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function serve(request, response) {
  const body = await read(request, response);
  if (!body) return;
  try {
    const event = JSON.parse(body);
    console.log("received", event.id);
    answer(response, 200, handle(event));
  } catch (error) {
    answer(response, 400, { error: String(error) }); // The event is put aside, with the cause.
  }
}

const server = http.createServer((request, response) => {
  serve(request, response).catch((error) => request.destroy(error)); // The connection broke.
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("listening", server.address().port));
