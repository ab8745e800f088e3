/** How far the live schema has moved away from a catalog that has fitted it. In words that say what to do. */
export type Drift = {
  /** Everything that does not fit. */
  readonly problems: readonly string[];
  /** Of these, what keeps a location from being erased: no erasure can prove that nothing is left. */
  readonly unusable: readonly string[];
};

export const NO_DRIFT: Drift = { problems: [], unusable: [] };
