import type { Declaration } from '../catalog/live/declared.ts';
import { type Answerable, answerableOf } from './answerable.ts';
import { promqlAnyOf, promqlText, titleText } from './escape.ts';
import { lines, type Panel, type Section } from './panel.ts';
import { DATASET, EDGES, MACHINERY, OVERVIEW, OWNERS, PARTNERS, TEST_DATA } from './sections.ts';

const DATASOURCE = { type: 'prometheus', uid: '$datasource' };
const COLUMNS = 24;
const HEIGHT = { timeseries: 7, stat: 4, table: 7 } as const;

/** A dashboard of Grafana, to be printed as JSON and imported: what everybody sees, then a row for each team. */
export function dashboardOf(declared: Declaration) {
  const teams = answerableOf(declared).filter(({ locations }) => locations.length > 0);
  const sections = [
    OVERVIEW,
    OWNERS,
    ...(teams.some(({ partners }) => partners.length > 0) ? [PARTNERS] : []),
    ...(declared.canary ? [TEST_DATA] : []),
    ...(declared.dataset ? [DATASET] : []),
    MACHINERY,
    EDGES,
    ...teams.map(teamSection),
  ];
  return {
    uid: 'lethe',
    title: 'Lethe',
    tags: ['lethe'],
    schemaVersion: 39,
    editable: true,
    time: { from: 'now-24h', to: 'now' },
    refresh: '1m',
    templating: { list: [{ name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Prometheus' }] },
    panels: placed(sections),
  };
}

function teamSection({ owner, contact, locations, partners }: Answerable): Section {
  const is = `{owner=${promqlText(owner)}}`;
  const there = promqlAnyOf(locations);
  const asked = promqlAnyOf(partners);
  return {
    title: titleText(contact === undefined ? `Owner ${owner}` : `Owner ${owner} · ${contact}`),
    panels: [
      lines(
        'Tasks',
        'Open, and of these late or failing.',
        'short',
        ...['', '_late', '_failing'].map((what) => ({
          expr: `max(lethe_owner_tasks${what}${is})`,
          legend: what.slice(1) || 'open',
        })),
      ),
      {
        ...lines('Deadline used', 'By the task that has used most of its own; from 1 on it is late.', 'percentunit', {
          expr: `max(lethe_owner_deadline_used_ratio${is})`,
          legend: 'used',
        }),
        at: { yellow: 0.5, red: 0.8 },
      },
      lines(
        'Time to done',
        'Of the newest completed erasures of 30 days.',
        's',
        ...['0.5', '0.95'].map((quantile) => ({
          expr: `max(lethe_owner_done_seconds{owner=${promqlText(owner)},quantile="${quantile}"})`,
          legend: `p${Number(quantile) * 100}`,
        })),
      ),
      lines('Rows deleted', 'A second, by location.', 'rowsps', {
        expr: `sum by (location) (rate(lethe_rows_deleted_total{location=~${there}}[5m]))`,
        legend: '{{location}}',
      }),
      ...(partners.length > 0
        ? [
            lines('Calls', 'A second, by what came of them.', 'reqps', {
              expr: `sum by (partner, outcome) (rate(lethe_partner_calls_total{partner=~${asked}}[5m]))`,
              legend: '{{partner}} {{outcome}}',
            }),
          ]
        : []),
    ],
  };
}

/** Panels from left to right, and rows below each other. */
function placed(sections: readonly Section[]) {
  const panels: object[] = [];
  let y = 0;
  for (const section of sections) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: section.title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
    });
    y += 1;
    let x = 0;
    let high = 0;
    for (const panel of section.panels) {
      if (x + panel.wide > COLUMNS) {
        y += high;
        x = 0;
        high = 0;
      }
      panels.push({ id: panels.length + 1, ...shown(panel), gridPos: { x, y, w: panel.wide, h: HEIGHT[panel.type] } });
      x += panel.wide;
      high = Math.max(high, HEIGHT[panel.type]);
    }
    y += high;
  }
  return panels;
}

function shown({ title, says, type, unit, queries, at }: Panel) {
  const steps = [
    { color: 'green', value: null },
    ...(at?.yellow === undefined ? [] : [{ color: 'yellow', value: at.yellow }]),
    ...(at ? [{ color: 'red', value: at.red }] : []),
  ];
  return {
    type,
    title,
    description: says,
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: {
        unit,
        thresholds: { mode: 'absolute', steps },
        ...(type === 'stat' ? { color: { mode: 'thresholds' } } : { min: 0 }),
      },
      overrides: [],
    },
    targets: queries.map(({ expr, legend }, n) => ({
      refId: String.fromCharCode(65 + n),
      datasource: DATASOURCE,
      expr,
      ...(legend === undefined ? {} : { legendFormat: legend }),
    })),
  };
}
