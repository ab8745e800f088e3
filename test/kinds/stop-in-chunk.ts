import { loadConfig } from '../../src/config.ts';
import { eraseChunk } from '../../src/erasure/steps/erase-chunk.ts';
import type { Carrier, Kind } from '../../src/locations/kind.ts';
import { createLogger } from '../../src/logger.ts';
import { openResources } from '../../src/resources.ts';
import { SmallSlices } from './drive.ts';
import { IN_THE_MIDDLE, STOPPED } from './killed.ts';
import { contextFor } from './subject.ts';
import { SUBJECTS } from './subjects.ts';

/**
 * Runs a chunk's job of a subject (its name and the chunk's id are the arguments). It stands still in the second slice:
 * the data is gone, and the count is written and not committed. Whoever has started it kills it.
 */
const [name = '', chunkId = ''] = process.argv.slice(2);
const subject = SUBJECTS[name];
if (!subject) throw new Error(`no subject is called ${name}`);
const config = loadConfig('worker');
const opened = await openResources(config, createLogger('silent', 'test'), { max: 4, name: STOPPED });
const ctx = contextFor(subject, opened);

let slices = 0;
const stopping = (carrier: Carrier): Carrier => ({
  ...carrier,
  step: (context, work) =>
    carrier.step(context, {
      ...work,
      record: async (tx, done) => {
        await work.record(tx, done);
        slices += 1;
        if (slices < 2) return;
        process.stdout.write(IN_THE_MIDDLE);
        await new Promise((resolve) => setTimeout(resolve, 3_600_000));
      },
    }),
});

const kind = ctx.kinds[subject.kind] as Kind;
const outcomes = { ...kind.outcomes, [subject.outcome]: stopping(kind.outcomes[subject.outcome] as Carrier) };
const kinds = { ...ctx.kinds, [subject.kind]: { ...kind, outcomes } };
await eraseChunk({ ...ctx, kinds }, Number(chunkId), new SmallSlices(), { proceed: () => true, onSlice: () => {} });
