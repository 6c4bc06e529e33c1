// A deploy bot as a webhook: /deploy shows buttons, a menu and a dialog. Node 18, no packages.
//
// It needs [hooks] and the command /deploy of its account: see ../../hooks.md. Start it with the sink's secret:
// HOOK_SECRET=$(cat hook.secret) node deploy_webhook.mjs 8000
//
//     [sinks.deploy]
//     type = "webhook"
//     url = "http://127.0.0.1:8000/"
//     secret_file = "hook.secret"
//     events = ["slash_command", "button", "menu", "dialog"]

import { createHmac, timingSafeEqual } from "node:crypto";
import http from "node:http";

const key = Buffer.from((process.env.HOOK_SECRET ?? "").replace(/^whsec_/, ""), "base64");
if (key.length === 0) throw new Error("HOOK_SECRET must hold the secret of the sink");
const TOLERANCE_S = 300; // An older request may be a recorded one, sent again.
const MAX_BODY_BYTES = 16 * 1024 * 1024; // Larger than any post with its attachments.
const PLACES = ["staging", "production"];

// Returns true if one of the signatures matches the body and the request is recent.
function isSigned(headers, body) {
  const { "webhook-id": id = "", "webhook-timestamp": sent = "", "webhook-signature": signatures = "" } = headers;
  if (!/^\d+$/.test(sent) || Math.abs(Date.now() / 1000 - Number(sent)) > TOLERANCE_S) return false;
  const digest = createHmac("sha256", key).update(`${id}.${sent}.`).update(body).digest("base64");
  const expected = Buffer.from(`v1,${digest}`);
  const matches = (given) => given.length === expected.length && timingSafeEqual(given, expected);
  return signatures.split(" ").some((text) => matches(Buffer.from(text)));
}

// Returns props with a button, a menu and a button that opens a dialog. matterhost fills in where they lead to.
function choices(place) {
  const context = { place };
  const options = ["1.0", "1.1"].map((version) => ({ text: version, value: version }));
  const actions = [
    { id: "newest", name: "The newest", context },
    { id: "version", name: "Another", context, options },
    { id: "reason", name: "With a reason", context },
  ];
  return { attachments: [{ text: "Which version?", actions }] };
}

// Deploys, and returns what to tell. Put your deployment here: quick ones, or those that you only begin.
function deploy(version, place, person, reason = "") {
  return `Deployed ${version} to ${place} for @${person}.${reason}`;
}

// Returns the action that answers an event. matterhost has verified it; who may deploy is for you to decide.
function handle({ id, type, data }) {
  const kind = type.replace("com.mattermost.", "");
  if (kind === "slash_command" && !PLACES.includes(data.text)) {
    return { action: "reply", text: `Say ${data.command} ${PLACES.join(" or ")}.`, response_type: "ephemeral" };
  }
  if (kind === "slash_command") {
    return { action: "post", key: `deploy-${id}`, text: `Deploying to ${data.text}.`, props: choices(data.text) };
  }
  if (kind === "button" && data.id === "reason") {
    const elements = [{ display_name: "Reason", name: "reason", type: "text" }];
    return { action: "open_dialog", dialog: { title: "Why?", state: data.context.place, elements } };
  }
  if (kind === "button" || kind === "menu") {
    const version = kind === "menu" ? data.selected_option : "1.1";
    // The new props have no buttons, so nobody presses them again.
    return { action: "update", text: deploy(version, data.context.place, data.user_name), props: {} };
  }
  if (kind === "dialog" && !data.cancelled) {
    const reason = data.submission.reason ?? "";
    if (reason.length < 5) return { action: "reply", errors: { reason: "Write a few words." } };
    const text = deploy("1.1", data.state, data.user_name, ` Reason: ${reason}`);
    return { action: "post", key: `deploy-${id}`, text };
  }
  return {};
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
    answer(response, 200, handle(JSON.parse(body)));
  } catch (error) {
    answer(response, 400, { error: String(error) }); // The person reads that the bot cannot answer now.
  }
}

const server = http.createServer((request, response) => {
  serve(request, response).catch((error) => request.destroy(error)); // The connection broke.
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("listening", server.address().port));
