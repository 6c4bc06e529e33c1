// A deploy bot as a child process: /deploy shows buttons, a menu and a dialog. Node 18, no packages.
//
// It needs [hooks] and the command /deploy of its account: see ../../hooks.md.
//
//     [sinks.deploy]
//     type = "exec"
//     command = ["node", "/opt/bots/deploy_child.mjs"]
//     events = ["slash_command", "button", "menu", "dialog"]

import { createInterface } from "node:readline";

const PLACES = ["staging", "production"];

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
  return null;
}

const send = (line) => console.log(JSON.stringify(line));

for await (const line of createInterface({ input: process.stdin })) {
  const event = JSON.parse(line);
  const { id, source } = event;
  try {
    const action = handle(event);
    if (action) send({ to: id, source, ...action });
    send({ ack: id, source });
  } catch (error) {
    send({ reject: id, source, cause: String(error) }); // The person reads that the bot cannot answer now.
  }
}
