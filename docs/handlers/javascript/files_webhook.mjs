// A file bot as a webhook: it counts the lines of the files of a post, and answers with a table. Node 18, no packages.
//
// It downloads and uploads by the API of the host, with the reply token of the event. Start it with the sink's secret and the
// address of [admin]: HOOK_SECRET=$(cat hook.secret) node files_webhook.mjs 8000 http://127.0.0.1:8466
//
//     [sinks.files]
//     type = "webhook"
//     url = "http://127.0.0.1:8000/"
//     secret_file = "hook.secret"
//     events = ["posted"]
//     ignore_bots = true
//     timeout = "5m"
//     concurrency = 4  # The most downloads of an account at once.

import { createHmac, timingSafeEqual } from "node:crypto";
import http from "node:http";

const key = Buffer.from((process.env.HOOK_SECRET ?? "").replace(/^whsec_/, ""), "base64");
if (key.length === 0) throw new Error("HOOK_SECRET must hold the secret of the sink");
const API_URL = process.argv[3];
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

const failAs = (status) => (cause) => {
  throw Object.assign(new Error(cause), { status });
};

// Sends a request to the API with the reply token of the event.
async function call(token, path, options = {}) {
  const headers = { authorization: `Bearer ${token}`, ...options.headers };
  const signal = AbortSignal.timeout(240_000);
  const response = await fetch(API_URL + path, { ...options, headers, signal }).catch(failAs(503));
  // The detail of a refusal says what is wrong.
  return response.ok ? response : failAs(response.status)(await response.text());
}

// Counts the lines of a file piece by piece, however long it is.
async function countLines(token, { id }) {
  let lines = 0;
  try {
    const { body } = await call(token, `/v1/replies/files/${id}`);
    for await (const piece of body) lines += piece.filter((byte) => byte === 10).length;
  } catch (error) {
    if (error.status !== 404) failAs(error.status ?? 503)(error); // Without a status, the download broke off.
    return "deleted";
  }
  return lines;
}

const quote = (text) => `"${text.replaceAll('"', '""')}"`;

// Returns the answer to an event. It is acknowledged only then, so it comes again if the handler is killed.
async function handle({ type, own, data }, token) {
  const files = type === "com.mattermost.posted" && !own ? data.post.metadata?.files : [];
  if (!files?.length) return {};
  const rows = ["file,lines"];
  for (const file of files) rows.push(`${quote(file.name)},${await countLines(token, file)}`);
  // Each key belongs to the event, so nothing is posted twice if the event comes again.
  const headers = { "idempotency-key": "table", "content-type": "text/csv" };
  const upload = { method: "POST", body: `${rows.join("\n")}\n`, headers };
  const uploaded = await (await call(token, "/v1/replies/files?name=lines.csv", upload)).json();
  return { action: "reply", key: "table", text: "I counted the lines.", files: uploaded.files };
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
    answer(response, 200, await handle(JSON.parse(body), request.headers["matterhost-reply-token"]));
  } catch (error) {
    // Of the API: the host or the server is away, or the host has refused it for good. Else it is the event that is wrong.
    const status = error.status === 429 || error.status >= 500 ? 503 : error.status ? 422 : 400;
    answer(response, status, { error: String(error) });
  }
}

const server = http.createServer((request, response) => {
  serve(request, response).catch((error) => request.destroy(error)); // The connection broke.
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("listening", server.address().port));
