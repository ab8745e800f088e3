import { expect, it } from 'vitest';
import { keptFor } from '../../src/http/live/shared-look.ts';
import { until } from '../support/until.ts';

it('is read once for all who ask meanwhile, and for some time after', async () => {
  let reads = 0;
  let end = () => {};
  const ask = keptFor(50, () => {
    reads++;
    return new Promise<number>((resolve) => {
      end = () => resolve(reads);
    });
  });
  const first = [ask(), ask()];
  end();
  expect(await Promise.all([...first, ask()])).toEqual([1, 1, 1]);
  await until('it is read again', () => {
    void ask();
    return reads === 2;
  });
});

it('is not kept when it fails', async () => {
  let reads = 0;
  const ask = keptFor(60_000, async () => {
    if (++reads === 1) throw new Error('away');
    return reads;
  });
  await expect(ask()).rejects.toThrow('away');
  expect(await ask()).toBe(2);
});
