// Posts from crontab, once for each key however often it runs. Node 18, no packages.
//
// Its arguments are API_URL ACCOUNT TARGET KEY TEXT. The line of crontab is 0 9 * * 1-5 and CRON_TOKEN=$(cat cron.token)
// node cron_post.mjs http://127.0.0.1:8466 helpdesk crew/town-square morning-$(date -I) "Good morning!". A text that needs no
// program is posted by matterhost post helpdesk crew/town-square "Good morning!" --key morning-$(date -I).
//
//     [admin.tokens.cron]
//     scope = "act"
//     accounts = ["helpdesk"]
//     token_file = "cron.token"

import { setTimeout as sleep } from "node:timers/promises";

// Posts as an account. Requests with the same key create the post once, so this repeats them until one succeeds.
async function post(api, account, target, key, text) {
  const url = `${api}/v1/accounts/${encodeURIComponent(account)}/actions`;
  const headers = { authorization: `Bearer ${process.env.CRON_TOKEN}`, "idempotency-key": key };
  headers["content-type"] = "application/json";
  const body = JSON.stringify({ action: "post", target, text });
  for (const pause of [1, 4, 16, 60, 0]) {
    const options = { method: "POST", headers, body, signal: AbortSignal.timeout(300_000) };
    const response = await fetch(url, options).catch((error) => ({ status: 503, text: () => error }));
    if (response.ok) return;
    // A refusal is final, and says why; a host that restarts is back soon.
    if (pause === 0 || (response.status < 500 && response.status !== 429)) {
      throw new Error(`${response.status}: ${await response.text()}`);
    }
    await sleep(pause * 1000);
  }
}

await post(...process.argv.slice(2));
