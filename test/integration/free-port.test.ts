import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import { freePort } from '../../dev/free-port.ts';

const tsx = new URL('../../node_modules/tsx/dist/cli.mjs', import.meta.url).pathname;
const module = new URL('../../dev/free-port.ts', import.meta.url).href;
/** The ports that a process of its own is given, while five of them run at once. */
const elsewhere = async (count: number): Promise<number[]> => {
  const script = `
    const { freePort } = await import(${JSON.stringify(module)});
    const ports = await Promise.all(Array.from({ length: ${count} }, freePort));
    console.log(JSON.stringify(ports));
    process.stdin.resume().once('end', () => process.exit());`;
  const child = spawn(process.execPath, [tsx, '-e', `(async () => {${script}})()`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  // What it holds is free again when it ends: it stays until all have been asked.
  children.push(child);
  const [first] = (await once(child.stdout, 'data')) as [Buffer];
  return JSON.parse(String(first)) as number[];
};
const children: ChildProcessByStdio<Writable, Readable, null>[] = [];
afterAll(() => {
  for (const child of children) child.stdin.end();
});

describe('a free port', () => {
  it('is given once, whichever process asks, and is none that an outgoing connection takes', async () => {
    const here = Array.from({ length: 100 }, freePort);
    const given = (await Promise.all([...here, ...[100, 100, 100, 100].map(elsewhere)])).flat();
    expect(new Set(given).size).toBe(500);
    expect(Math.min(...given)).toBeGreaterThan(20_000);
    expect(Math.max(...given)).toBeLessThan(32_768);
  });

  it('is none that somebody listens at', async () => {
    const before = await freePort();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(before + 1, '127.0.0.1', resolve));
    expect(await freePort()).toBe(before + 2);
    server.close();
  });
});
