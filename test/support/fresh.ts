import { vi } from 'vitest';

// A process runs many test files, since loading the packages anew for each takes a fifth of the time of all tests.
// What the project's own modules keep is of one file: each loads them anew.
vi.resetModules();
