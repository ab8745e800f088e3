import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { withImportRules } from './biome.ts';
import { withDrawing } from './drawing.ts';

const CONFIG = 'biome.json';
const PAGE = 'docs/design.md';

writeFileSync(CONFIG, JSON.stringify(withImportRules(JSON.parse(readFileSync(CONFIG, 'utf8'))), null, 2));
writeFileSync(PAGE, withDrawing(readFileSync(PAGE, 'utf8')));
const formatted = spawnSync(process.execPath, ['node_modules/@biomejs/biome/bin/biome', 'format', '--write', CONFIG]);
process.exit(formatted.status ?? 1);
