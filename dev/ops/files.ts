import { dashboardOf } from '../../src/alerts/dashboard.ts';
import { printRoutes } from '../../src/alerts/routes.ts';
import { printRules } from '../../src/alerts/rules.ts';
import type { Declaration } from '../../src/catalog/live/declared.ts';
import { json } from '../../src/cli/shell/terminal.ts';

/** What `ops/` holds of a catalog, by the name of the file: the same as `lethe alerts` prints. */
export const opsFiles = (declared: Declaration): Record<string, string> => ({
  'alerts.yaml': printRules(declared),
  'alertmanager.yaml': printRoutes(declared),
  'dashboard.json': `${json(dashboardOf(declared), 2)}\n`,
});
