// A webhook handler that reads the files of a post and answers with a file: node files_webhook.mjs PORT API_URL.
//
// It downloads and uploads by the API of the host, with the reply token of the event. It does not check signatures; echo_webhook.py
// shows how.
import http from "node:http";

const [port, api] = process.argv.slice(2);

async function call(token, path, options = {}) {
  const headers = { authorization: `Bearer ${token}`, ...options.headers };
  const response = await fetch(api + path, { ...options, headers });
  // The detail of a refusal says what is wrong.
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return response;
}

// Counts the lines of a file piece by piece, however long it is.
async function countLines(token, id) {
  const file = await call(token, `/v1/replies/files/${id}`);
  let lines = 0;
  for await (const piece of file.body) lines += piece.filter((byte) => byte === 10).length;
  return lines;
}

async function answer(post, token) {
  const rows = ["file,lines"];
  for (const file of post.metadata.files) rows.push(`${file.name},${await countLines(token, file.id)}`);
  // Each key belongs to the event, so nothing is posted twice if the event comes again.
  const upload = { method: "POST", body: rows.join("\n") + "\n", headers: { "idempotency-key": post.id } };
  const { files } = await (await call(token, "/v1/replies/files?name=lines.csv", upload)).json();
  const reply = { action: "reply", text: "I counted the lines.", key: "answer", files };
  const headers = { "content-type": "application/json" };
  await call(token, "/v1/replies", { method: "POST", body: JSON.stringify(reply), headers });
}

async function take(request, response) {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk;
  const event = JSON.parse(body);
  const post = event.type === "com.mattermost.posted" && !event.own ? event.data.post : {};
  if (post.file_ids?.length) {
    const token = request.headers["matterhost-reply-token"];
    answer(post, token).catch((error) => console.error(error.message));
  }
  response.writeHead(202).end(); // Taken; the answer comes later.
}

const server = http.createServer((request, response) => {
  take(request, response).catch(() => response.writeHead(400).end());
});
server.listen(Number(port), "127.0.0.1", () => console.log("listening", server.address().port));
