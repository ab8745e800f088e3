import { fileURLToPath } from 'node:url';
import { freePort } from '../../dev/free-port.ts';

const file = (name: string) => fileURLToPath(new URL(`tls/${name}`, import.meta.url));

/** Whom a client must trust, as `NODE_EXTRA_CA_CERTS`, to accept what these servers show. */
export const CERTIFICATE = file('certificate.pem');

/** Settings of a Redis server or Sentinel that speaks TLS on this port, also with those it follows or watches. */
export const tlsSettings = (port: number): [string, string][] => [
  ['tls-port', String(port)],
  ['tls-cert-file', CERTIFICATE],
  ['tls-key-file', file('key.pem')],
  ['tls-ca-cert-file', CERTIFICATE],
  ['tls-auth-clients', 'no'],
  ['tls-replication', 'yes'],
];

/** The same as flags, and the port. */
export async function tlsFlags(): Promise<{ port: number; flags: string[] }> {
  const port = await freePort();
  return { port, flags: tlsSettings(port).flatMap(([name, value]) => [`--${name}`, value]) };
}
