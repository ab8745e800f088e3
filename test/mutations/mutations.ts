import { ACCESS } from './access.ts';
import { ACCOUNTS } from './accounts.ts';
import { ALERTS } from './alerts.ts';
import { CALL_MUTATIONS } from './calls.ts';
import { CANARY } from './canary.ts';
import { CATALOG } from './catalog.ts';
import { DATASET_MUTATIONS } from './dataset.ts';
import { ERASERS } from './erasers.ts';
import { FILES } from './files.ts';
import { FINISH } from './finish.ts';
import { GATHERING_MUTATIONS } from './gathering.ts';
import { KEYS } from './keys.ts';
import { LEDGER } from './ledger.ts';
import { MAILS } from './mails.ts';
import type { Mutation } from './mutation.ts';
import { OWNERS } from './owners.ts';
import { PARTNERS } from './partners.ts';
import { REDIS } from './redis.ts';
import { REPLAYS } from './replays.ts';
import { SECOND_LETHE } from './second-lethe.ts';
import { SETTINGS_MUTATIONS } from './settings.ts';
import { STEPS } from './steps.ts';
import { TEMPLATES } from './templates.ts';

/** Every mutation, in the order in which they are tried. */
export const MUTATIONS: readonly Mutation[] = [
  ...ERASERS,
  ...GATHERING_MUTATIONS,
  ...FILES,
  ...KEYS,
  ...LEDGER,
  ...STEPS,
  ...FINISH,
  ...CALL_MUTATIONS,
  ...ACCOUNTS,
  ...MAILS,
  ...CATALOG,
  ...ACCESS,
  ...SECOND_LETHE,
  ...SETTINGS_MUTATIONS,
  ...REDIS,
  ...TEMPLATES,
  ...PARTNERS,
  ...REPLAYS,
  ...ALERTS,
  ...CANARY,
  ...DATASET_MUTATIONS,
  ...OWNERS,
];
