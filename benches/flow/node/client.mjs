// The official client with a socket for each token on standard input: parses each post and prints a line.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(import.meta.url);
const { WebSocketClient } = require('@mattermost/client');
const WebSocket = require('ws');
globalThis.WebSocket = WebSocket;

// Standard output is for events; the client itself logs to the console.
console.log = () => {};

const url = process.argv[2].replace(/^http/, 'ws') + '/api/v4/websocket';
for await (const token of createInterface({ input: process.stdin })) {
  const client = new WebSocketClient({
    newWebSocketFn: (target) => new WebSocket(target, { headers: { Authorization: `Bearer ${token}` } }),
  });
  client.addMessageListener((message) => {
    if (message.event !== 'posted') return;
    const post = JSON.parse(message.data.post);
    process.stdout.write(JSON.stringify({ type: 'posted', id: post.id, data: message.data, post }) + '\n');
  });
  client.initialize(url);
}
