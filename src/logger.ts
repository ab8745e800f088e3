import { type Logger, pino } from 'pino';

export type { Logger };

/** JSON leaves these as they are, but a terminal obeys C1 controls, and marks of direction reorder what is read. */
const STEERING = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const escapeSteering = (line: string) =>
  line.replace(STEERING, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

/**
 * JSON lines on standard output. Anything that could carry personal data or a secret is removed by name. That is a
 * second line of defence: log calls pass ids, counts and codes only.
 */
export function createLogger(level: string, role: string): Logger {
  return pino({
    level,
    base: { role, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    hooks: { streamWrite: escapeSteering },
    redact: {
      paths: [
        'email',
        'accountKey',
        'accountId',
        'token',
        'authorization',
        '*.email',
        '*.accountKey',
        '*.accountId',
        '*.token',
        '*.authorization',
        'err.query',
        'err.params',
      ],
      censor: '[removed]',
    },
  });
}
