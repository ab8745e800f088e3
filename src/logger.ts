import { type Logger, pino } from 'pino';

export type { Logger };

/**
 * JSON lines on standard output. Anything that could carry personal data or a secret is removed by
 * name, as a second line of defence: log calls pass ids, counts and codes only.
 */
export function createLogger(level: string, role: string): Logger {
  return pino({
    level,
    base: { role, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
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
