import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

/** A key that a provider signs with. */
export type SigningKey = { alg: string; kid: string; privateKey: CryptoKey; jwk: JWK };

export async function signingKey(alg: string, kid: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, jwk: { ...(await exportJWK(publicKey)), alg, kid, use: 'sig' } };
}

type Claims = { sub: string; iss?: string; aud?: string; exp?: number };

/** A bearer JWT of the provider; header and claims can be made wrong. */
export async function signed(
  key: Pick<SigningKey, 'alg' | 'kid' | 'privateKey'>,
  { sub, iss = 'reader', aud = 'lethe', exp = Date.now() / 1000 + 300 }: Claims,
  header: Record<string, unknown> = {},
): Promise<string> {
  const token = await new SignJWT({ auth_time: Math.floor(Date.now() / 1000) })
    .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
    .setSubject(sub)
    .setIssuer(iss)
    .setAudience(aud)
    .setIssuedAt()
    .setExpirationTime(Math.floor(exp))
    .sign(key.privateKey);
  return `Bearer ${token}`;
}

/** An identity provider on loopback. `keys` are what it publishes, `answer` how; `reads` counts. */
export async function startKeyProvider(keys: JWK[]) {
  const honest = (response: ServerResponse) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ keys: provider.keys }));
  };
  const server = createServer((_, response) => {
    provider.reads += 1;
    provider.answer(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const provider = {
    keys,
    honest,
    answer: honest,
    reads: 0,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return provider;
}
