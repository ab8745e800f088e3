import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UsageError } from '../../errors.ts';

const REFUSED: Record<string, string> = {
  EADDRINUSE: 'another process listens there already',
  EACCES: 'this user may not listen there',
  EADDRNOTAVAIL: 'HOST is no address of this machine',
  ENOTFOUND: 'HOST is no address of this machine',
};

/** Listens, and returns the port. Throws a UsageError that names `variable` where the address cannot be had. */
export async function listening(
  server: Server,
  at: { port: number; hostname: string },
  variable: 'PORT' | 'LETHE_METRICS_PORT',
): Promise<number> {
  server.listen(at.port, at.hostname);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!Object.hasOwn(REFUSED, code)) throw error;
    throw new UsageError([`${variable}: cannot listen on ${at.hostname}:${at.port}: ${REFUSED[code]} (${code})`]);
  }
  return (server.address() as AddressInfo).port;
}
