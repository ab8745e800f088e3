import { writeFileSync } from 'node:fs';
import { loadCatalog } from '../../src/catalog/load.ts';
import { opsFiles } from './files.ts';

// What the default catalog makes; test/unit/alerts.test.ts compares.
for (const [name, text] of Object.entries(opsFiles(loadCatalog('catalog.yaml')))) writeFileSync(`ops/${name}`, text);
