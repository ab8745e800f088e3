import { sanitize } from '../store/sql-errors.ts';
import { endCycle, putOff } from './change-cycle.ts';
import { type CanaryWork, type Cycle, PLANTING, REQUEST } from './model.ts';
import { plantAccount, plantPartners } from './plant.ts';
import { requestErasure } from './request.ts';
import { verifyErasure } from './verify.ts';

/** A step that fails for so long beyond its time is a finding. */
const PATIENCE_MS = 120_000;

/**
 * Does the next step of a cycle. Two processes may do it at once: each step changes the row only where it still is as it
 * was seen. What a step asks of others is the same when it is asked twice. Rejects where the database is away.
 */
export async function moveCycle(work: CanaryWork, cycle: Cycle): Promise<void> {
  try {
    await stepOf(cycle)(work, cycle);
  } catch (error) {
    const { code, message } = sanitize(error);
    if (code === 'database_unavailable' || work.signal.aborted) throw error;
    work.ctx.log.warn({ canary: cycle.id, state: cycle.state, code }, 'a step of test data failed');
    if (!isOver(work, cycle)) return putOff(work, cycle, message);
    const location = cycle.state === 'planting' ? PLANTING : REQUEST;
    await endCycle(work, cycle, [{ location, words: message }]);
  }
}

const stepOf = ({ state, accountKey }: Cycle) => {
  if (state === 'planting') return accountKey === null ? plantAccount : plantPartners;
  return state === 'planted' ? requestErasure : verifyErasure;
};

const isOver = ({ declared }: CanaryWork, { state, ageMs, askedMs }: Cycle): boolean =>
  state === 'planting' ? ageMs > PATIENCE_MS : (askedMs ?? 0) > declared.within;
