import type { Declaration } from '../../src/catalog/live/declared.ts';
import { parseCatalog } from '../../src/catalog/load.ts';

/** What a catalog calls those who are watched. */
export type Names = {
  team: string;
  contact: string;
  location: string;
  partner: string;
  /** Owners of the test data and of the dataset. Only the first has an entry under `owners:`. */
  tester: string;
  warehouse: string;
};

export const PLAIN: Names = {
  team: 'reader',
  contact: '#reader',
  location: 'posts',
  partner: 'search',
  tester: 'privacy',
  warehouse: 'warehouse',
};

/** Texts that a language of ours would read as its own: Go templates, PromQL, YAML, a regular expression, Grafana. */
export const HOSTILE: Names = {
  team: 'a "team" \\ {{ $value }} {\n{ 💥 $datasource [[x]] \' # : &b *c \u202e \u0007',
  contact: '{{ .Nothing }} \\"\n- x: [1] {{/* 👩‍💻 }}',
  location: 'po"st{s}.*+|[a]\\d (💾) {{ $labels }}',
  partner: 'se\\arch "{{ template "x" }}" $1 ü',
  tester: '{{',
  warehouse: '"} or vector(1) #',
};

/** A catalog that has all that can be watched. A duration of a cycle is 10 min, a day is late after an hour. */
export const watchedCatalog = (names: Names): Declaration =>
  parseCatalog(
    JSON.stringify({
      account: { table: 'accounts', key: 'id' },
      locations: [
        { table: 'posts', name: names.location, account: 'account_id', owner: names.team },
        { table: 'notes', account: 'account_id', owner: 'other' },
        {
          partner: names.partner,
          owner: names.team,
          http: { url: 'https://search.example.com/erase', secret: 'env:SEARCH_SECRET' },
        },
      ],
      owners: [{ owner: names.team, contact: names.contact }, { owner: names.tester }],
      canary: { owner: names.tester, every: '10m', wait: '1m', within: '10m', key: 'env:KEY', plant: ['SELECT 1'] },
      dataset: { owner: names.warehouse, sla: '1h', folder: '/var/lib/lethe' },
    }),
  );
