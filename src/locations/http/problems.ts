import { isRefusedHost, mayBePrivate } from '../../partners/addresses.ts';
import { problemOfSecrets } from '../../partners/sign.ts';
import type { SenderTools } from '../asked.ts';
import { type HttpLocation, secretOf } from './declare.ts';

/** Why no message can be sent to a partner as the catalog and the environment are now; in words without values. */
export function problemsOf(
  location: HttpLocation,
  { variable, privateHosts }: Pick<SenderTools, 'variable' | 'privateHosts'>,
): string[] {
  const { protocol, hostname } = new URL(location.asks.url);
  const name = secretOf(location);
  const secret = variable(name);
  const wrong = secret === undefined ? 'is not set' : problemOfSecrets(secret);
  return [
    ...(wrong ? [`${name}: ${wrong}`] : []),
    ...(isRefusedHost(privateHosts, hostname)
      ? ['http.url: its address is private, and not in LETHE_PRIVATE_HOSTS']
      : []),
    ...(protocol === 'http:' && !mayBePrivate(privateHosts, hostname)
      ? ['http.url: expected https://, or a host that is in LETHE_PRIVATE_HOSTS']
      : []),
  ];
}
