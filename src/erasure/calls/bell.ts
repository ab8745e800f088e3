/** Wakes the one who waits for something to have happened. What rings while nobody waits is heard by the next one. */
export class Bell {
  #rang = false;
  #hear: (() => void) | undefined;

  ring(): void {
    this.#rang = true;
    this.#hear?.();
  }

  /** Resolves when it has rung since the last time, or after `ms` milliseconds. */
  async rung(ms: number): Promise<void> {
    if (!this.#rang) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#hear = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#hear = undefined;
    }
    this.#rang = false;
  }
}
