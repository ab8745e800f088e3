import { expect, it } from 'vitest';
import { pump, untilAsked } from '../kinds/asked-drive.ts';
import { httpSubject, startService } from '../kinds/asked-http.ts';
import { openAsked } from '../kinds/asked-subject.ts';
import { makeAccount } from '../kinds/drive.ts';

const CALLS = 9;
const PER_SECOND = 5;

it('a partner gets no more calls in a second than its entry allows', async () => {
  const subject = { ...httpSubject(false), open: () => startService(false, `, rate: ${PER_SECOND}/s`) };
  const place = await openAsked('a service with a rate', subject);
  try {
    for (let n = 0; n < CALLS; n++) await untilAsked(place, await makeAccount(place));
    const begun = performance.now();
    await pump(place);
    const seconds = (performance.now() - begun) / 1000;
    expect(await place.system.requests()).toBe(CALLS);
    // The first one begins at once.
    expect(seconds).toBeGreaterThan((CALLS - 1) / PER_SECOND - 0.1);
  } finally {
    await place.close();
  }
});
