import type { Job } from '../model/job.ts';
import { accountSignOut } from './account-sign-out.ts';
import { chunkErase } from './chunk-erase.ts';
import { datasetBuild } from './dataset-build.ts';
import { erasureAdvance } from './erasure-advance.ts';
import { erasureSweep } from './erasure-sweep.ts';
import { mailSend } from './mail-send.ts';
import { partnerAcknowledge } from './partner-acknowledge.ts';

/** Every job: worker, handlers, enqueue, schedule and reconcile are made from this list, in whose order reconcile looks. */
export const JOBS = [
  erasureSweep,
  erasureAdvance,
  chunkErase,
  mailSend,
  accountSignOut,
  partnerAcknowledge,
  datasetBuild,
] as const satisfies readonly Job[];

const BY_NAME: ReadonlyMap<string, Job> = new Map(JOBS.map((job) => [job.name, job]));

/** The job of this name. Whoever can write to Redis chooses the name. */
export const findJob = (name: string): Job | undefined => BY_NAME.get(name);
