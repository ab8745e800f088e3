import { isRefusedHost, mayBePrivate } from '../../partners/addresses.ts';
import type { SenderTools } from '../asked.ts';
import { type Reach, variablesOf } from './declare.ts';

/** Why a store cannot be asked as the catalog and the environment are now, in words without values. */
export function problemsOf(
  s3: Reach,
  { variable, privateHosts }: Pick<SenderTools, 'variable' | 'privateHosts'>,
): string[] {
  const missing = variablesOf(s3).filter((name) => !variable(name));
  const problems = missing.map((name) => `${name}: is not set`);
  if (s3.endpoint === undefined) return problems;
  const { protocol, hostname } = new URL(s3.endpoint);
  if (isRefusedHost(privateHosts, hostname))
    problems.push('s3.endpoint: its address is private, and not in LETHE_PRIVATE_HOSTS');
  if (protocol === 'http:' && !mayBePrivate(privateHosts, hostname))
    problems.push('s3.endpoint: expected https://, or a host that is in LETHE_PRIVATE_HOSTS');
  return problems;
}
