// Copies what the pages serve next to the compiled code: tsc leaves everything but TypeScript behind.
// Usage: node scripts/copy-assets.mjs [outDir]
import { cpSync, existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const from = fileURLToPath(new URL('../src/http/assets', import.meta.url));
const to = resolve(process.argv[2] ?? fileURLToPath(new URL('../dist', import.meta.url)), 'http/assets');

if (existsSync(from)) cpSync(from, to, { recursive: true, filter: (path) => !path.endsWith('.ts') });
