import { isRefusedHost, mayBePrivate } from '../../partners/addresses.ts';
import { problemOfSecrets } from '../../partners/sign.ts';
import type { SenderTools } from '../asked.ts';
import { type HttpLocation, secretOf } from './declare.ts';

type Environment = Pick<SenderTools, 'variable' | 'privateHosts'>;

/** What is wrong with a partner as the catalog and the environment are now; in words without values. */
export function problemsOf(location: HttpLocation, environment: Environment): string[] {
  const { canary } = location.asks;
  return [
    ...problemsAt(location, 'url', environment),
    ...(canary === undefined ? [] : hostProblems('http.canary', canary, environment)),
  ];
}

/** Why no message can be sent to one of its addresses. */
export function problemsAt(location: HttpLocation, key: 'url' | 'canary', environment: Environment): string[] {
  const name = secretOf(location);
  const secret = environment.variable(name);
  const wrong = secret === undefined ? 'is not set' : problemOfSecrets(secret);
  return [
    ...(wrong ? [`${name}: ${wrong}`] : []),
    ...hostProblems(`http.${key}`, location.asks[key] as string, environment),
  ];
}

function hostProblems(key: string, url: string, { privateHosts }: Environment): string[] {
  const { protocol, hostname } = new URL(url);
  return [
    ...(isRefusedHost(privateHosts, hostname)
      ? [`${key}: its address is private, and not in LETHE_PRIVATE_HOSTS`]
      : []),
    ...(protocol === 'http:' && !mayBePrivate(privateHosts, hostname)
      ? [`${key}: expected https://, or a host that is in LETHE_PRIVATE_HOSTS`]
      : []),
  ];
}
