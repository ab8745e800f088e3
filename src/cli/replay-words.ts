import type { Choice } from '../erasure/accept/replay-choice.ts';
import type { ReplayedMany } from '../erasure/accept/replay-many.ts';
import { number } from './shell/format.ts';

/** What a replay does with the partners of one erasure, a line each. */
export function choiceWords({ again, hurried, left }: Choice, dryRun: boolean): string[] {
  const would = dryRun ? 'Would be asked again' : 'Asked again';
  return [
    ...(again.length > 0 ? [`${would}: ${again.join(', ')}`] : []),
    ...(hurried.length > 0 ? [`Not answered yet, ${dryRun ? 'would be ' : ''}due at once: ${hurried.join(', ')}`] : []),
    ...left.map(({ partner, why }) => `Left out: ${partner}: ${why}`),
  ];
}

/** What a replay of many has taken, a line each. */
export function manyWords(so: ReplayedMany, { failed, dryRun }: { failed: boolean; dryRun: boolean }): string[] {
  const erasures = `${number(so.erasures)} ${so.erasures === 1 ? 'erasure' : 'erasures'}`;
  const calls = `${number(so.calls)} waiting ${so.calls === 1 ? 'call' : 'calls'}`;
  const would = dryRun ? 'Would take ' : 'Replayed ';
  const first = failed ? `${would}${erasures}.` : `${would}${erasures}, and make ${calls} due at once.`;
  const left = [
    [so.newer, 'somebody new has the account’s key'],
    [so.held, 'on hold'],
    [so.busy, 'locked just now: repeat it'],
    [so.impossible, 'cannot be asked again: scrubbed, or the values that it was told are destroyed'],
  ] as const;
  return [
    dryRun ? first : first.replace(', and make ', ', and made '),
    ...left.filter(([n]) => n > 0).map(([n, why]) => `Left out ${number(n)}: ${why}.`),
  ];
}
