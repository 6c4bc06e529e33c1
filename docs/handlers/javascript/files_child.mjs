// A file bot as a child process: it counts the lines of the files of a post, and answers with a table. Node 18, no packages.
//
// The host saves the files in the directory of the sink, and posts the table from there. Make the directory, and keep nothing
// else in it.
//
//     [sinks.files]
//     type = "exec"
//     command = ["node", "/opt/bots/files_child.mjs"]
//     dir = "files"
//     events = ["posted"]
//     ignore_bots = true

import { createReadStream } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";

const MAX_DOWNLOADS = 4; // At once, of each account: the host refuses more.
const atWork = new Set(); // The events at work, by source and id: two accounts may receive the same post, with the same id.
const results = new Map(); // Takes the result of each action under way.
const queues = new Map(); // The downloads of each account.

// Runs tasks, at most MAX_DOWNLOADS at once.
class Queue {
  free = MAX_DOWNLOADS;
  waiting = [];

  async run(task) {
    if (this.free > 0) this.free -= 1;
    else await new Promise((resolve) => this.waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free += 1;
    }
  }
}

const send = (line) => console.log(JSON.stringify(line));
const quote = (text) => `"${text.replaceAll('"', '""')}"`;
const nameOf = ({ source, to, id }) => `${source} ${to} ${id}`;

// Takes an action, and returns its result.
function act(action) {
  send(action);
  return new Promise((resolve) => results.set(nameOf(action), resolve));
}

async function countLines(path) {
  let lines = 0;
  for await (const piece of createReadStream(path)) lines += piece.filter((byte) => byte === 10).length;
  return lines;
}

// Returns the row of a file; nothing if there are too many at a time, or the server is away.
async function row({ id, source }, dir, file) {
  const path = `${dir}/${file}`; // Of our own: the name that people gave the file may be any text.
  const result = await act({ action: "get_file", id: file, file, path, to: id, source });
  if (result.status === 429 || result.status >= 500) return null;
  if (result.status !== 200) return `${file},${quote(result.detail)}`;
  const lines = await countLines(path);
  await rm(path);
  return `${quote(result.found.name)},${lines}`;
}

// Counts the lines of files, and posts the table. Returns the answer to the event.
async function handle({ id, source, account }, files, dir) {
  // Without this line, the event would be delivered again after answer_timeout.
  send({ working: id, source, for: "10m" });
  if (!queues.has(account)) queues.set(account, new Queue());
  const rows = await Promise.all(files.map((file) => queues.get(account).run(() => row({ id, source }, dir, file))));
  if (rows.includes(null)) return { retry: id, source, after: "5s" };
  const table = `${dir}/lines.csv`;
  await writeFile(table, ["file,lines", ...rows, ""].join("\n"));
  // The key belongs to the event: the table is posted once, also if the event comes again.
  const reply = { action: "reply", key: "table", text: "I counted the lines.", files: [table] };
  await act({ ...reply, id: "table", to: id, source }); // What cannot be posted is kept by the host, as a dead letter.
  return { ack: id, source };
}

async function take(event) {
  const { id, source, data } = event;
  const name = `${source} ${id}`;
  const dir = `${event.account}-${id}`; // For the files of the event.
  if (atWork.has(name)) return; // It came again while it is at work.
  atWork.add(name);
  try {
    const files = event.type === "com.mattermost.posted" && !event.own ? data.post.file_ids : [];
    if (files?.length) {
      await rm(dir, { recursive: true, force: true }); // An earlier process may have left it there.
      await mkdir(dir);
      send(await handle(event, files, dir).finally(() => rm(dir, { recursive: true })));
    } else {
      send({ ack: id, source });
    }
  } catch (error) {
    send({ reject: id, source, cause: String(error) }); // It is kept, with the cause.
  }
  atWork.delete(name);
}

for await (const text of createInterface({ input: process.stdin })) {
  const line = JSON.parse(text);
  if (line.result) {
    results.get(nameOf(line.result))?.(line.result);
    results.delete(nameOf(line.result));
  } else {
    take(line); // Not awaited: other lines are read meanwhile.
  }
}
