import { fileURLToPath } from 'node:url';
import { type Running, start, stop, waitForOutput } from './process.ts';

export type S3Server = { url: string; process: Running; stop: () => Promise<void> };

/** The only credentials that it takes. */
export const S3_CREDENTIALS = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };

/**
 * Starts an S3 server of its own process on loopback, which keeps its files below a folder. One that is started again on
 * the same folder and port has what the one before had.
 */
export async function startS3(of: { folder: string; bucket: string; port?: number }): Promise<S3Server> {
  const program = fileURLToPath(new URL('s3-server.mjs', import.meta.url));
  // It writes the marks of its pages with a cipher that is kept for old programs.
  const args = ['--openssl-legacy-provider', program, of.folder, of.bucket, String(of.port ?? 0)];
  const running = start(process.execPath, args, { env: { PATH: process.env.PATH } });
  const port = (output: string) => /listening on (\d+)/.exec(output)?.[1];
  await waitForOutput(running, (output) => port(output) !== undefined, 30_000, 'the S3 server');
  return { url: `http://127.0.0.1:${port(running.output())}`, process: running, stop: () => stop(running, 'SIGKILL') };
}
