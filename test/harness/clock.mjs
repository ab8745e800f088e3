// Moves the clock of the process that loads it first by CLOCK_MOVED_MS: what JavaScript reads, as a machine with a wrong
// clock would. The monotonic clock and the timers go on as they are.
const moved = Number(process.env.CLOCK_MOVED_MS ?? 0);
const Real = globalThis.Date;

class Moved extends Real {
  constructor(...given) {
    if (given.length === 0) super(Real.now() + moved);
    else super(...given);
  }
  static now() {
    return Real.now() + moved;
  }
  // Dates that the runtime makes itself are of the real class.
  static [Symbol.hasInstance](value) {
    return value instanceof Real;
  }
}
globalThis.Date = Moved;
