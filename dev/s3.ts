import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Running, start, stop, waitForOutput } from './process.ts';
import { sweepUp } from './reaper.ts';

/** The only credentials that it takes. */
export const S3_CREDENTIALS = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
/** How s3rver names the file that has an object's content. */
const OBJECT = '._S3rver_object';

export type S3Server = Awaited<ReturnType<typeof startS3>>;

/**
 * Starts an S3 server with one bucket, in a process of its own on loopback. It keeps its objects in a folder, where they can
 * be written and counted past the protocol. It can be stopped and started again, with what it had.
 */
export async function startS3(bucket = 'app-media') {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-s3-'));
  sweepUp(folder);
  const root = join(folder, bucket);
  mkdirSync(root);
  let running: Running | undefined;
  let port = 0;
  const launch = async () => {
    const program = fileURLToPath(new URL('s3-server.mjs', import.meta.url));
    // It writes the marks of its pages with a cipher that is kept for old programs.
    const args = ['--openssl-legacy-provider', program, folder, bucket, String(port)];
    running = start(process.execPath, args, { env: { PATH: process.env.PATH } });
    const listening = () => /listening on (\d+)/.exec(running?.output() ?? '')?.[1];
    await waitForOutput(running, () => listening() !== undefined, 30_000, 'the S3 server');
    port = Number(listening());
  };
  const halt = async () => {
    if (running) await stop(running, 'SIGKILL');
  };
  await launch();
  const found = (prefix: string) =>
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.startsWith(prefix) && path.endsWith(OBJECT))
      .sort();
  return {
    url: `http://127.0.0.1:${port}`,
    bucket,
    stop: halt,
    start: launch,
    put: (keys: readonly string[]) => {
      for (const key of keys) {
        const path = join(root, `${key}${OBJECT}`);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, `content of ${key}`);
        writeFileSync(`${path}.md5`, createHash('md5').update(`content of ${key}`).digest('hex'));
      }
    },
    keys: (prefix: string) => found(prefix).map((path) => path.slice(0, -OBJECT.length)),
    read: (key: string) => readFileSync(join(root, `${key}${OBJECT}`)),
    /** As if it had lost an object. */
    lose: (key: string) => {
      for (const part of [OBJECT, `${OBJECT}.md5`, '._S3rver_metadata.json'])
        rmSync(join(root, `${key}${part}`), { force: true });
    },
    count: (prefix: string) => found(prefix).length,
    /** Of all that is below a prefix, names and contents. */
    checksum: (prefix: string) => {
      const sum = createHash('sha256');
      for (const path of found(prefix)) sum.update(`${path}\n${readFileSync(join(root, path), 'utf8')}\n`);
      return sum.digest('hex');
    },
    destroy: async () => {
      await halt();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
