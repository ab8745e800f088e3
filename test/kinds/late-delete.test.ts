import { expect, it } from 'vitest';
import type { Location } from '../../src/catalog/live/types.ts';
import { carrierOf } from '../../src/locations/kinds/ask.ts';
import { exercise } from './exercise.ts';
import { late, REFUSED } from './late.ts';

exercise('a system that answers late');

it('an outcome that a kind refuses is refused in its words', () => {
  const location = { kind: 'late', name: 'elsewhere', action: 'keep' } as Location;
  expect(() => carrierOf({ late }, location)).toThrow(`catalog_invalid: elsewhere: ${REFUSED.refused}`);
});
