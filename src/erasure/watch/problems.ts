import type { DeclaredOwner } from '../../catalog/live/declared.ts';
import { isRefusedHost, mayBePrivate } from '../../partners/addresses.ts';
import { problemOfSecrets } from '../../partners/sign.ts';

/** What of the process's settings decides whether a team can be told. */
export type Telling = {
  readonly variable: (name: string) => string | undefined;
  readonly privateHosts: readonly string[];
};

/** Why no message can be sent to a team as the catalog and the environment are now; in words without values. */
export function problemsOfNotify(
  { url, secret }: { url: string; secret: string },
  { variable, privateHosts }: Telling,
): string[] {
  const { protocol, hostname } = new URL(url);
  const value = variable(secret);
  const wrong = value === undefined ? 'is not set' : problemOfSecrets(value);
  return [
    ...(wrong ? [`${secret}: ${wrong}`] : []),
    ...(isRefusedHost(privateHosts, hostname)
      ? ['notify.url: its address is private, and not in LETHE_PRIVATE_HOSTS']
      : []),
    ...(protocol === 'http:' && !mayBePrivate(privateHosts, hostname)
      ? ['notify.url: expected https://, or a host that is in LETHE_PRIVATE_HOSTS']
      : []),
  ];
}

/** What keeps teams from being told, a line for each. */
export function findUntellable(owners: readonly DeclaredOwner[], telling: Telling): string[] {
  return owners.flatMap(({ owner, notify }) => {
    if (!notify || 'mail' in notify) return [];
    if (telling.variable(notify.secret) === undefined) return [`${notify.secret}: required to tell the owner ${owner}`];
    return problemsOfNotify(notify, telling).map((words) => `owner ${owner}: ${words}`);
  });
}
