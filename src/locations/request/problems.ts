import { isRefusedHost, mayBePrivate } from '../../partners/addresses.ts';
import type { AskedLocation, SenderTools } from '../asked.ts';
import { compile } from './compile.ts';
import type { Asks } from './declare.ts';
import { isPlain } from './filters.ts';
import { variableOf } from './values.ts';

/** Why no request can be made as the catalog and the environment are now; in words without values. */
export function problemsOf(
  { asks }: Pick<AskedLocation<Asks>, 'asks'>,
  { variable, privateHosts }: Pick<SenderTools, 'variable' | 'privateHosts'>,
): string[] {
  const { url, follow, found } = compile(asks);
  const places = [['url', url.origin] as const, ...(follow ? [['follow.url', follow.url.origin] as const] : [])];
  const hosts = places.flatMap(([place, origin]) => {
    const { protocol, hostname } = new URL(origin);
    if (isRefusedHost(privateHosts, hostname))
      return [`request.${place}: its address is private, and not in LETHE_PRIVATE_HOSTS`];
    return protocol === 'http:' && !mayBePrivate(privateHosts, hostname)
      ? [`request.${place}: expected https://, or a host that is in LETHE_PRIVATE_HOSTS`]
      : [];
  });
  const inHeaders = found
    .filter(({ place, slot }) => /headers\./.test(place) && !isPlain(slot.filters))
    .flatMap(({ slot }) => variableOf(slot.name) ?? []);
  const strange = [...new Set(inHeaders)].filter((name) => !/^[\x20-\x7e]*$/.test(variable(name) ?? ''));
  return [...hosts, ...strange.map((name) => `${name}: has a character that no header can have`)];
}
