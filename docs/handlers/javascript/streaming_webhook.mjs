// A bot that answers slowly and bit by bit, as a language model does, as a webhook. Node 18, no packages.
//
// It takes an event by 202, and answers by the API of the host, with the reply token of the event. Start it with the sink's
// secret and the address of [admin]: HOOK_SECRET=$(cat hook.secret) node streaming_webhook.mjs 8000 http://127.0.0.1:8466
//
//     [sinks.model]
//     type = "webhook"
//     url = "http://127.0.0.1:8000/"
//     secret_file = "hook.secret"
//     events = ["posted"]
//     ignore_bots = true

import { createHmac, timingSafeEqual } from "node:crypto";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const key = Buffer.from((process.env.HOOK_SECRET ?? "").replace(/^whsec_/, ""), "base64");
if (key.length === 0) throw new Error("HOOK_SECRET must hold the secret of the sink");
const TOLERANCE_S = 300; // An older request may be a recorded one, sent again.
const MAX_BODY_BYTES = 16 * 1024 * 1024; // Larger than any post with its attachments.
const API_URL = process.argv[3];
const MAX_AT_WORK = 16; // Others wait at the host.
const MAX_TAKEN = 10_000;
const taken = new Set(); // The last events: one that comes again, after a kill of the host, is being answered already.
let atWork = 0;

// Returns true if one of the signatures matches the body and the request is recent.
function isSigned(headers, body) {
  const { "webhook-id": id = "", "webhook-timestamp": sent = "", "webhook-signature": signatures = "" } = headers;
  if (!/^\d+$/.test(sent) || Math.abs(Date.now() / 1000 - Number(sent)) > TOLERANCE_S) return false;
  const digest = createHmac("sha256", key).update(`${id}.${sent}.`).update(body).digest("base64");
  const expected = Buffer.from(`v1,${digest}`);
  const matches = (given) => given.length === expected.length && timingSafeEqual(given, expected);
  return signatures.split(" ").some((text) => matches(Buffer.from(text)));
}

// Begins to answer an event, and returns the status. Two accounts may receive the same post, with the same id.
function take(event, token) {
  const name = `${event.source} ${event.id}`;
  if (event.type !== "com.mattermost.posted" || event.own || taken.has(name)) return 202;
  if (!token || atWork >= MAX_AT_WORK) return 503; // Without [admin] there is no token to answer with.
  const question = event.data.post.message;
  if (taken.size >= MAX_TAKEN) taken.delete(taken.values().next().value);
  taken.add(name);
  atWork += 1;
  answerLater(question, token).finally(() => (atWork -= 1));
  return 202;
}

// Takes an action in answer to the event of the token. Each has a key, so it may be repeated until it succeeds.
async function act(token, action) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  for (const pause of [1, 2, 4, 8, 16, 0]) {
    const options = { method: "POST", headers, body: JSON.stringify(action), signal: AbortSignal.timeout(300_000) };
    const response = await fetch(`${API_URL}/v1/replies`, options).catch((error) => ({ status: 503, text: () => error }));
    if (response.ok) return;
    // A refusal is final; a host that restarts is back soon.
    if (pause === 0 || (response.status < 500 && response.status !== 429)) {
      return console.error(`${action.action} failed: ${response.status}`, await response.text());
    }
    await sleep(pause * 1000);
  }
}

// Yields the answer as it grows. Put your model here.
async function* think(question) {
  const words = `You asked: ${question} Let me think about that for a while.`.split(" ");
  for (let n = 1; n <= words.length; n++) {
    await sleep(50);
    yield words.slice(0, n).join(" ");
  }
}

async function answerLater(question, token) {
  try {
    await act(token, { action: "reply", key: "answer", text: "…" });
    let last = "";
    for await (const text of think(question)) {
      // Only the newest text is sent, at most twice a second. The model need not wait for it.
      await act(token, { action: "update", key: "answer", text, wait: false });
      last = text;
    }
    await act(token, { action: "update", key: "answer", text: last });
  } catch (error) {
    console.error(error);
    await act(token, { action: "update", key: "answer", text: "I cannot answer that." });
  }
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

function answer(response, status, body = {}) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function serve(request, response) {
  const body = await read(request, response);
  if (!body) return;
  try {
    answer(response, take(JSON.parse(body), request.headers["matterhost-reply-token"]));
  } catch (error) {
    answer(response, 400, { error: String(error) }); // The event is put aside, with the cause.
  }
}

const server = http.createServer((request, response) => {
  serve(request, response).catch((error) => request.destroy(error)); // The connection broke.
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("listening", server.address().port));
