import { isAsked, type Looking } from '../locations/asked.ts';
import type { CanaryWork, Cycle, Finding } from './model.ts';
import { plantedAccount } from './plant.ts';
import { withinTime } from './within-time.ts';

/** Asks each partner that was planted whether it still has the account. `open`: this process is being stopped. */
export async function lookAtPartners(
  work: CanaryWork,
  cycle: Cycle,
): Promise<{ findings: readonly Finding[]; open: boolean }> {
  const of = plantedAccount(work, cycle);
  const planted = work.ctx.catalog.locations
    .filter(isAsked)
    .filter(({ name }) => Object.hasOwn(cycle.planted ?? {}, name));
  const findings = await Promise.all(
    planted.map(async (location): Promise<Finding[]> => {
      const sender = work.senderOf(location);
      if (!sender.look) return [];
      const look = (signal: AbortSignal) => sender.look?.(location, of, signal) as Promise<Looking>;
      const seen = await withinTime(work.signal, location, look, (words): Looking => ({ kind: 'unknown', words }));
      if (seen.kind === 'absent') return [];
      const words = seen.kind === 'present' ? 'it still has the account' : 'it cannot be looked at';
      return [{ location: location.name, words: `${words}: ${seen.words}` }];
    }),
  );
  return { findings: findings.flat(), open: work.signal.aborted };
}
