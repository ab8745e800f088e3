import type { Fault } from './fault.ts';
import { APPLICATION_FAULTS } from './faults-application.ts';
import { NETWORK_FAULTS } from './faults-network.ts';
import { PARTNER_FAULTS } from './faults-partners.ts';
import { POSTGRES_FAULTS } from './faults-postgres.ts';
import { PROCESS_FAULTS } from './faults-processes.ts';
import { REDIS_FAULTS } from './faults-redis.ts';
import { WATCHING_FAULTS } from './faults-watching.ts';

/** Every fault. A seed draws from them in this order: one that is added changes what the seeds mean. */
export const FAULTS: readonly Fault[] = [
  ...PROCESS_FAULTS,
  ...NETWORK_FAULTS,
  ...POSTGRES_FAULTS,
  ...REDIS_FAULTS,
  ...APPLICATION_FAULTS,
  ...PARTNER_FAULTS,
  ...WATCHING_FAULTS,
];

/** The fault of this name. */
export function faultOf(name: string): Fault {
  const fault = FAULTS.find((f) => f.name === name);
  if (!fault) throw new Error(`there is no fault ${name}`);
  return fault;
}
