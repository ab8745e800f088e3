/** A query of Prometheus; `legend` may name labels, as `{{owner}}`. */
export type Query = { expr: string; legend?: string };

/** How a number is shown, by Grafana's names of units. */
export type Unit = 'short' | 's' | 'percentunit' | 'rowsps' | 'reqps' | 'ops' | 'dateTimeFromNow' | 'bool_yes_no';

/** A panel before it has a place. `at`: from this value on it is yellow, and red. `wide`: of 24 columns. */
export type Panel = {
  title: string;
  says: string;
  type: 'timeseries' | 'stat' | 'table';
  unit: Unit;
  wide: number;
  queries: readonly Query[];
  at?: { yellow?: number; red: number };
};

/** Panels under one heading. Texts of a catalog in titles are escaped already. */
export type Section = { title: string; panels: readonly Panel[] };

export const lines = (title: string, says: string, unit: Unit, ...queries: Query[]): Panel => ({
  title,
  says,
  type: 'timeseries',
  unit,
  wide: 8,
  queries,
});

export const number = (title: string, says: string, unit: Unit, expr: string, at?: Panel['at']): Panel => ({
  title,
  says,
  type: 'stat',
  unit,
  wide: 4,
  queries: [{ expr }],
  ...(at ? { at } : {}),
});
