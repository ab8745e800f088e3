import { loadConfig } from '../../src/config.ts';
import { createLogger } from '../../src/logger.ts';
import { openResources } from '../../src/resources.ts';
import { pump } from './asked-drive.ts';
import { ANSWERED, STOPPED } from './asked-killed.ts';
import { ASKED_SUBJECTS } from './asked-subjects.ts';
import { contextFor } from './subject.ts';

/**
 * Makes the calls that are due, of the subject that its argument names. It stands still when the partner has answered
 * and nothing is settled. Whoever has started it kills it.
 */
const [name = ''] = process.argv.slice(2);
const subject = ASKED_SUBJECTS[name];
if (!subject) throw new Error(`no subject is called ${name}`);
const config = loadConfig('worker');
const opened = await openResources(config, createLogger('silent', 'test'), { max: 4, name: STOPPED });

await pump({ ctx: contextFor(subject, opened), config }, (send) => async (...of) => {
  await send(...of);
  process.stdout.write(ANSWERED);
  return new Promise(() => setInterval(() => {}, 60_000));
});
