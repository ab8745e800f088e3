import { type Listener, listen } from './acknowledgements.ts';
import type { Standing } from './alike.ts';
import { checkMessages } from './check-messages.ts';
import { checkTestData } from './check-test-data.ts';
import { CANARY_CHECKS, failed, type Line, ok, skipped } from './line.ts';
import { openProbe } from './probe.ts';
import type { Target } from './target.ts';

/**
 * Has a partner show line by line that it keeps the contract: docs/partners.md. It sends messages about accounts that nobody
 * has. With an address for test data it plants some and has it erased.
 */
export async function* testPartner(target: Target, signal: AbortSignal): AsyncGenerator<Line, void> {
  const listener = await listen(target.acknowledgeAt);
  const probe = openProbe(target, listener, signal);
  try {
    const standing = yield* checkMessages(target, probe);
    yield await checkAcknowledged(target, listener, standing);
    if (target.canary === undefined) return;
    if (standing) yield* checkTestData(target, { probe, listener, signal });
    // What is planted would stay.
    else for (const check of CANARY_CHECKS) yield skipped(check, 'it erases nothing so far');
  } finally {
    await probe.close();
    await listener.close();
  }
}

async function checkAcknowledged(target: Target, listener: Listener, standing: Standing | undefined): Promise<Line> {
  const check = 'acknowledged';
  if (standing?.kind !== 'accepted') return skipped(check, standing ? 'it answers at once' : 'it has accepted nothing');
  if (target.acknowledgeAt === undefined && !isHere(target.url))
    return skipped(check, 'it cannot reach this machine: --acknowledge-at says where it can');
  const heard = await listener.heard(standing.message.id, target.withinMs);
  if (heard === undefined) return failed(check, `none within ${target.withinMs / 1000} s`, target);
  if ('problem' in heard) return failed(check, heard.problem, target);
  return heard.said === 'failed'
    ? failed(check, 'it acknowledged that it failed', target)
    : ok(check, `it acknowledged: ${heard.said}`);
}

const isHere = (url: string): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);
