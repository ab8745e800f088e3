import { lethe } from './stack.ts';

/** Runs `lethe partner test` against a service of the demo, as its team would. Says each line; true: it keeps the contract. */
export async function testContract(
  env: Readonly<Record<string, string>>,
  url: string,
  say: (text: string) => void,
): Promise<boolean> {
  const ran = lethe(['partner', 'test', url, '--secret', 'SEARCH_SECRET', '--canary', url], { ...env });
  const code = await ran.exited;
  say(ran.output().trimEnd().replace(/^/gm, '   '));
  return code === 0;
}
