import type { Logger } from '../logger.ts';
import { sanitize } from '../store/sql-errors.ts';

/** Fewer in a row may be a database that is followed by another. */
const TOLD_AT = 3;

/**
 * The failures of something that is tried again and again. The third in a row is a warning, so that what can never succeed
 * is seen. The others are logged at debug: they would fill the log.
 */
export class Failures {
  readonly #log: Pick<Logger, 'warn' | 'debug'>;
  readonly #words: string;
  #inARow = 0;

  /** `words`: what was not done. */
  constructor(log: Pick<Logger, 'warn' | 'debug'>, words: string) {
    this.#log = log;
    this.#words = words;
  }

  /** It has failed once more. */
  add(error: unknown): void {
    this.#inARow++;
    const { code, detail } = sanitize(error);
    this.#log[this.#inARow === TOLD_AT ? 'warn' : 'debug']({ code, detail }, this.#words);
  }

  /** It has succeeded: what fails from now on is new. */
  end(): void {
    this.#inARow = 0;
  }
}
